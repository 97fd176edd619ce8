//! `Upgrade`: a connection that becomes a tunnel, in both directions.

use std::sync::mpsc::channel;

use super::before;
use crate::harness::{Client, DEADLINE, Peer, TestGateway, Upstream, request};

const ASKING: [&str; 3] = ["Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x"];
const SWITCHES: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                        Sec-WebSocket-Accept: y\r\n\r\n";

/// A server that switches, and then does as it is told.
fn switching(then: impl Fn(&mut Peer) + Send + Sync + 'static) -> Upstream {
    Upstream::always(move |peer| {
        peer.head();
        peer.write(SWITCHES);
        then(peer);
    })
}

fn echo(peer: &mut Peer) {
    loop {
        let bytes = peer.exactly(1);
        if bytes.is_empty() {
            return;
        }
        peer.write(bytes);
    }
}

/// A client that has switched.
fn switched(gateway: &TestGateway) -> Client {
    let mut client = gateway.connect();
    client.send(request("GET", "/chat", &ASKING, "")).unwrap();
    let head = client.head().unwrap();
    assert_eq!(head.status, 101);
    for (name, value) in [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", "y")]
    {
        assert_eq!(head.header(name), Some(value));
    }
    client
}

#[test]
fn a_client_that_asks_gets_a_tunnel_to_the_server() {
    let server = switching(echo);
    let gateway = before(&[server.address()], "");
    let mut client = switched(&gateway);
    for bytes in [&b"hello"[..], b"\x81\x00\xff\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"] {
        client.send(bytes).unwrap();
        assert_eq!(client.exactly(bytes.len()).unwrap(), bytes);
    }
    let [head] = &server.heads()[..] else { panic!("one request") };
    for line in ["connection: upgrade", "upgrade: websocket", "sec-websocket-key: x"] {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{line}:\n{head}");
    }
    drop(client);
    server.wait_ended(1);
}

#[test]
fn what_comes_together_with_the_heads_is_not_lost() {
    let server = Upstream::once(|peer| {
        peer.head();
        peer.write(format!("{SWITCHES}first"));
        echo(peer);
    });
    let gateway = before(&[server.address()], "");
    let mut client = gateway.connect();
    let mut early = request("GET", "/", &ASKING, "");
    early.push_str("early");
    client.send(early).unwrap();
    assert_eq!(client.head().unwrap().status, 101);
    assert_eq!(client.exactly(10).unwrap(), b"firstearly");
}

#[test]
fn each_side_may_end_before_the_other() {
    let server = switching(|peer| {
        // All that comes until the client has ended, and then an answer.
        let all = peer.exactly(1000);
        peer.write(all.repeat(2));
    });
    let gateway = before(&[server.address()], "");
    let mut client = switched(&gateway);
    client.send("twice").unwrap();
    client.end().unwrap();
    assert_eq!(client.rest().unwrap(), b"twicetwice");

    let (tell, told) = channel();
    let server = Upstream::once(move |peer| {
        peer.head();
        peer.write(SWITCHES);
        peer.write("last words");
        peer.end();
        let _ = tell.send(peer.exactly(3));
    });
    let gateway = before(&[server.address()], "");
    let mut client = switched(&gateway);
    assert_eq!(client.rest().unwrap(), b"last words");
    client.send("bye").unwrap();
    assert_eq!(told.recv_timeout(DEADLINE).unwrap(), b"bye");
}

/// What is neither read nor written stays with the server, beside what the sockets' buffers hold.
#[test]
fn a_client_that_does_not_read_stops_the_server() {
    const LARGE: usize = 128 << 20;
    let (tell, told) = channel();
    let server = Upstream::once(move |peer| {
        peer.head();
        peer.write(SWITCHES);
        let _ = tell.send(peer.write_until_stalled(LARGE));
    });
    let gateway = before(&[server.address()], "");
    let _client = switched(&gateway);
    let taken = told.recv_timeout(DEADLINE).unwrap();
    assert!(taken < LARGE / 2, "{taken} bytes were taken");
}

#[test]
fn a_tunnel_in_which_nobody_says_anything_ends() {
    let server = switching(|peer| {
        peer.is_closed();
    });
    let gateway = before(&[server.address()], "tunnel_timeout: 200ms");
    let mut client = switched(&gateway);
    assert_eq!(client.rest().unwrap(), b"");
    server.wait_ended(1);
}

#[test]
fn a_drain_does_not_wait_for_tunnels_longer_than_for_others() {
    let server = switching(echo);
    let mut gateway = TestGateway::from_yaml(&format!(
        "drain: 300ms\nroutes: [ {{ http: {{ servers: \"{}\" }} }} ]",
        server.address()
    ));
    let mut client = switched(&gateway);
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    assert!(matches!(client.rest().as_deref(), Ok(b"") | Err(_)));
    server.wait_ended(1);
}

#[test]
fn who_does_not_ask_properly_gets_no_tunnel() {
    let server = Upstream::always(|peer| {
        while let Some(head) = peer.head() {
            peer.write(if head.contains("\r\nupgrade:") { SWITCHES } else { "HTTP/1.1 204 No\r\n\r\n" });
        }
    });
    let gateway = before(&[server.address()], "");
    for headers in [
        &["Upgrade: websocket"][..],
        &["Connection: upgrade"],
        &["Connection: upgrade", "Upgrade: h2c"],
        &["Connection: upgrade", "Upgrade: websocket, h2c"],
        &["Connection: upgrade", "Upgrade: websocket", "Content-Length: 2"],
    ] {
        let body = if headers.len() == 3 { "ab" } else { "" };
        let answer = gateway.connect().request("POST", "/", headers, body).unwrap();
        assert_eq!(answer.status, 204, "{headers:?}");
    }
    let gateway = before(&[server.address()], "upgrade: []");
    let answer = gateway.connect().request("GET", "/", &["Connection: upgrade", "Upgrade: websocket"], "");
    assert_eq!(answer.unwrap().status, 204);
}

/// What one side would take for the rest of a body would be the other protocol's for the other side.
#[test]
fn behind_a_body_that_has_not_come_to_its_end_there_is_no_tunnel() {
    let server = switching(echo);
    let gateway = before(&[server.address()], "");
    for (number, body) in ["", "5\r\nhel", "0\r\nX-Sum: 5\r\n"].into_iter().enumerate() {
        let mut client = gateway.connect();
        let head = request("POST", "/chat", &[&ASKING[..], &["Transfer-Encoding: chunked"]].concat(), "");
        client.send(head + body).unwrap();
        assert_eq!(client.answer().unwrap().status, 502, "{body:?}");
        assert_eq!(client.rest().unwrap(), b"", "{body:?}");
        assert!(!server.heads()[number].contains("upgrade"), "{:?}", server.heads());
    }
    gateway.log().wait_for_text("switches to a protocol that nobody asked for");
}

#[test]
fn a_server_may_require_a_protocol() {
    let answers = ["426 Upgrade Required", "200 OK"].map(|status| {
        let server = Upstream::once(move |peer| {
            peer.head();
            let fields = "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0";
            peer.write(format!("HTTP/1.1 {status}\r\n{fields}\r\n\r\n"));
        });
        let gateway = before(&[server.address()], "");
        gateway.connect().request("GET", "/", &[], "").unwrap()
    });
    let told = answers.each_ref().map(|answer| ["connection", "upgrade"].map(|name| answer.header(name)));
    assert_eq!(told, [[Some("upgrade"), Some("websocket")], [None, None]]);
}

#[test]
fn a_server_may_refuse_to_switch() {
    let server = Upstream::always(|peer| peer.say("no tunnel here"));
    let gateway = before(&[server.address()], "");
    let mut client = gateway.connect();
    for _ in 0..2 {
        let answer = client.request("GET", "/", &ASKING, "").unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "no tunnel here"));
    }
    assert_eq!(server.connections(), 1);
}
