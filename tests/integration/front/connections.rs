//! HTTP/1.1 with keep-alive, and HTTP/1.0.

use crate::harness::{TestGateway, request};

const ROOMS: &str = "routes:
  - { path: /hall, respond: { text: the hall } }
  - { path: /cellar, respond: { text: the cellar } }";

#[test]
fn one_connection_carries_many_requests() {
    let gateway = TestGateway::from_yaml(ROOMS);
    let mut client = gateway.connect();
    for (path, status, text) in
        [("/hall", 200, "the hall"), ("/attic", 404, "V-NO-ROUTE"), ("/cellar", 200, "the cellar")]
    {
        let answer = client.request("GET", path, &[], "").unwrap();
        assert_eq!((answer.status, answer.text().contains(text)), (status, true), "{path}");
        assert_eq!(answer.header("connection"), None);
    }
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let gateway = TestGateway::from_yaml(ROOMS);
    let mut client = gateway.connect();
    let paths = ["/hall", "/cellar", "/hall"];
    client.send(paths.map(|path| request("GET", path, &[], "")).concat()).unwrap();
    let answers = paths.map(|_| client.answer().unwrap().text());
    assert_eq!(answers, ["the hall", "the cellar", "the hall"]);
}

#[test]
fn http_1_0_needs_no_host_and_ends_with_its_answer() {
    let gateway = TestGateway::from_yaml(ROOMS);
    let mut client = gateway.connect();
    client.send("GET /hall HTTP/1.0\r\n\r\n").unwrap();
    let answer = String::from_utf8(client.rest().unwrap()).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200") && answer.ends_with("\r\n\r\nthe hall"), "{answer}");
}

#[test]
fn http_1_0_keeps_its_connection_when_it_asks_to() {
    let gateway = TestGateway::from_yaml(ROOMS);
    let mut client = gateway.connect();
    for _ in 0..2 {
        client.send("GET /hall HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").unwrap();
        let answer = client.answer().unwrap();
        assert_eq!((answer.text().as_str(), answer.header("connection")), ("the hall", Some("keep-alive")));
    }
}

#[test]
fn a_connection_is_closed_when_the_client_says_so() {
    let gateway = TestGateway::from_yaml(ROOMS);
    let mut client = gateway.connect();
    let answer = client.request("GET", "/hall", &["Connection: close"], "").unwrap();
    assert_eq!((answer.text().as_str(), answer.header("connection")), ("the hall", Some("close")));
    assert_eq!(client.rest().unwrap(), b"");
}

#[test]
fn the_answer_to_head_has_no_body_and_the_length_of_one() {
    let gateway = TestGateway::from_yaml(ROOMS);
    let mut client = gateway.connect();
    client.send(request("HEAD", "/hall", &[], "")).unwrap();
    assert_eq!(client.head().unwrap().header("content-length"), Some("8"));
    assert_eq!(client.request("GET", "/cellar", &[], "").unwrap().text(), "the cellar");
}

#[test]
fn headers_with_underscores_do_not_pass_for_others() {
    let shown = "routes:
  - layers: [ { response_headers: { set: { X-Shown: \"[{HTTP_X_SECRET}]\" } } } ]
    respond: { text: shown }";
    let gateway = TestGateway::from_yaml(shown);
    let mut client = gateway.connect();
    for (sent, shown) in [("X_Secret: 1", "[]"), ("X-Secret: 1", "[1]")] {
        assert_eq!(client.request("GET", "/", &[sent], "").unwrap().header("x-shown"), Some(shown), "{sent}");
    }
}
