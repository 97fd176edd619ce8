//! Bodies of requests that nobody reads, and `100 Continue`.

use crate::harness::{Client, Nginx, TestGateway, Upstream, request, with_length};

const ROOMS: &str = "layers: [ access_log ]
routes:
  - { path: /smuggled, respond: { text: smuggled } }
  - { respond: { text: hello } }";

/// Sends a body that looks like requests to one who does not read it.
fn after_an_unread_body(body: &str) {
    let gateway = TestGateway::from_yaml(ROOMS);
    let mut client = gateway.connect();
    client.send(request("POST", "/", &[], "")).unwrap();
    assert_eq!(client.answer().unwrap().text(), "hello");
    // The gateway may close before all of it is sent.
    let sent = client.send(request("POST", "/", &[], body));
    if sent.is_ok() {
        assert_eq!(client.answer().unwrap().text(), "hello");
        // Either the connection has ended, or it goes on behind the body.
        if let Ok(next) = client.request("GET", "/", &[], "") {
            assert_eq!(next.text(), "hello");
        }
    }
    gateway.connect().request("GET", "/last", &[], "").unwrap();
    gateway.log().wait_for_text("/last");
    assert_eq!(gateway.log().find(|line| line.contains("/smuggled")), None);
}

#[test]
fn an_unread_body_is_never_the_next_request() {
    let one = request("GET", "/smuggled", &[], "");
    after_an_unread_body(&one);
    after_an_unread_body(&one.repeat(1 << 15));
}

#[test]
fn a_client_is_told_to_continue_when_its_body_is_read() {
    let upstream = Upstream::once(|peer| {
        peer.head();
        let body = peer.exactly(4);
        peer.write(with_length(&String::from_utf8_lossy(&body)));
    });
    let yaml = format!("routes: [ {{ http: {{ servers: \"{}\" }} }} ]", upstream.address());
    let gateway = TestGateway::from_yaml(&yaml);
    let mut client = gateway.connect();
    client.send(request("POST", "/", &["Expect: 100-continue", "Content-Length: 4"], "")).unwrap();
    assert_eq!(client.head().unwrap().status, 100);
    client.send("body").unwrap();
    assert_eq!(client.answer().unwrap().text(), "body");
}

#[test]
fn a_client_is_not_told_to_continue_with_a_body_that_nobody_wants() {
    let gateway = TestGateway::from_yaml("routes: [ { respond: { text: no } } ]");
    let mut client = gateway.connect();
    client.send(request("POST", "/", &["Expect: 100-continue", "Content-Length: 4"], "")).unwrap();
    let answer = client.answer().unwrap();
    assert_eq!((answer.text().as_str(), answer.header("connection")), ("no", Some("close")));
    assert_eq!(client.rest().unwrap(), b"", "what follows could be the body or a request");
}

#[test]
fn an_answer_that_does_not_wait_for_a_body_that_nobody_reads_says_that_it_is_the_last() {
    let gateway = TestGateway::from_yaml("routes: [ { respond: { text: hello } } ]");
    for (header, part) in [("Content-Length: 10", "half"), ("Transfer-Encoding: chunked", "5\r\nhel")] {
        let mut client = gateway.connect();
        client.send(request("POST", "/", &[header], "") + part).unwrap();
        let answer = client.answer().unwrap();
        assert_eq!((answer.text().as_str(), answer.header("connection")), ("hello", Some("close")));
        assert_eq!(client.rest().unwrap(), b"");
    }
}

/// The rest of the body comes while the answer does.
#[test]
fn a_request_may_follow_an_answer_that_came_before_the_end_of_a_body_that_is_read() {
    let upstream = Upstream::once(|peer| {
        peer.head();
        peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let body = peer.exactly(4);
        peer.write([&b"4\r\n"[..], &body, b"\r\n0\r\n\r\n"].concat());
        peer.say("next");
    });
    let yaml = format!("routes: [ {{ http: {{ servers: \"{}\" }} }} ]", upstream.address());
    let gateway = TestGateway::from_yaml(&yaml);
    let mut client = gateway.connect();
    client.send(request("POST", "/", &["Content-Length: 4"], "")).unwrap();
    assert_eq!(client.head().unwrap().header("connection"), None);
    client.send("body").unwrap();
    assert_eq!(client.chunk().unwrap(), b"body");
    assert_eq!(client.chunk().unwrap(), b"");
    assert_eq!(client.request("GET", "/", &[], "").unwrap().text(), "next");
}

#[test]
fn the_last_answer_arrives_whatever_follows_its_request() {
    let gateway = TestGateway::from_yaml("routes: [ { respond: { text: hello } } ]");
    let last = request("GET", "/", &["Connection: close"], "");
    for _ in 0..10 {
        let mut client = gateway.connect();
        client.send(last.clone() + &"x".repeat(1_000_000)).unwrap();
        assert_eq!(client.answer().unwrap().text(), "hello");
        assert_eq!(client.rest().unwrap(), b"");
    }
}

/// Whoever closes a connection on which much is still to come resets it: nginx then answers 502.
#[test]
fn an_answer_arrives_whose_request_nobody_reads() {
    let yaml = "listen: [\"127.0.0.1:0\", \"unix:http.sock\"]
routes:
  - { path: /limited, layers: [ { body_limit: { max: 1KiB } } ], respond: { text: hello } }
  - respond: { text: hello }";
    let gateway = TestGateway::from_yaml(yaml);
    let nginx = Nginx::in_front_of(&format!("unix:{}", gateway.path("http.sock").display()));
    let body = "x".repeat(1_000_000);
    for address in [gateway.address(), nginx.address()] {
        for (path, status) in [("/limited", 413), ("/", 200)].repeat(10) {
            let mut client = Client::connect(&address).unwrap();
            client.send(request("POST", path, &["Connection: close"], &body)).unwrap();
            assert_eq!(client.answer().unwrap().status, status, "{path} of {address}");
            assert_eq!(client.rest().unwrap(), b"");
        }
    }
}
