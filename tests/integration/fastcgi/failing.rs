//! Applications that refuse, stall, truncate or speak nonsense.

use std::sync::mpsc::channel;

use bytes::BytesMut;
use fastcgi::record::{self, Decoder, End, REQUEST, Record, Status, Stream};

use super::before;
use crate::harness::{DEADLINE, Peer, Refusing, Script, Upstream, get, request};

/// Reads a request to its end: its variables and its body. False where the connection has ended.
fn read_request(peer: &mut Peer) -> bool {
    let (mut decoder, mut received) = (Decoder::default(), BytesMut::new());
    loop {
        match decoder.next(&mut received).expect("the gateway speaks FastCGI") {
            Some(Record::Piece { stream: Stream::Stdin, content, .. }) if content.is_empty() => return true,
            Some(_) => {}
            None => match peer.exactly(1).as_slice() {
                [] => return false,
                bytes => received.extend_from_slice(bytes),
            },
        }
    }
}

fn stdout(text: &str) -> BytesMut {
    let mut out = BytesMut::new();
    record::put_stream(&mut out, Stream::Stdout, REQUEST, text.as_bytes());
    out
}

fn ended(status: Status) -> BytesMut {
    let mut out = BytesMut::new();
    record::put_end(&mut out, REQUEST, End { application: 0, status });
    out
}

/// The bytes of an answer with its end.
fn whole(text: &str) -> Vec<u8> {
    [stdout(text), ended(Status::Complete)].concat()
}

/// Answers every request well.
fn behave(peer: &mut Peer) {
    while read_request(peer) {
        peer.write(whole("Content-Length: 4\r\n\r\nfine"));
    }
}

/// An application that says these bytes on its first connection, and behaves on the second.
fn saying(bytes: Vec<u8>) -> Upstream {
    let nonsense: Script = Box::new(move |peer: &mut Peer| {
        read_request(peer);
        peer.write(bytes);
    });
    Upstream::playing([nonsense, Box::new(behave)])
}

/// The status of an answer without a body of the application's; and that the next request is served.
#[track_caller]
fn status(bytes: Vec<u8>, reason: &str) -> u16 {
    let application = saying(bytes);
    let gateway = before(application.address(), "");
    let answer = get(&gateway.address(), "/");
    gateway.log().wait_for_texts(&["\"code\":\"V-", reason]);
    assert_eq!(get(&gateway.address(), "/").text(), "fine", "{reason}: the next request is served");
    answer.status
}

#[test]
fn an_application_that_refuses_is_502() {
    let refusing = Refusing::new();
    let gateway = before(refusing.address(), "");
    assert_eq!(get(&gateway.address(), "/").status, 502);
    let missing = before("unix:/nonexistent/app.sock", "");
    assert_eq!(get(&missing.address(), "/").status, 502);
}

#[test]
fn nonsense_before_the_head_is_502() {
    let record = |kind: u8, id: u8, content: &[u8], padding: u8| {
        let length = u8::try_from(content.len()).unwrap();
        let mut record = vec![1, kind, 0, id, 0, length, padding, 0];
        record.extend_from_slice(content);
        record.resize(record.len() + usize::from(padding), b'.');
        record
    };
    for (bytes, reason) in [
        (b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), "has the version 72"),
        (record(6, 2, b"A: b\n\n", 0), "does not belong"),
        (record(5, 1, b"A: b\n\n", 0), "does not belong"),
        (record(99, 1, b"what is it", 3), "does not belong"),
        (record(3, 1, b"short", 0), "is 5 bytes long"),
        (record(3, 1, &[0, 0, 0, 0, 9, 0, 0, 0], 0), "unknown protocol status 9"),
        (record(6, 1, b"half a he", 0), "ended before the answer"),
        (vec![1, 6, 0, 1, 0xFF, 0xFF, 0, 0, b'x'], "ended before the answer"),
        (Vec::new(), "ended before the answer"),
        (ended(Status::Complete).to_vec(), "answered nothing"),
        (whole("no colon\r\n\r\n"), "no header field"),
        (whole("Status: 99\r\n\r\n"), "is not understood"),
        (whole("Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), "is not one number"),
        (whole("\r\nbody"), "the head of the answer is empty"),
        (ended(Status::UnknownRole).to_vec(), "UnknownRole"),
    ] {
        assert_eq!(status(bytes, reason), 502, "{reason}");
    }
}

#[test]
fn an_application_without_means_is_503() {
    for refused in [Status::Overloaded, Status::CannotMultiplex] {
        assert_eq!(status(ended(refused).to_vec(), "takes no request"), 503);
    }
}

#[test]
fn a_head_without_an_end_is_502_at_its_limit() {
    let application = Upstream::always(|peer| {
        read_request(peer);
        for _ in 0..32 {
            peer.write(stdout(&"x".repeat(60_000)));
        }
        peer.is_closed();
    });
    let gateway = before(application.address(), "");
    assert_eq!(get(&gateway.address(), "/").status, 502);
    application.wait_ended(1);
}

#[test]
fn stderr_without_an_end_is_logged_up_to_a_limit() {
    let application = Upstream::always(|peer| {
        read_request(peer);
        for _ in 0..200 {
            let mut out = BytesMut::new();
            record::put_stream(&mut out, Stream::Stderr, REQUEST, &[b'e'; 10_000]);
            peer.write(out);
        }
        peer.write(whole("A: b\n\nfine"));
    });
    let gateway = before(application.address(), "");
    assert_eq!(get(&gateway.address(), "/").text(), "fine");
    gateway.log().wait_for_text("the rest is left out");
    assert!(gateway.log().lines().iter().all(|line| line.len() < 10_000), "lines are cut");
}

/// All ways to end too early after the head: the client never sees a whole answer.
#[test]
fn an_answer_without_its_end_never_looks_whole() {
    let cut_end =
        |at: usize| [stdout("A: b\n\nbody").to_vec(), ended(Status::Complete)[..at].to_vec()].concat();
    let refused = [stdout("A: b\n\nbody"), ended(Status::Overloaded)].concat();
    let foreign = [stdout("A: b\n\nbody").to_vec(), vec![7; 8]].concat();
    let mut pieces = vec![refused, foreign, whole("Content-Length: 10\n\nshort")];
    pieces.extend((0..16).map(cut_end));
    for bytes in pieces {
        let shown = bytes.escape_ascii().to_string();
        let application = saying(bytes);
        let gateway = before(application.address(), "");
        let answer = gateway.connect().request("GET", "/", &[], "");
        // What comes together with the head is seen before the head is sent.
        let is_told = answer.as_ref().map_or(true, |answer| matches!(answer.status, 502 | 503));
        assert!(is_told, "{shown}: {answer:?}");
        assert_eq!(get(&gateway.address(), "/").text(), "fine", "{shown}");
    }
}

/// hyper sends what it is told of a body that is there as a whole: the next answer would be taken for its rest.
#[test]
fn an_answer_that_is_here_has_its_content_length() {
    let short = |missing: usize| format!("ended {missing} bytes before its Content-Length");
    for (body, told) in [("short", Ok(short(5))), ("", Ok(short(10))), ("longer than ten", Err("longer tha"))]
    {
        let application = saying(whole(&format!("Content-Length: 10\n\n{body}")));
        let gateway = before(application.address(), "");
        let mut client = gateway.connect();
        let answer = client.request("GET", "/", &[], "").unwrap();
        match told {
            Ok(told) => {
                assert_eq!(answer.status, 502, "{body}");
                gateway.log().wait_for_text(&told);
            }
            Err(cut) => assert_eq!((answer.status, answer.text().as_str()), (200, cut)),
        }
        assert_eq!(client.request("GET", "/", &[], "").unwrap().text(), "fine", "{body}");
    }
}

#[test]
fn an_answer_that_stalls_is_broken_off() {
    let application = Upstream::once(|peer| {
        read_request(peer);
        peer.write(stdout("A: b\n\nbody"));
        peer.is_closed();
    });
    let gateway = before(application.address(), "timeout: 2s");
    assert!(gateway.connect().request("GET", "/", &[], "").is_err());
    application.wait_ended(1);
}

#[test]
fn what_follows_an_end_is_not_taken_for_the_next_answer() {
    let poisons: Script = Box::new(|peer| {
        read_request(peer);
        peer.write([whole("A: b\n\nfirst"), whole("A: b\n\npoison")].concat());
        peer.is_closed();
    });
    let application = Upstream::playing([poisons, Box::new(behave)]);
    let gateway = before(application.address(), "idle_timeout: 60s");
    let mut client = gateway.connect();
    let answers = [(); 2].map(|()| client.request("GET", "/", &[], "").unwrap().text());
    assert_eq!(answers, ["first", "fine"]);
}

#[test]
fn a_kept_connection_that_has_ended_is_replaced() {
    // Closed after each answer, whatever was asked for: a POST must not be lost, either.
    let application = Upstream::always(|peer| {
        read_request(peer);
        peer.write(whole("A: b\n\nfine"));
    });
    let gateway = before(application.address(), "idle_timeout: 60s");
    let mut client = gateway.connect();
    for (number, (method, body)) in (1..).zip([("POST", "data"), ("GET", "")].repeat(3)) {
        assert_eq!(client.request(method, "/", &[], body).unwrap().text(), "fine", "{method}");
        application.wait_ended(number);
    }
}

#[test]
fn an_answer_may_come_before_the_end_of_the_request() {
    let application = Upstream::once(|peer| {
        peer.exactly(8);
        peer.write(whole("Status: 403 Forbidden\nContent-Length: 2\n\nno"));
        peer.is_closed();
    });
    let gateway = before(application.address(), "");
    let mut client = gateway.connect();
    client.send(request("POST", "/", &["Content-Length: 100000000"], "")).unwrap();
    client.send("the beginning").unwrap();
    let answer = client.answer().unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (403, "no"));
}

#[test]
fn a_client_that_leaves_takes_its_request_along() {
    let ((tell, told), (abort, aborted)) = (channel(), channel());
    let application = Upstream::once(move |peer| {
        read_request(peer);
        let _ = tell.send(());
        let _ = abort.send(peer.exactly(9));
    });
    let gateway = before(application.address(), "");
    let mut client = gateway.connect();
    client.send(request("GET", "/", &[], "")).unwrap();
    told.recv_timeout(DEADLINE).unwrap();
    drop(client);
    // ABORT_REQUEST, and then the end.
    assert_eq!(aborted.recv_timeout(DEADLINE).unwrap(), [1, 2, 0, 1, 0, 0, 0, 0]);
}

#[test]
fn an_upload_that_breaks_off_never_looks_whole() {
    let (tell, told) = channel();
    let application = Upstream::once(move |peer| {
        let _ = tell.send(read_request(peer));
    });
    let gateway = before(application.address(), "");
    let mut client = gateway.connect();
    client.send(request("POST", "/", &["Content-Length: 100000"], "")).unwrap();
    client.send("short").unwrap();
    drop(client);
    assert!(!told.recv_timeout(DEADLINE).unwrap(), "the end of the body was sent");
    gateway.log().wait_for_text("V-CLIENT-GONE");
}

#[test]
fn a_client_that_does_not_read_stops_the_application() {
    const LARGE: usize = 128 << 20;
    let (tell, told) = channel();
    let application = Upstream::once(move |peer| {
        read_request(peer);
        peer.write(stdout("A: b\n\n"));
        let taken = peer.repeat_until_stalled(&stdout(&"x".repeat(60_000)), LARGE);
        let _ = tell.send(taken);
    });
    let gateway = before(application.address(), "");
    let mut client = gateway.connect();
    client.send(request("GET", "/", &[], "")).unwrap();
    let taken = told.recv_timeout(DEADLINE).unwrap();
    assert!(taken < LARGE / 2, "{taken} bytes were taken");
}
