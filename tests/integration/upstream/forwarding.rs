//! What a server sees, and what the client sees of its answer.

use super::before;
use crate::harness::{TestGateway, Upstream, get, request};

#[test]
fn servers_take_turns() {
    let servers = [Upstream::always(|peer| peer.say("one")), Upstream::always(|peer| peer.say("two"))];
    let gateway = before(&[servers[0].address(), servers[1].address()], "");
    let mut client = gateway.connect();
    let mut turns = [(); 4].map(|()| client.request("GET", "/", &[], "").unwrap().text());
    assert_ne!(turns[0], turns[1]);
    assert_eq!(turns[..2], turns[2..]);
    turns.sort_unstable();
    assert_eq!(turns, ["one", "one", "two", "two"]);
}

#[test]
fn a_connection_is_kept_for_the_next_request() {
    let server = Upstream::echo();
    let gateway = before(&[server.address()], "");
    let mut client = gateway.connect();
    for _ in 0..3 {
        assert_eq!(client.request("GET", "/", &[], "").unwrap().status, 200);
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_server_is_told_who_asks_and_for_what() {
    let server = Upstream::echo();
    let address = server.address();
    let gateway = TestGateway::from_yaml(&format!(
        "trust: {{ peers: 127.0.0.1, headers: [for, proto] }}
routes:
  - {{ mount: /m, http: {{ servers: \"{address}\" }} }}
  - {{ path: /upstream, http: {{ servers: \"{address}\", host: upstream }} }}
  - {{ path: /fixed, http: {{ servers: \"{address}\", host: fixed.example }} }}"
    ));
    let told = |path: &str| {
        let headers =
            ["X-Forwarded-For: 6.6.6.6, 192.0.2.1", "X-Forwarded-Proto: https", "Forwarded: for=6.6.6.6"];
        gateway.connect().request("GET", path, &headers, "").unwrap().text()
    };
    let mounted = told("/m/a?b");
    assert!(mounted.starts_with("GET /a?b HTTP/1.1\r\n"), "{mounted}");
    for line in [
        "host: test",
        "x-forwarded-for: 192.0.2.1",
        "x-forwarded-proto: https",
        "x-forwarded-host: test",
        "x-forwarded-prefix: /m",
    ] {
        assert_eq!(mounted.lines().filter(|told| *told == line).count(), 1, "{line}:\n{mounted}");
    }
    assert!(!mounted.contains("6.6.6.6"), "{mounted}");
    assert!(told("/upstream").contains(&format!("\r\nhost: {address}\r\n")));
    let fixed = told("/fixed");
    assert!(
        fixed.contains("\r\nhost: fixed.example\r\n") && !fixed.contains("x-forwarded-prefix"),
        "{fixed}"
    );
}

#[test]
fn a_request_arrives_as_it_was_meant() {
    let server = Upstream::echo();
    let gateway = before(&[server.address()], "");
    let told = |bytes: &[u8]| {
        let mut client = gateway.connect();
        client.send(bytes).unwrap();
        client.answer().unwrap().text()
    };
    let whole = told(b"GET http://shop.example/a?b HTTP/1.1\r\nHost: other\r\n\r\n");
    assert!(
        whole.starts_with("GET /a?b HTTP/1.1\r\n") && whole.contains("\r\nhost: shop.example\r\n"),
        "{whole}"
    );
    let empty = told(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n");
    assert!(empty.contains("\r\ncontent-length: 0\r\n"), "{empty}");
    let without = told(b"GET / HTTP/1.0\r\nX: 1\r\nX: 2\r\n\r\n");
    assert!(without.contains("\r\nx: 1\r\nx: 2\r\n"), "{without}");
    assert!(!without.contains("content-length") && !without.contains("transfer-encoding"), "{without}");
    let odd = told(b"M-SEARCH / HTTP/1.1\r\nHost: test\r\n\r\n");
    assert!(odd.starts_with("M-SEARCH / HTTP/1.1\r\n"), "{odd}");
}

#[test]
fn bytes_that_are_no_ascii_pass_both_ways() {
    let server = Upstream::once(|peer| {
        peer.head();
        peer.write(b"HTTP/1.1 200 OK\r\nX-Back: caf\xe9\r\nContent-Length: 0\r\n\r\n");
    });
    let gateway = TestGateway::from_yaml(&format!(
        "routes: [ {{ match: {{ header: {{ X-There: \"caf*\" }} }}, http: {{ servers: \"{}\" }} }} ]",
        server.address()
    ));
    let mut client = gateway.connect();
    client.send(b"GET / HTTP/1.1\r\nHost: test\r\nX-There: caf\xe9\r\n\r\n").unwrap();
    let head = client.until(b"\r\n\r\n").unwrap().escape_ascii().to_string();
    assert!(head.contains("x-back: caf\\xe9\\r\\n"), "{head}");
}

#[test]
fn headers_for_the_next_hop_stop_here_both_ways() {
    let server = Upstream::once(|peer| {
        peer.head();
        peer.write(
            "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
             Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\nX-End: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
             Content-Length: 4\r\n\r\nbody",
        );
    });
    let gateway = before(&[server.address()], "");
    let sent = [
        "Connection: X-Hop, TE",
        "X-Hop: 1",
        "X-End: 1",
        "Keep-Alive: 5",
        "TE: gzip",
        "Upgrade: websocket",
        "Proxy-Authorization: Basic eA==",
    ];
    let answer = gateway.connect().request("GET", "/", &sent, "").unwrap();
    let [head] = &server.heads()[..] else { panic!("one request") };
    for name in ["connection", "x-hop", "keep-alive", "te", "upgrade", "proxy-authorization"] {
        assert!(!head.contains(&format!("\r\n{name}:")), "{name}:\n{head}");
    }
    assert!(head.contains("\r\nx-end: 1\r\n"), "{head}");
    for name in ["connection", "x-hop", "keep-alive", "proxy-authenticate", "upgrade"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    let cookies: Vec<_> = answer.headers.iter().filter(|(name, _)| name == "set-cookie").collect();
    assert_eq!((cookies.len(), answer.header("x-end"), answer.text().as_str()), (2, Some("1"), "body"));
}

#[test]
fn answers_without_a_body_have_none_and_the_connections_go_on() {
    let server = Upstream::always(|peer| {
        while let Some(head) = peer.head() {
            let status = head.split(['/', ' ']).nth(2).unwrap_or_default();
            let length = if status == "200" { "Content-Length: 5\r\n" } else { "" };
            peer.write(format!("HTTP/1.1 {status} Fine\r\n{length}ETag: \"tag\"\r\n\r\n"));
            if head.starts_with("POST") {
                peer.write("whole");
            }
        }
    });
    let gateway = before(&[server.address()], "");
    let mut client = gateway.connect();
    for (method, path, length) in [("HEAD", "/200", Some("5")), ("GET", "/204", None), ("GET", "/304", None)]
    {
        client.send(request(method, path, &[], "")).unwrap();
        let head = client.head().unwrap();
        assert_eq!(head.status.to_string(), path[1..], "{method} {path}");
        assert_eq!((head.header("content-length"), head.header("etag")), (length, Some("\"tag\"")));
    }
    assert_eq!(client.request("POST", "/200", &[], "").unwrap().text(), "whole");
    assert_eq!(server.connections(), 1);
}

#[test]
fn the_words_of_a_status_are_the_servers() {
    let server = Upstream::once(|peer| {
        peer.head();
        peer.write("HTTP/1.1 299 Such A Status\r\nContent-Length: 0\r\n\r\n");
    });
    let gateway = before(&[server.address()], "");
    let mut client = gateway.connect();
    client.send(request("GET", "/", &[], "")).unwrap();
    assert_eq!(client.until(b"\r\n").unwrap(), b"HTTP/1.1 299 Such A Status\r\n");
}

#[test]
fn an_old_servers_answer_ends_with_its_connection() {
    let server = Upstream::always(|peer| {
        peer.head();
        peer.write("HTTP/1.0 200 OK\r\n\r\nall of it");
    });
    let gateway = before(&[server.address()], "");
    let mut client = gateway.connect();
    for _ in 0..2 {
        assert_eq!(client.request("GET", "/", &[], "").unwrap().text(), "all of it");
    }
}

#[test]
fn what_a_server_says_before_its_answer_is_not_passed_on() {
    let server = Upstream::once(|peer| {
        peer.head();
        peer.write("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let gateway = before(&[server.address()], "");
    assert_eq!(get(&gateway.address(), "/").text(), "ok");
}
