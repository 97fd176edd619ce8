//! Answers that do not arrive whole: each has one line of log, with the number of its request, a code and the reason.

use std::fs::OpenOptions;

use crate::harness::{Client, Script, TestGateway, Upstream, eventually, get, kill};

/// More than the buffers of a connection hold.
const LARGE: usize = 32 << 20;

/// Asks for an answer and reads its head, with the number of the request.
fn begin(gateway: &TestGateway, path: &str) -> (Client, String) {
    let mut client = gateway.connect();
    client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")).unwrap();
    let head = client.head().unwrap();
    assert_eq!(head.status, 200);
    let number = head.header("x-request-id").expect("the layer has named it").to_owned();
    (client, number)
}

/// Waits for the line that tells of a request, and sees to it that there is one only.
fn told(gateway: &TestGateway, level: &str, number: &str, code: &str, reason: &str) {
    gateway.log().wait_for_texts(&[level, number, code, "an answer was broken off", reason]);
    // What the connection had to say as well would stand before this.
    let later = get(&gateway.address(), "/nowhere").text();
    gateway.log().wait_for_texts(&["V-NO-ROUTE", later.split_whitespace().next_back().unwrap()]);
    let lines: Vec<_> = gateway.log().lines().into_iter().filter(|line| speaks_of(line, number)).collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(!gateway.log().lines().iter().any(|line| line.contains("connection ended")));
}

fn speaks_of(line: &str, number: &str) -> bool {
    line.contains(number) && line.contains("\"code\"")
}

#[test]
fn an_upstream_that_breaks_off_is_told_with_the_request() {
    const BEGUN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort";
    let truncates: Script = Box::new(|peer| {
        peer.head();
        peer.write(BEGUN);
    });
    let resets: Script = Box::new(|peer| {
        // What it has not read turns the end of the connection into a reset.
        peer.exactly(1);
        peer.write(BEGUN);
    });
    let talks_nonsense: Script = Box::new(|peer| {
        peer.head();
        peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\nzz\r\n");
    });
    let stalls: Script = Box::new(|peer| {
        peer.head();
        peer.write(BEGUN);
        peer.is_closed();
    });
    for (script, code, reason) in [
        (truncates, "V-UPSTREAM", "bytes before its Content-Length"),
        (resets, "V-UPSTREAM", ""),
        (talks_nonsense, "V-UPSTREAM", "chunk"),
        (stalls, "V-TOO-SLOW", "nothing came for 2s"),
    ] {
        let upstream = Upstream::playing([script]);
        let gateway = TestGateway::from_yaml(&format!(
            "layers: [ access_log, request_id ]
routes: [ {{ path: /, http: {{ servers: \"{}\", timeout: 2s }} }} ]",
            upstream.address()
        ));
        let (mut client, number) = begin(&gateway, "/");
        // Longer than what has come of it, in a chunk or not.
        assert!(client.exactly(11).is_err());
        told(&gateway, "ERROR", &number, code, reason);
        // It is the number of the access log, too.
        gateway.log().wait_for_texts(&["\"outcome\":\"aborted\"", &number]);
    }
}

/// A gateway with a large file.
fn large(limits: &str) -> TestGateway {
    let yaml =
        format!("{limits}\nlayers: [ request_id ]\nroutes: [ {{ mount: /files, static: {{ root: www }} }} ]");
    TestGateway::with_files(&yaml, &[("www/large", &"x".repeat(LARGE))])
}

#[test]
fn a_file_that_shrinks_is_told_with_the_request() {
    let gateway = large("");
    let (mut client, number) = begin(&gateway, "/files/large");
    OpenOptions::new().write(true).open(gateway.path("www/large")).unwrap().set_len(10).unwrap();
    assert!(client.exactly(LARGE).is_err());
    told(&gateway, "ERROR", &number, "V-APPLICATION", "the file became shorter");
}

#[test]
fn a_client_that_leaves_is_told_with_the_request() {
    let gateway = large("");
    let (client, number) = begin(&gateway, "/files/large");
    drop(client);
    told(&gateway, "DEBUG", &number, "V-CLIENT-GONE", "connection");
}

#[test]
fn a_client_that_leaves_before_its_answer_is_told() {
    let upstream = Upstream::once(|peer| {
        peer.head();
        peer.is_closed();
    });
    let gateway =
        TestGateway::from_yaml(&format!("routes: [ {{ http: {{ servers: \"{}\" }} }} ]", upstream.address()));
    let mut client = gateway.connect();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    eventually("the request to be forwarded", || upstream.heads().pop());
    drop(client);
    gateway.log().wait_for_texts(&["V-CLIENT-GONE", "\"request_id\"", "an answer was broken off"]);
}

#[test]
fn a_client_that_takes_nothing_is_told_with_the_request() {
    let gateway = large("limits: { send_time: 100ms }");
    let (_client, number) = begin(&gateway, "/files/large");
    told(&gateway, "WARN", &number, "V-SLOW-REQUEST", "`limits: send_time`");
}

#[test]
fn an_answer_that_outlasts_the_drain_is_told_with_the_request() {
    let mut gateway = large("drain: 100ms");
    let (_client, number) = begin(&gateway, "/files/large");
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    gateway.log().wait_for_texts(&["WARN", &number, "V-DRAINING", "`drain`"]);
}

#[test]
fn an_application_that_raises_in_mid_stream_is_told_with_the_request() {
    let app = "def app(environ, start_response):
    start_response('200 OK', [])
    yield b'first'
    raise OSError('the disk is full')
";
    let yaml = "layers: [ request_id ]\nroutes: [ { path: /, wsgi: { app: \"breaking:app\" } } ]";
    let gateway = TestGateway::with_files(yaml, &[("breaking.py", app)]);
    let (mut client, number) = begin(&gateway, "/");
    assert!(client.chunk().and_then(|_| client.chunk()).is_err());
    gateway.log().wait_for_texts(&[&number, "OSError: the disk is full"]);
    told(&gateway, "ERROR", &number, "V-APPLICATION", "the application failed in the middle of its answer");
}

/// Answers without a body, whole answers, and connections that end between two requests are no failures.
#[test]
fn nothing_is_told_of_what_arrives() {
    let gateway = large("");
    let mut client = gateway.connect();
    client.send("HEAD /files/large HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    assert_eq!(client.head().unwrap().status, 200);
    let whole = client.request("GET", "/files/large", &[], "").unwrap();
    assert_eq!(whole.body.len(), LARGE);
    let unchanged = format!("If-None-Match: {}", whole.header("etag").unwrap());
    assert_eq!(client.request("GET", "/files/large", &[&unchanged], "").unwrap().status, 304);
    drop(client);
    let mut next = gateway.connect();
    next.send("GET /nowhere HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!(next.answer().unwrap().status, 404);
    assert_eq!(next.rest().unwrap(), b"");
    let [worker] = gateway.workers()[..] else { panic!("one worker, by default") };
    kill("TERM", worker);
    gateway.log().wait_for_text("a worker has left unasked");
    assert_eq!(gateway.log().count("an answer was broken off"), 0);
}
