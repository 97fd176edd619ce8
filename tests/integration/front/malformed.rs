//! What is no request: 400, the connection closed, and nothing else harmed.

use crate::harness::{TestGateway, Upstream, get};

const HELLO: &str = "routes: [ { respond: { text: hello } } ]";

/// Sends bytes to a connection of their own: the status of the answer, after which the connection is closed.
fn status_and_close(gateway: &TestGateway, bytes: &[u8]) -> u16 {
    let shown = bytes.escape_ascii().to_string();
    let mut client = gateway.connect();
    client.send(bytes).unwrap();
    let answer = client.answer().unwrap_or_else(|error| panic!("{shown}: {error}"));
    let rest = client.rest().unwrap_or_else(|error| panic!("{shown} leaves the connection open: {error}"));
    assert_eq!(rest.escape_ascii().to_string(), "", "{shown}");
    answer.status
}

fn refuses(requests: &[&[u8]]) -> TestGateway {
    let gateway = TestGateway::from_yaml(HELLO);
    for bytes in requests {
        assert_eq!(status_and_close(&gateway, bytes), 400, "{}", bytes.escape_ascii());
    }
    assert_eq!(get(&gateway.address(), "/").text(), "hello");
    gateway
}

#[test]
fn a_line_that_is_no_request_line() {
    let gateway = refuses(&[
        b"\0\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /\r\nHost: test\r\n\r\n",
        b"G@T / HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET / a HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET / HTTP/3.7\r\nHost: test\r\n\r\n",
        b"GET /\x01 HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET /#\rHost: a HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET / HTTP/1.1\rHost: test\r\r",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ]);
    gateway.log().wait_for_texts(&["connection ended", "127.0.0.1"]);
}

#[test]
fn a_header_that_is_none() {
    refuses(&[
        b"GET / HTTP/1.1\r\nHost: test\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\nX : before the colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\n: no name\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\nX(y): 1\r\n\r\n",
        b"GET / HTTP/1.1\r\n folded: 1\r\nHost: test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\nX: 1\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\nX: a\0b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\nX: a\rY: b\r\n\r\n",
    ]);
}

#[test]
fn a_host_that_is_not_one() {
    let gateway = refuses(&[
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a/../b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \xffa\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a?b#c\r\n\r\n",
        b"GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    ]);
    for why in ["exactly one Host", "Host that is no host"] {
        gateway.log().wait_for_texts(&["V-BAD-REQUEST", why]);
    }
}

#[test]
fn a_target_that_is_none() {
    let gateway = refuses(&[
        b"GET /%zz HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET /% HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET /a%00b HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET /a/..%2Fb HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET /a/%2e%2e%2fb HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET relative HTTP/1.1\r\nHost: test\r\n\r\n",
        b"CONNECT test:80 HTTP/1.1\r\nHost: test\r\n\r\n",
    ]);
    gateway.log().wait_for_texts(&["V-BAD-REQUEST", "CONNECT"]);
}

#[test]
fn a_length_that_is_none_or_two() {
    refuses(&[
        b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: +1\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 0x1\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1 1\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 99999999999999999999\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.0\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ]);
}

#[test]
fn chunks_that_are_none() {
    let upstream = Upstream::always(|peer| {
        peer.head();
        peer.is_closed();
    });
    let yaml = format!("routes: [ {{ http: {{ servers: \"{}\" }} }} ]", upstream.address());
    let gateway = TestGateway::from_yaml(&yaml);
    for chunk in ["zz\r\nab\r\n", "-1\r\n", "fffffffffffffffff\r\n", "2\r\nabc\r\n", "0\r\nX-Sum: a\rb"] {
        let head = "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";
        let status = status_and_close(&gateway, format!("{head}{chunk}").as_bytes());
        assert_eq!(status, 400, "{}", chunk.escape_debug());
    }
}

#[test]
fn of_a_length_beside_chunks_only_the_chunks_count_and_nothing_follows() {
    let gateway = TestGateway::from_yaml(HELLO);
    let mut client = gateway.connect();
    let both = "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.send(format!("{both}0\r\n\r\nGET /next HTTP/1.1\r\nHost: test\r\n\r\n")).unwrap();
    assert_eq!(client.answer().unwrap().text(), "hello");
    assert_eq!(client.rest().unwrap(), b"");
}

#[test]
fn a_whole_url_is_a_target_and_its_host_counts() {
    let yaml = "routes: [ { match: { host: right.example }, path: /a, respond: { text: right } } ]";
    let gateway = TestGateway::from_yaml(yaml);
    let mut client = gateway.connect();
    client.send("GET http://right.example/a HTTP/1.1\r\nHost: wrong.example\r\n\r\n").unwrap();
    assert_eq!(client.answer().unwrap().text(), "right");
}

#[test]
fn the_server_as_a_whole_has_options() {
    let gateway = TestGateway::from_yaml(HELLO);
    let mut client = gateway.connect();
    let answer = client.request("OPTIONS", "*", &[], "").unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, ""));
}

#[test]
fn empty_lines_before_a_request_and_lines_that_end_in_lf_alone_are_taken() {
    let gateway = TestGateway::from_yaml(HELLO);
    let mut client = gateway.connect();
    client.send("\r\nGET / HTTP/1.1\nHost: test\n\n").unwrap();
    assert_eq!(client.answer().unwrap().text(), "hello");
}
