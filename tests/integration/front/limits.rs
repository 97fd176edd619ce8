//! `limits`: what a connection may use up.

use crate::harness::{Client, TestGateway, eventually, request};

fn limited(limits: &str) -> TestGateway {
    TestGateway::from_yaml(&format!("limits: {{ {limits} }}\nroutes: [ {{ respond: {{ text: hello }} }} ]"))
}

/// The status of a request, after which the connection is closed, and the gateway serves others.
fn refused(gateway: &TestGateway, request: &str) -> u16 {
    let mut client = gateway.connect();
    client.send(request).unwrap();
    let answer = client.answer().unwrap();
    assert_eq!(client.rest().unwrap(), b"", "the connection is closed");
    assert_eq!(crate::harness::get(&gateway.address(), "/").text(), "hello");
    answer.status
}

#[test]
fn a_head_that_is_too_large_is_431_and_logged() {
    let gateway = limited("header_bytes: 16KiB");
    let header = format!("X-Long: {}", "x".repeat(20_000));
    assert_eq!(refused(&gateway, &request("GET", "/", &[&header], "")), 431);
    gateway.log().wait_for_texts(&["WARN", "`limits: header_bytes`", "127.0.0.1"]);
}

#[test]
fn too_many_headers_are_431() {
    let gateway = limited("header_count: 10");
    let headers = ["X-One: 1"; 10];
    assert_eq!(gateway.connect().request("GET", "/", &headers[..9], "").unwrap().status, 200);
    assert_eq!(refused(&gateway, &request("GET", "/", &headers, "")), 431);
}

#[test]
fn a_target_that_is_too_long_is_414() {
    let gateway = limited("header_bytes: 256KiB");
    let path = format!("/{}", "x".repeat(70_000));
    assert_eq!(refused(&gateway, &request("GET", &path, &[], "")), 414);
}

#[test]
fn a_head_that_comes_too_slowly_is_closed_and_logged() {
    let gateway = limited("header_time: 100ms");
    let mut client = gateway.connect();
    client.send("GET / HTTP/1.1\r\nHost: te").unwrap();
    assert_eq!(client.rest().unwrap(), b"");
    gateway.log().wait_for_texts(&["WARN", "`limits: header_time`", "127.0.0.1"]);
}

#[test]
fn a_second_head_that_comes_too_slowly_is_closed_too() {
    let gateway = limited("header_time: 2s");
    let mut client = gateway.connect();
    assert_eq!(client.request("GET", "/", &[], "").unwrap().text(), "hello");
    client.send("GET / HT").unwrap();
    assert_eq!(client.rest().unwrap(), b"");
}

#[test]
fn a_head_that_began_with_the_request_before_is_closed_too() {
    let gateway = limited("header_time: 2s, keep_alive: 3s");
    let mut client = gateway.connect();
    client.send(request("GET", "/", &[], "") + "GET / HT").unwrap();
    assert_eq!(client.answer().unwrap().text(), "hello");
    client.rest().unwrap();
}

#[test]
fn idle_connections_are_closed() {
    let gateway = limited("keep_alive: 2s");
    let (mut silent, mut used) = (gateway.connect(), gateway.connect());
    assert_eq!(used.request("GET", "/", &[], "").unwrap().text(), "hello");
    assert_eq!(used.rest().unwrap(), b"");
    assert_eq!(silent.rest().unwrap(), b"");
}

#[test]
fn empty_lines_keep_no_connection() {
    let gateway = limited("keep_alive: 3s");
    let (mut silent, mut used) = (gateway.connect(), gateway.connect());
    assert_eq!(used.request("GET", "/", &[], "").unwrap().text(), "hello");
    eventually("connections with empty lines alone to be closed", || {
        let closed = [&mut silent, &mut used].map(|client| client.send("\r\n").is_err());
        (closed == [true, true]).then_some(())
    });
}

#[test]
fn clients_over_the_limit_of_connections_wait_their_turn() {
    let gateway = limited("connections: 1");
    let mut first = gateway.connect();
    assert_eq!(first.request("GET", "/", &[], "").unwrap().text(), "hello");
    let mut second = Client::connect(&gateway.address()).unwrap();
    second.send(request("GET", "/", &[], "")).unwrap();
    gateway.log().wait_for_text("`limits: connections` is reached");
    assert_eq!(first.request("GET", "/", &[], "").unwrap().text(), "hello");
    drop(first);
    assert_eq!(second.answer().unwrap().text(), "hello");
}
