//! Bodies that stream: each piece arrives before the next is made.

use std::sync::mpsc::channel;

use super::before;
use crate::harness::{DEADLINE, Upstream, request, with_length};

#[test]
fn a_piece_of_an_answer_arrives_before_the_next_is_sent() {
    let (go_on, wait) = channel();
    let server = Upstream::once(move |peer| {
        peer.head();
        peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for piece in ["3\r\none\r\n", "3\r\ntwo\r\n", "0\r\n\r\n"] {
            peer.write(piece);
            let _ = wait.recv_timeout(DEADLINE);
        }
    });
    let gateway = before(&[server.address()], "");
    let mut client = gateway.connect();
    client.send(request("GET", "/", &[], "")).unwrap();
    assert_eq!(client.head().unwrap().status, 200);
    for piece in ["one", "two", ""] {
        assert_eq!(client.chunk().unwrap(), piece.as_bytes());
        go_on.send(()).unwrap();
    }
}

#[test]
fn a_piece_of_a_request_arrives_before_the_next_is_sent() {
    let (tell, told) = channel();
    let server = Upstream::once(move |peer| {
        peer.head();
        for _ in 0..2 {
            // A chunk of one byte and its frame.
            let _ = tell.send(peer.exactly(6));
        }
        peer.exactly(5);
        peer.write(with_length("got it"));
    });
    let gateway = before(&[server.address()], "");
    let mut client = gateway.connect();
    client.send(request("POST", "/", &["Transfer-Encoding: chunked"], "")).unwrap();
    for piece in ["1\r\na\r\n", "1\r\nb\r\n"] {
        client.send(piece).unwrap();
        assert_eq!(told.recv_timeout(DEADLINE).unwrap(), piece.as_bytes());
    }
    client.send("0\r\n\r\n").unwrap();
    assert_eq!(client.answer().unwrap().text(), "got it");
}

#[test]
fn a_large_upload_and_a_large_answer_arrive_whole() {
    const LARGE: usize = 8 << 20;
    let server = Upstream::once(|peer| {
        peer.head();
        let body = peer.exactly(LARGE);
        peer.write(with_length(&String::from_utf8_lossy(&body)));
    });
    let gateway = before(&[server.address()], "");
    let body = "0123456789abcdef".repeat(LARGE / 16);
    let answer = gateway.connect().request("POST", "/", &[], &body).unwrap();
    assert!(answer.text() == body, "{} bytes came back", answer.body.len());
}

/// What is neither read nor written stays with the upstream, beside what the sockets' buffers hold.
#[test]
fn a_client_that_does_not_read_stops_the_upstream() {
    const LARGE: usize = 128 << 20;
    let (tell, told) = channel();
    let server = Upstream::once(move |peer| {
        peer.head();
        peer.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"));
        let taken = peer.write_until_stalled(LARGE);
        let _ = tell.send(taken);
    });
    let gateway = before(&[server.address()], "");
    let mut client = gateway.connect();
    client.send(request("GET", "/", &[], "")).unwrap();
    let taken = told.recv_timeout(DEADLINE).unwrap();
    assert!(taken < LARGE / 2, "{taken} bytes were taken");
    assert_eq!(client.head().unwrap().status, 200);
}

#[test]
fn an_answer_may_come_before_the_end_of_the_request() {
    let server = Upstream::once(|peer| {
        peer.head();
        peer.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
        peer.is_closed();
    });
    let gateway = before(&[server.address()], "");
    let mut client = gateway.connect();
    client.send(request("POST", "/", &["Content-Length: 1000000000"], "")).unwrap();
    client.send("the beginning").unwrap();
    let answer = client.answer().unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (403, "no"));
}

#[test]
fn an_upload_that_breaks_off_never_looks_whole() {
    let (tell, told) = channel();
    let server = Upstream::once(move |peer| {
        peer.head();
        let _ = tell.send(peer.exactly(100));
    });
    let gateway = before(&[server.address()], "");
    let mut client = gateway.connect();
    client.send(request("POST", "/", &["Transfer-Encoding: chunked"], "")).unwrap();
    client.send("5\r\nshort\r\n").unwrap();
    drop(client);
    let got = told.recv_timeout(DEADLINE).unwrap();
    assert!(!got.windows(5).any(|end| end == b"0\r\n\r\n"), "{}", got.escape_ascii());
    gateway.log().wait_for_text("V-CLIENT-GONE");
}

#[test]
fn a_client_that_leaves_takes_its_request_along() {
    let (tell, told) = channel();
    let server = Upstream::once(move |peer| {
        peer.head();
        let _ = tell.send(());
        peer.is_closed();
    });
    let gateway = before(&[server.address()], "");
    let mut client = gateway.connect();
    client.send(request("GET", "/", &[], "")).unwrap();
    told.recv_timeout(DEADLINE).unwrap();
    drop(client);
    server.wait_ended(1);
    gateway.log().wait_for_texts(&["\"status\":499", "\"outcome\":\"aborted\""]);
}
