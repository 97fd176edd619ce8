//! What arrives where all goes well.

use std::io::{Read as _, Write as _};
use std::sync::mpsc;
use std::time::Duration;

use super::script::{Peer, Server};
use super::*;

fn echo() -> Server {
    Server::playing(vec![Box::new(Peer::echo)])
}

#[tokio::test]
async fn requests_follow_each_other_on_one_connection() {
    let server = echo();
    let asked = forwarding(&[&server.address], "");
    for _ in 0..3 {
        assert_eq!(asked.ask(get("/")).await.status, 200);
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_connection_with_a_long_answer_is_used_again_when_it_was_read() {
    let server = Server::playing(vec![Box::new(|peer| {
        for _ in 0..3 {
            peer.head();
            peer.write(&format!(
                "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{}",
                "x".repeat(1_000_000)
            ));
        }
    })]);
    let asked = forwarding(&[&server.address], "");
    for _ in 0..3 {
        assert_eq!(asked.ask(get("/")).await.whole().len(), 1_000_000);
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn servers_take_turns() {
    let answering = |name: &'static str| {
        Server::playing(vec![Box::new(move |peer: &mut Peer| {
            while !peer.head().is_empty() {
                peer.write(&format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{name}"));
            }
        })])
    };
    let (a, b) = (answering("a"), answering("b"));
    let asked = forwarding(&[&a.address, &b.address], "");
    let mut turns = String::new();
    for _ in 0..4 {
        turns.push_str(asked.ask(get("/")).await.whole());
    }
    assert_eq!(turns, "abab");
}

#[tokio::test]
async fn the_upstream_learns_who_asks() {
    let server = echo();
    let asked = forwarding(&[&server.address], "");
    let mut request = get("/a/../b%20c?d=e");
    for (name, value) in [
        ("connection", "keep-alive, x-secret"),
        ("x-secret", "1"),
        ("keep-alive", "timeout=5"),
        ("te", "gzip"),
        ("upgrade", "websocket"),
        ("expect", "100-continue"),
        ("proxy-authorization", "Basic eA=="),
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-prefix", "/evil"),
        ("accept", "text/plain"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let answer = asked.ask(request).await;
    let mut lines: Vec<_> = answer.whole().trim_end().lines().collect();
    lines[1..].sort_unstable();
    let expected = [
        "GET /b%20c?d=e HTTP/1.1",
        "accept: text/plain",
        "host: shop.example",
        "x-forwarded-for: 192.0.2.7",
        "x-forwarded-host: shop.example",
        "x-forwarded-proto: http",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn under_a_mount_the_rest_of_the_path_is_forwarded() {
    let server = echo();
    let routes = format!("routes: [ {{ mount: /my shop, http: {{ servers: \"{}\" }} }} ]", server.address);
    let asked = gateway(&routes);
    let answer = asked.ask(get("/my%20shop/caf%C3%A9?x")).await;
    assert!(answer.whole().starts_with("GET /caf%C3%A9?x HTTP/1.1\r\n"), "{}", answer.whole());
    assert!(answer.whole().contains("\r\nx-forwarded-prefix: /my%20shop\r\n"), "{}", answer.whole());
    let answer = asked.ask(get("/my%20shop")).await;
    assert!(answer.whole().starts_with("GET / HTTP/1.1\r\n"), "{}", answer.whole());
}

#[tokio::test]
async fn what_an_answer_says_of_its_site_is_what_the_client_sees() {
    let script = |peer: &mut Peer| {
        while !peer.head().is_empty() {
            peer.write(
                "HTTP/1.1 302 Found\r\nLocation: /login?next=/a\r\nSet-Cookie: id=1; Path=/; HttpOnly\r\n",
            );
            peer.write("Set-Cookie: theme=dark; path=/set\r\nContent-Length: 0\r\n\r\n");
        }
    };
    let server = Server::playing(vec![Box::new(script), Box::new(script)]);
    for (more, location, cookies) in [
        ("", "/shop/login?next=/a", ["id=1; Path=/shop; HttpOnly", "theme=dark; Path=/shop/set"]),
        ("rewrite_answers: false", "/login?next=/a", ["id=1; Path=/; HttpOnly", "theme=dark; path=/set"]),
    ] {
        let backend = format!("http: {{ servers: \"{}\", {more} }}", server.address);
        let asked = gateway(&format!("routes: [ {{ mount: /shop, {backend} }} ]"));
        // What somebody writes into a link never becomes an attribute of a cookie.
        for path in ["/shop/a", "/shop;jsessionid=1;Domain=example", "/shop%3Bjsessionid=1;Domain=example"] {
            let answer = asked.ask(get(path)).await;
            assert_eq!(answer.headers["location"], location, "{path}");
            assert!(answer.headers.get_all("set-cookie").iter().eq(cookies), "{path}: {:?}", answer.headers);
        }
    }
}

#[tokio::test]
async fn the_upstream_is_told_in_the_words_of_the_standard_where_it_wants_that() {
    let server = echo();
    let told = forwarding(&[&server.address], "forwarded: true").ask(get("/")).await;
    let expected = "\r\nforwarded: for=192.0.2.7;host=\"shop.example\";proto=http\r\n";
    assert!(told.whole().contains(expected), "{}", told.whole());
}

#[tokio::test]
async fn the_host_is_the_clients_the_servers_or_a_fixed_one() {
    for (settings, host) in [("", "shop.example"), ("host: upstream", ""), ("host: inner", "inner")] {
        let server = echo();
        let host = if host.is_empty() { &server.address } else { host };
        let answer = forwarding(&[&server.address], settings).ask(get("/")).await;
        assert!(answer.whole().contains(&format!("\r\nhost: {host}\r\n")), "{}", answer.whole());
    }
}

#[tokio::test]
async fn a_unix_socket_serves_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nunix").unwrap();
    });
    let asked = forwarding(&[&format!("unix:{}", path.display())], "");
    assert_eq!(asked.ask(get("/")).await.whole(), "unix");
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once() {
    let server = Server::playing(vec![Box::new(|peer| {
        let head = peer.head();
        assert!(head.contains("transfer-encoding: chunked"), "{head}");
        peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..2 {
            let chunk = peer.exactly("5\r\nhello\r\n".len());
            peer.write(&chunk);
        }
        assert_eq!(peer.exactly(5), "0\r\n\r\n");
        peer.write("0\r\n\r\n");
    })]);
    let asked = forwarding(&[&server.address], "");
    let (sender, body) = pieces();
    let mut answer = asked.answer(post(body)).await.into_body();
    for _ in 0..2 {
        // Each piece comes back before the next one is sent.
        sender.send("hello").await.unwrap();
        let frame = answer.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "hello");
    }
    drop(sender);
    assert!(answer.frame().await.is_none());
}

#[tokio::test]
async fn a_body_of_known_length_keeps_it() {
    let server = Server::playing(vec![Box::new(|peer| {
        assert!(peer.head().contains("content-length: 5"));
        let body = peer.exactly(5);
        peer.write(&format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{body}"));
    })]);
    let answer = forwarding(&[&server.address], "").ask(post(Body::from("hello"))).await;
    assert_eq!(answer.whole(), "hello");
}

#[tokio::test]
async fn answers_without_a_body_leave_the_connection_usable() {
    let server = Server::playing(vec![Box::new(|peer| {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        ] {
            peer.head();
            peer.write(answer);
        }
        peer.fine();
    })]);
    let asked = forwarding(&[&server.address], "");
    let mut head = get("/");
    *head.method_mut() = http::Method::HEAD;
    let answer = asked.ask(head).await;
    assert_eq!((answer.whole(), &answer.headers["content-length"]), ("", &"5".parse().unwrap()));
    for status in [204, 304] {
        let answer = asked.ask(get("/")).await;
        assert_eq!((answer.status.as_u16(), answer.whole()), (status, ""));
    }
    assert_eq!(asked.ask(get("/")).await.whole(), "fine");
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn headers_for_the_next_hop_stop_here() {
    let server = Server::playing(vec![Box::new(|peer| {
        peer.head();
        peer.write("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
        peer.write(
            "HTTP/1.1 200 Fine\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n",
        );
        peer.write("Upgrade: h2c\r\nX-End: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nTransfer-Encoding: chunked\r\n\r\n");
        peer.write("2\r\nok\r\n0\r\n\r\n");
    })]);
    let answer = forwarding(&[&server.address], "").ask(get("/")).await;
    assert_eq!(answer.whole(), "ok");
    let mut names: Vec<_> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["set-cookie", "set-cookie", "x-end"]);
}

#[tokio::test]
async fn an_old_servers_answer_ends_with_its_connection() {
    let server = Server::once(|peer| {
        peer.head();
        peer.write("HTTP/1.0 200 OK\r\n\r\nuntil the end");
    });
    let asked = forwarding(&[&server.address], "");
    let answer = asked.answer(get("/")).await;
    assert_eq!(answer.version(), http::Version::HTTP_11);
    assert_eq!(text(answer.into_body()).await.unwrap(), "until the end");
    assert_eq!(asked.ask(get("/")).await.whole(), "fine");
}

#[tokio::test]
async fn an_early_answer_comes_through_while_the_upload_runs() {
    let server = Server::once(|peer| {
        peer.head();
        peer.write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
        peer.until_closed();
    });
    let asked = forwarding(&[&server.address], "");
    let (sender, body) = pieces();
    let answer = asked.ask(post(body)).await;
    assert_eq!((answer.status.as_u16(), answer.whole()), (413, "big"));
    tokio::time::timeout(PATIENCE, sender.closed()).await.expect("the upload stops");
    assert_eq!(asked.ask(get("/")).await.whole(), "fine");
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_along() {
    let (closed, was_closed) = mpsc::channel();
    let server = Server::once(move |peer| {
        peer.head();
        peer.until_closed();
        closed.send(()).unwrap();
    });
    let asked = forwarding(&[&server.address], "");
    let number = asked.gateway.number();
    let answer = asked.gateway.handle(&asked.connection, number, get("/"));
    assert!(tokio::time::timeout(Duration::from_millis(100), answer).await.is_err());
    tokio::task::spawn_blocking(move || was_closed.recv_timeout(PATIENCE)).await.unwrap().unwrap();
    assert_eq!(asked.ask(get("/")).await.whole(), "fine");
}

#[tokio::test]
async fn a_connection_that_nobody_needs_is_closed() {
    let (closed, was_closed) = mpsc::channel();
    let server = Server::once(move |peer| {
        peer.fine();
        closed.send(()).unwrap();
    });
    let asked = forwarding(&[&server.address], "idle_timeout: 50ms");
    assert_eq!(asked.ask(get("/")).await.whole(), "fine");
    tokio::task::spawn_blocking(move || was_closed.recv_timeout(PATIENCE)).await.unwrap().unwrap();
    assert_eq!(asked.ask(get("/")).await.whole(), "fine");
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn what_a_client_calls_its_connections_takes_nothing_from_what_a_layer_says() {
    let server = Server::playing(vec![Box::new(Peer::echo)]);
    let layers = "layers: [ { request_headers: { set: { X-User: \"of the gateway\" } } } ]";
    let asked =
        gateway(&format!("{layers}\nroutes: [ {{ http: {{ servers: [\"{}\"] }} }} ]", server.address));
    let mut request = get("/");
    request.headers_mut().insert("connection", "x-user, x-forwarded-for".parse().unwrap());
    let answer = asked.ask(request).await;
    assert!(answer.whole().contains("x-user: of the gateway\r\n"), "{}", answer.whole());
}
