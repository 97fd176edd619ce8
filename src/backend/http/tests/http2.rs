//! Servers of HTTP/2 that behave, and that do not.

mod raw;

use http_body_util::BodyExt as _;

use self::raw::{
    CANCEL, DATA, END_STREAM, INTERNAL_ERROR, NO_ERROR, OK, Peer, REFUSED, RESET, field, once, playing,
};
use super::script::Server;
use super::*;

fn before(servers: &[&Server], settings: &str) -> Asked {
    let servers: Vec<&str> = servers.iter().map(|server| server.address.as_str()).collect();
    forwarding(&servers, &format!("http2: true, {settings}"))
}

/// The answer where the first connection is played by the script; the next request must be answered "fine" on the second.
async fn after(settings: &str, script: impl FnOnce(&mut Peer) + Send + 'static) -> Answered {
    let server = playing(vec![Box::new(script), Box::new(Peer::fine)]);
    let asked = before(&[&server], settings);
    let answer = asked.ask(get("/")).await;
    assert_eq!(asked.ask(get("/")).await.whole(), "fine");
    answer
}

#[tokio::test]
async fn requests_share_a_connection() {
    let server = once(Peer::fine);
    let asked = before(&[&server], "");
    let (first, second) = tokio::join!(asked.ask(get("/")), asked.ask(get("/")));
    assert_eq!((first.whole(), second.whole()), ("fine", "fine"));
    assert_eq!(asked.ask(get("/")).await.whole(), "fine");
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn trailers_come_with_the_end_of_an_answer() {
    let server = once(|peer| {
        peer.settle();
        peer.request();
        peer.headers(0, OK);
        peer.data(0, "said");
        peer.headers(END_STREAM, &field("grpc-status", "7"));
        peer.until_closed();
    });
    let mut body = before(&[&server], "").answer(get("/")).await.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "said");
    let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(trailers["grpc-status"], "7");
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn an_answer_may_be_a_head_alone() {
    let server = once(|peer| {
        peer.settle();
        peer.request();
        peer.headers(END_STREAM, &[OK, &field("grpc-status", "12")].concat());
        peer.until_closed();
    });
    let answer = before(&[&server], "").answer(get("/")).await;
    assert_eq!(answer.headers()["grpc-status"], "12");
    assert!(
        http_body::Body::is_end_stream(answer.body()),
        "whoever reads it must not take it for a broken one"
    );
}

#[tokio::test]
async fn both_sides_speak_at_once() {
    let server = once(|peer| {
        peer.settle();
        peer.request();
        peer.headers(0, OK);
        while let Some(data) = peer.next(DATA) {
            peer.data(data.flags & END_STREAM, &String::from_utf8(data.payload).unwrap());
        }
    });
    let asked = before(&[&server], "");
    let (sender, body) = pieces();
    let mut answer = asked.answer(post(body)).await.into_body();
    for text in ["one", "two"] {
        sender.send(text).await.unwrap();
        assert_eq!(answer.frame().await.unwrap().unwrap().into_data().unwrap(), text);
    }
    drop(sender);
    assert_eq!(super::text(answer).await.unwrap(), "");
}

#[tokio::test]
async fn a_client_that_leaves_resets_its_stream_alone() {
    let (tell, told) = tokio::sync::oneshot::channel();
    let server = once(move |peer| {
        peer.settle();
        peer.request();
        peer.headers(0, OK);
        let reset = peer.next(RESET).map(|reset| reset.payload);
        tell.send(reset).unwrap();
        peer.request();
        peer.headers(END_STREAM, OK);
        peer.until_closed();
    });
    let asked = before(&[&server], "");
    // Its request has not ended either.
    let (_sender, body) = pieces();
    drop(asked.answer(post(body)).await);
    let reset = tokio::time::timeout(PATIENCE, told).await.expect("a reset in time");
    assert_eq!(reset.unwrap(), Some(vec![0, 0, 0, CANCEL]));
    assert_eq!(asked.ask(get("/")).await.whole(), "");
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn an_answer_that_is_reset_is_broken_off() {
    // One that has told its length, and sends as much, but not the end, may have trailers to send.
    let head = [OK, &field("content-length", "4")].concat();
    for (reason, head) in [(INTERNAL_ERROR, OK), (CANCEL, OK), (NO_ERROR, OK), (NO_ERROR, &head)] {
        let head = head.to_vec();
        let server = once(move |peer| {
            peer.settle();
            peer.request();
            peer.headers(0, &head);
            peer.data(0, "half");
            peer.reset(reason);
            peer.request();
            peer.headers(END_STREAM, OK);
            peer.until_closed();
        });
        let asked = before(&[&server], "");
        asked.ask(get("/")).await.text.expect_err("half of an answer must not look whole");
        assert_eq!(asked.ask(get("/")).await.whole(), "", "the others of the connection go on");
        assert_eq!(server.accepted(), 1);
    }
}

#[tokio::test]
async fn a_reset_after_the_end_takes_nothing_away() {
    let server = once(|peer| {
        peer.settle();
        peer.request();
        peer.headers(0, OK);
        peer.data(END_STREAM, "whole");
        peer.reset(NO_ERROR);
        peer.until_closed();
    });
    let (_sender, body) = pieces();
    assert_eq!(before(&[&server], "").ask(post(body)).await.whole(), "whole");
}

#[tokio::test]
async fn an_answer_that_is_shorter_than_it_says_is_broken_off() {
    let answer = after("", |peer| {
        peer.settle();
        peer.request();
        peer.headers(0, &[OK, &field("content-length", "9")].concat());
        peer.data(END_STREAM, "half");
    });
    answer.await.text.expect_err("it is not whole");
}

#[tokio::test]
async fn a_connection_that_ends_breaks_its_answers_off() {
    let answer = after("", |peer| {
        peer.settle();
        peer.request();
        peer.headers(0, OK);
        peer.data(0, "half");
    });
    answer.await.text.expect_err("it is not whole");
}

#[tokio::test]
async fn what_is_no_http2_is_a_bad_gateway() {
    for nonsense in [&b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"[..], &[0xff; 64], &[]] {
        let answer = after("", move |peer| {
            peer.write(nonsense);
        });
        assert_eq!(answer.await.status, 502);
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_a_bad_gateway() {
    let server = once(|peer| {
        peer.settle();
        peer.request();
        let block: Vec<u8> = (0..20).flat_map(|_| field("x-large", &"x".repeat(100))).collect();
        peer.headers(END_STREAM, &[OK, &block].concat());
        peer.until_closed();
    });
    assert_eq!(before(&[&server], "header_bytes: 1KiB").ask(get("/")).await.status, 502);
}

#[tokio::test]
async fn a_refused_request_is_tried_elsewhere() {
    fn refuse(peer: &mut Peer) {
        peer.settle();
        while peer.request() {
            peer.reset(REFUSED);
        }
    }
    let servers = [once(refuse), once(Peer::fine)];
    let asked = before(&[&servers[0], &servers[1]], "");
    for _ in 0..2 {
        // Also one that must not be repeated otherwise: its server has not begun with it.
        let request = http::Request::post("/").header("host", "a").body(Body::Empty).unwrap();
        assert_eq!(asked.ask(request).await.whole(), "fine");
    }
    let server = once(refuse);
    assert_eq!(before(&[&server], "").ask(get("/")).await.status, 503, "nobody is left who takes it");
}

#[tokio::test]
async fn a_server_that_goes_away_is_asked_again_by_another_connection() {
    let answer = after("", |peer| {
        peer.settle();
        peer.request();
        peer.headers(END_STREAM, OK);
        peer.request();
        peer.go_away();
        peer.until_closed();
    });
    assert_eq!(answer.await.status, 200);
}

#[tokio::test]
async fn a_server_that_takes_nothing_of_a_request_is_too_slow() {
    let server = once(|peer| {
        peer.settle();
        // Its window has room for the start.
        while peer.request() {}
    });
    let asked = before(&[&server], "write_timeout: 100ms");
    let answer = asked.ask(post(Body::from(Bytes::from(vec![b'x'; 1 << 20])))).await;
    assert_eq!(answer.status, 504);
}

#[tokio::test]
async fn a_server_that_is_silent_is_asked_by_another_connection_next() {
    let answer = after("timeout: 3s", |peer| {
        peer.settle();
        peer.until_closed();
    });
    assert_eq!(answer.await.status, 504);
}
