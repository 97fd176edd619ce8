//! Answers in pieces: each is sent when it is there, and none that is missing goes unnoticed.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;

use rustix::fs::OFlags;

use super::{only, start};
use crate::harness::{Client, TestGateway, eventually};

/// Lets the application pass its gate, once it stands there.
fn open_gate(gateway: &TestGateway) {
    let nonblock = OFlags::NONBLOCK.bits().cast_signed();
    eventually("the application to reach the gate", || {
        // Without a reader, this fails.
        OpenOptions::new().write(true).custom_flags(nonblock).open(gateway.path("gate")).ok()
    });
}

/// Asks for a stream, and reads its head and first chunk.
fn begin(gateway: &TestGateway, path: &str, first: &str) -> Client {
    let mut client = gateway.connect();
    client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")).unwrap();
    let head = client.head().unwrap();
    assert_eq!((head.status, head.header("transfer-encoding")), (200, Some("chunked")));
    let chunk = format!("{:x}\r\n{first}\r\n", first.len());
    assert_eq!(String::from_utf8(client.exactly(chunk.len()).unwrap()).unwrap(), chunk);
    client
}

#[test]
fn each_chunk_comes_before_there_is_another() {
    for isolation in ["shared", "process"] {
        let gateway = start(&format!(
            "routes: [ {{ wsgi: {{ app: \"streams:application\", path: \"${{APPS}}\", isolation: {isolation} }} }} ]"
        ));
        let mut client = begin(&gateway, "/gated", "first");
        for chunk in ["second", "third", "fourth", ""] {
            open_gate(&gateway);
            assert_eq!(client.chunk().unwrap(), chunk.as_bytes(), "{isolation}");
        }
        gateway.log().wait_for_text("the iterable is closed");
    }
}

#[test]
fn an_exception_in_mid_stream_never_looks_like_the_end() {
    let gateway = start(&only("streams:application"));
    let mut client = begin(&gateway, "/breaking", "first");
    open_gate(&gateway);
    // The end of the connection, or a reset; but no last chunk.
    assert_eq!(client.rest().unwrap_or_default(), b"");
    gateway.log().wait_for_text("OSError: the disk is full");
    gateway.log().wait_for_text("the iterable is closed");
}

#[test]
fn an_exception_before_the_first_byte_is_a_clean_500() {
    let gateway = start(&only("streams:application"));
    let mut client = gateway.connect();
    assert_eq!(client.request("GET", "/failing-early", &[], "").unwrap().status, 500);
    gateway.log().wait_for_text("OSError: nothing was sent");
    gateway.log().wait_for_text("the iterable is closed");
}

#[test]
fn less_than_was_promised_never_looks_whole() {
    let gateway = start(&only("streams:short"));
    let mut client = gateway.connect();
    let answer = client.request("GET", "/", &[], "");
    assert!(answer.as_ref().map_or(true, |answer| answer.status == 500), "{answer:?}");
}

#[test]
fn the_iterable_of_a_client_that_left_is_closed() {
    for path in ["/endless", "/silent"] {
        let gateway = start(&only("streams:application"));
        let mut client = gateway.connect();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")).unwrap();
        if path == "/endless" {
            assert_eq!(client.head().unwrap().status, 200);
        } else {
            gateway.log().wait_for_text("the stream begins");
        }
        drop(client);
        gateway.log().wait_for_text("the iterable is closed");
    }
}
