//! Bodies: what every request and every answer may use up.

use crate::harness::{Client, TestGateway, eventually, get};

/// Reads the whole body before it answers.
const APP: &str = "def app(environ, start_response):
    size = len(environ['wsgi.input'].read())
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [str(size).encode()]
";

fn gateway(limits: &str) -> TestGateway {
    let yaml = format!("limits: {{ {limits} }}\nroutes: [ {{ wsgi: {{ app: 'app:app' }} }} ]");
    TestGateway::with_files(&yaml, &[("app.py", APP)])
}

fn post(gateway: &TestGateway, head: &str, body: &[u8]) -> Client {
    let mut client = gateway.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: test\r\n{head}\r\n\r\n")).unwrap();
    client.send(body).unwrap();
    client
}

#[test]
fn a_body_of_unknown_length_is_counted() {
    let gateway = gateway("body_bytes: 5");
    let fits = post(&gateway, "Transfer-Encoding: chunked", b"5\r\nabcde\r\n0\r\n\r\n").answer().unwrap();
    assert_eq!((fits.status, fits.text().as_str()), (200, "5"));
    let larger =
        post(&gateway, "Transfer-Encoding: chunked", b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n").answer().unwrap();
    assert_eq!(larger.status, 413);
    gateway.log().wait_for_text("limits.body_bytes");
}

#[test]
fn a_body_that_stands_still_is_given_up() {
    let gateway = gateway("body_time: 50ms");
    let answer = post(&gateway, "Content-Length: 4", b"ab").answer().unwrap();
    assert_eq!(answer.status, 408);
    assert!(answer.text().contains("V-SLOW-REQUEST"));
    gateway.log().wait_for_text("limits.body_time");
}

#[test]
fn a_body_that_trickles_is_given_up() {
    let gateway = gateway("body_time: 2s, body_rate: 1MiB");
    let mut client = post(&gateway, "Content-Length: 1000000", b"a");
    // Each time something comes, and yet never enough.
    eventually("the end of patience", || {
        drop(client.send("a"));
        gateway.log().find(|line| line.contains("limits.body_rate"))
    });
    assert_eq!(client.answer().unwrap().status, 408);
}

#[test]
fn a_client_that_does_not_take_its_answer_is_given_up() {
    let yaml = "limits: { send_time: 3s }\nroutes:\n  \
        - { path: /big, layers: [ { concurrency_limit: { max: 1 } } ], respond: { file: big.txt } }";
    let gateway = TestGateway::with_files(yaml, &[("big.txt", &"x".repeat(32 << 20))]);
    let mut idle = gateway.connect();
    idle.send("GET /big HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    gateway.log().wait_for_text("limits: send_time");
    // Its place is free again.
    eventually("the place of the client that is gone", || {
        (get(&gateway.address(), "/big").status == 200).then_some(())
    });
}
