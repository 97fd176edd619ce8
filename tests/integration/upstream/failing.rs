//! Servers that refuse, reset, stall, truncate or talk nonsense.

use std::io::ErrorKind;

use super::before;
use crate::harness::{BlackHole, Refusing, Script, TestGateway, Upstream, get};

/// The status, after it was seen that the client learns only the code, and the log the reason with the same number.
fn status(gateway: &TestGateway, code: &str, reason: &str) -> u16 {
    let answer = get(&gateway.address(), "/");
    let text = answer.text();
    let (_, number) = text.trim_end().rsplit_once(" request ").expect("the number of the request");
    assert!(text.contains(code) && !text.contains(reason) && !text.contains("127.0.0.1"), "{text}");
    gateway.log().wait_for_texts(&[code, number, reason]);
    answer.status
}

#[test]
fn a_server_that_refuses_is_502() {
    let server = Refusing::new();
    let gateway = before(&[server.address()], "");
    assert_eq!(status(&gateway, "V-UPSTREAM", "refused"), 502);
}

#[test]
fn the_next_server_takes_what_one_refused() {
    let (refusing, serving) = (Refusing::new(), Upstream::always(|peer| peer.say("taken")));
    let gateway = before(&[refusing.address(), serving.address()], "");
    let mut client = gateway.connect();
    for _ in 0..3 {
        assert_eq!(client.request("POST", "/", &[], "data").unwrap().text(), "taken");
    }
}

#[test]
fn a_server_to_which_no_connection_opens_is_504() {
    let server = BlackHole::new();
    let gateway = before(&[server.address()], "connect_timeout: 100ms");
    assert_eq!(status(&gateway, "V-TOO-SLOW", "within 100ms"), 504);
}

#[test]
fn the_next_server_takes_what_found_no_connection() {
    let (black_hole, serving) = (BlackHole::new(), Upstream::always(|peer| peer.say("taken")));
    let gateway = before(&[black_hole.address(), serving.address()], "connect_timeout: 100ms");
    assert_eq!(gateway.connect().request("POST", "/", &[], "data").unwrap().text(), "taken");
}

#[test]
fn a_server_that_says_nothing_is_504() {
    let server = Upstream::once(|peer| {
        peer.is_closed();
    });
    let gateway = before(&[server.address()], "timeout: 100ms");
    assert_eq!(status(&gateway, "V-TOO-SLOW", "nothing came for 100ms"), 504);
    // The gateway has given the connection up.
    server.wait_ended(1);
}

#[test]
fn a_server_that_resets_or_closes_before_its_answer_is_502() {
    for part in ["", "HTTP/1.1 200 OK\r\nContent-Le"] {
        // What it has not read turns the end of the connection into a reset.
        let resets: Script = Box::new(move |peer| {
            peer.exactly(1);
            peer.write(part);
        });
        let closes: Script = Box::new(move |peer| {
            peer.head();
            peer.write(part);
        });
        let server = Upstream::playing([resets, closes]);
        let gateway = before(&[server.address()], "");
        for _ in 0..2 {
            assert_eq!(status(&gateway, "V-UPSTREAM", "failed to get an answer"), 502, "{part}");
        }
    }
}

#[test]
fn nonsense_is_502() {
    let long = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n\r\n", "x".repeat(1 << 20));
    for head in [
        "nonsense\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nab",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        &long,
    ] {
        let said = head.to_owned();
        let server = Upstream::once(move |peer| {
            peer.head();
            peer.write(said);
            peer.is_closed();
        });
        let gateway = before(&[server.address()], "");
        assert_eq!(get(&gateway.address(), "/").status, 502, "{}", &head[..head.len().min(80)]);
    }
}

#[test]
fn a_truncated_answer_never_looks_whole() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsho",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\nzz\r\n",
    ] {
        let server = Upstream::once(move |peer| {
            peer.head();
            peer.write(answer);
        });
        let gateway = before(&[server.address()], "");
        let mut client = gateway.connect();
        let broken = client.request("GET", "/", &[], "");
        assert!(broken.is_err(), "{answer}: {broken:?}");
        gateway.log().wait_for_texts(&["\"outcome\":\"aborted\"", "\"path\":\"/\""]);
        gateway.log().wait_for_texts(&["V-UPSTREAM", "an answer was broken off"]);
    }
}

/// Its end is the end of the connection: only a reset tells that it came too early.
#[test]
fn a_truncated_answer_never_looks_whole_to_an_old_client() {
    let server = Upstream::once(|peer| {
        peer.head();
        peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n");
    });
    let gateway = before(&[server.address()], "");
    let mut client = gateway.connect();
    client.send("GET / HTTP/1.0\r\n\r\n").unwrap();
    let broken = client.rest();
    assert_eq!(broken.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn an_answer_that_stalls_is_broken_off() {
    let server = Upstream::once(|peer| {
        peer.head();
        peer.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort");
        peer.is_closed();
    });
    let gateway = before(&[server.address()], "timeout: 2s");
    assert!(gateway.connect().request("GET", "/", &[], "").is_err());
    server.wait_ended(1);
}

#[test]
fn a_request_that_was_sent_is_not_sent_again() {
    let closing = Upstream::always(|peer| {
        peer.head();
        peer.exactly(4);
    });
    let gateway = before(&[closing.address(), closing.address()], "");
    assert_eq!(gateway.connect().request("POST", "/", &[], "once").unwrap().status, 502);
    assert_eq!(closing.connections(), 1);
}

#[test]
fn a_server_may_close_a_connection_that_is_not_used() {
    let server = Upstream::always(|peer| {
        peer.head();
        peer.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let gateway = before(&[server.address()], "");
    let mut client = gateway.connect();
    for connection in 1..=3 {
        let answer = client.request("POST", "/", &[], "data").unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
        server.wait_ended(connection);
    }
}

#[test]
fn after_every_failure_the_gateway_serves_on() {
    let fails: Script = Box::new(|peer| {
        peer.head();
        peer.write("nonsense\r\n\r\n");
    });
    let behaves: Script = Box::new(|peer| peer.say("fine"));
    let server = Upstream::playing([fails, behaves]);
    let gateway = before(&[server.address()], "");
    let mut client = gateway.connect();
    let statuses = [(); 2].map(|()| client.request("GET", "/", &[], "").unwrap().status);
    assert_eq!(statuses, [502, 200], "on one connection of the client");
}
