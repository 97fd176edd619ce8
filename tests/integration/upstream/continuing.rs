//! `Expect: 100-continue`, trailers, and what else comes before or behind an answer.

use super::before;
use crate::harness::{Upstream, request, with_length};

const EXPECTING: [&str; 2] = ["Expect: 100-continue", "Content-Length: 4"];

#[test]
fn a_client_is_told_to_continue_when_the_server_wants_the_body() {
    let server = Upstream::once(|peer| {
        let head = peer.head().unwrap_or_default();
        assert!(head.contains("\r\nexpect: 100-continue\r\n"), "{head}");
        peer.write("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
        let body = peer.exactly(4);
        peer.write(with_length(&String::from_utf8_lossy(&body)));
    });
    let gateway = before(&[server.address()], "");
    let mut client = gateway.connect();
    client.send(request("POST", "/", &EXPECTING, "")).unwrap();
    assert_eq!(client.head().unwrap().status, 100);
    client.send("body").unwrap();
    assert_eq!(client.answer().unwrap().text(), "body");
}

#[test]
fn a_client_is_told_what_the_server_says_instead_and_sends_nothing() {
    let server = Upstream::always(|peer| {
        while let Some(head) = peer.head() {
            let status = if head.starts_with("POST") { "417 Expectation Failed" } else { "200 OK" };
            peer.write(format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nno"));
            if head.starts_with("POST") {
                // What is not sent is not waited for.
                assert!(peer.is_closed());
                return;
            }
        }
    });
    let gateway = before(&[server.address()], "");
    let mut client = gateway.connect();
    client.send(request("POST", "/", &EXPECTING, "")).unwrap();
    let answer = client.answer().unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (417, "no"));
    assert_eq!(client.rest().unwrap(), b"", "what follows could be the body or a request");
    assert_eq!(gateway.connect().request("GET", "/", &[], "").unwrap().status, 200);
    assert_eq!(server.connections(), 2, "a server that waits for a body gets no other request");
}

#[test]
fn a_server_that_does_not_say_whether_it_wants_the_body_gets_it() {
    let server = Upstream::once(|peer| {
        peer.head();
        let body = peer.exactly(4);
        peer.write(with_length(&String::from_utf8_lossy(&body)));
    });
    let gateway = before(&[server.address()], "");
    let mut client = gateway.connect();
    client.send(request("POST", "/", &EXPECTING, "")).unwrap();
    assert_eq!(client.head().unwrap().status, 100);
    client.send("body").unwrap();
    assert_eq!(client.answer().unwrap().text(), "body");
}

#[test]
fn heads_before_the_answer_are_skipped_within_the_limit() {
    for (count, status) in [(30, 200), (300, 502)] {
        let server = Upstream::once(move |peer| {
            peer.head();
            for _ in 0..count {
                peer.write("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n");
            }
            peer.write(with_length("at last"));
        });
        let gateway = before(&[server.address()], "header_bytes: 4KiB");
        assert_eq!(gateway.connect().request("GET", "/", &[], "").unwrap().status, status, "{count}");
    }
}

#[test]
fn trailers_of_an_answer_reach_a_client_that_takes_them() {
    let server = Upstream::always(|peer| {
        while peer.head().is_some() {
            peer.write(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Content-Length\r\n\r\n",
            );
            peer.write("4\r\nbody\r\n0\r\nX-Sum: 7\r\nContent-Length: 9\r\n\r\n");
        }
    });
    let gateway = before(&[server.address()], "");
    let mut client = gateway.connect();
    client.send(request("GET", "/", &["TE: trailers", "Connection: TE"], "")).unwrap();
    assert_eq!(client.head().unwrap().header("trailer"), Some("X-Sum, Content-Length"));
    let body = client.until(b"\r\n\r\n").unwrap();
    assert_eq!(body, b"4\r\nbody\r\n0\r\nx-sum: 7\r\n\r\n", "{}", body.escape_ascii());
    // Who does not ask for them gets none, on the same connections.
    assert_eq!(client.request("GET", "/", &[], "").unwrap().text(), "body");
    let heads = server.heads();
    assert!(heads[0].contains("\r\nte: trailers\r\n") && heads[0].contains("\r\nconnection: te\r\n"));
    assert!(!heads[1].contains("\r\nte:"));
    assert_eq!(server.connections(), 1);
}

#[test]
fn trailers_of_a_request_reach_the_server() {
    let server = Upstream::once(|peer| {
        peer.head();
        let body = peer.exactly("4\r\nbody\r\n0\r\nx-sum: 7\r\n\r\n".len());
        peer.write(with_length(&String::from_utf8_lossy(&body)));
    });
    let gateway = before(&[server.address()], "");
    let mut client = gateway.connect();
    client.send(request("POST", "/", &["Transfer-Encoding: chunked", "Trailer: X-Sum"], "")).unwrap();
    client.send("4\r\nbody\r\n0\r\nX-Sum: 7\r\nHost: evil\r\n\r\n").unwrap();
    assert_eq!(client.answer().unwrap().text(), "4\r\nbody\r\n0\r\nx-sum: 7\r\n\r\n");
}
