//! Clients of HTTP/2 that behave, and that do not.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use crate::harness::{DEADLINE, TestGateway, Upstream, eventually, get};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A GET of `/` by HTTP, without an authority (RFC 7541 appendix A).
const GET: &[u8] = &[0x82, 0x86, 0x84];

/// The same with POST.
const POST: &[u8] = &[0x83, 0x86, 0x84];

/// A client that sends whatever frames a test writes.
struct Client(TcpStream);

impl Client {
    /// Begins with these settings: numbers and values.
    fn connect(gateway: &TestGateway, settings: &[u8]) -> Self {
        let mut client = Self::silent(gateway);
        // At once: a part of it is waited for no longer than for a head.
        client.0.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, settings)].concat()).unwrap();
        client
    }

    /// Has not sent anything.
    fn silent(gateway: &TestGateway) -> Self {
        let stream = TcpStream::connect(gateway.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    fn get(&mut self, stream: u8) {
        self.send(HEADERS, END_STREAM | END_HEADERS, stream, GET);
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u8, payload: &[u8]) {
        // The other side may have had enough.
        let _ = self.0.write_all(&frame(kind, flags, stream, payload));
    }

    /// The kind and the flags of the next frame; `None` at the end.
    fn next(&mut self) -> Option<(u8, u8)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        self.0.read_exact(&mut vec![0; length]).ok()?;
        Some((head[3], head[4]))
    }

    /// Waits for a frame; whether an answer has ended before.
    fn wait_for(&mut self, kind: u8) -> bool {
        let mut has_ended = false;
        loop {
            let (found, flags) = self.next().expect("the frame comes before the end");
            if found == kind {
                return has_ended;
            }
            has_ended |= matches!(found, DATA | HEADERS) && flags & END_STREAM != 0;
        }
    }

    fn until_closed(&mut self) {
        while self.next().is_some() {}
    }
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

const HELLO: &str = "routes: [ { respond: { text: hello } } ]";

/// What curl says to an answer by HTTP/2: its version, status and body.
fn curl(gateway: &TestGateway, arguments: &[&str]) -> String {
    let output = Command::new("curl")
        .args(["--silent", "--http2-prior-knowledge", "--max-time", "60"])
        .args(["--write-out", " %{http_version} %{http_code}"])
        .args(arguments)
        .arg(format!("http://{}/", gateway.address()))
        .output()
        .expect("curl is missing: apt-get install curl (tests/run does it)");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn one_listener_takes_both_versions() {
    let gateway = TestGateway::from_yaml(HELLO);
    assert_eq!(curl(&gateway, &[]), "hello 2 200");
    assert_eq!(get(&gateway.address(), "/").text(), "hello");
    assert_eq!(curl(&gateway, &["--head"]).rsplit_once('\n').unwrap().1, " 2 200");
}

#[test]
fn a_preface_may_come_in_pieces() {
    let gateway = TestGateway::from_yaml(HELLO);
    // After the line that is no beginning of HTTP/1, in the middle of it, and byte by byte.
    for size in [16, 14, 10, 1] {
        let mut client = Client::silent(&gateway);
        for piece in PREFACE.chunks(size) {
            client.0.write_all(piece).unwrap();
            // A core is through with what came before, when it has answered another.
            assert_eq!(get(&gateway.address(), "/").text(), "hello");
        }
        client.send(SETTINGS, 0, 0, &[]);
        client.get(1);
        client.wait_for(DATA);
    }
}

#[test]
fn a_part_of_a_preface_is_not_waited_for() {
    let gateway = TestGateway::from_yaml(&format!("limits: {{ header_time: 200ms }}\n{HELLO}"));
    let mut client = Client::silent(&gateway);
    client.0.write_all(&PREFACE[..20]).unwrap();
    let mut answer = Vec::new();
    client.0.read_to_end(&mut answer).unwrap();
    assert_eq!(String::from_utf8(answer).unwrap(), "");
    gateway.log().wait_for_texts(&["WARN", "`limits: header_time`"]);
}

#[test]
fn a_listener_for_http2_alone_takes_no_other() {
    let gateway =
        TestGateway::from_yaml(&format!("listen: {{ address: \"127.0.0.1:0\", protocol: h2c }}\n{HELLO}"));
    assert_eq!(curl(&gateway, &[]), "hello 2 200");
    assert!(gateway.connect().request("GET", "/", &[], "").is_err());
}

#[test]
fn heads_have_the_limits_of_http1() {
    let gateway =
        TestGateway::from_yaml(&format!("limits: {{ header_bytes: 8KiB, header_count: 20 }}\n{HELLO}"));
    assert!(curl(&gateway, &["--header", &format!("X-Large: {}", "x".repeat(9000))]).ends_with(" 2 431"));
    let many: Vec<String> = (0..30).map(|number| format!("X-{number}: 1")).collect();
    let many: Vec<&str> = many.iter().flat_map(|header| ["--header", header]).collect();
    assert!(curl(&gateway, &many).ends_with(" 2 431"));
    assert_eq!(curl(&gateway, &[]), "hello 2 200");
}

#[test]
fn a_client_that_resets_everything_loses_its_connection() {
    let gateway = TestGateway::from_yaml(HELLO);
    let mut client = Client::connect(&gateway, &[]);
    for stream in (1..=199).step_by(2) {
        client.get(stream);
        client.send(RESET, 0, stream, &[0, 0, 0, 8]);
    }
    client.wait_for(GOAWAY);
    client.until_closed();
    assert_eq!(curl(&gateway, &[]), "hello 2 200");
}

#[test]
fn a_client_without_a_request_is_not_waited_for() {
    let gateway = TestGateway::from_yaml(&format!("limits: {{ keep_alive: 2s, header_time: 2s }}\n{HELLO}"));
    // Neither one that has never asked, nor one that goes on with half of a head.
    let mut client = Client::connect(&gateway, &[]);
    client.wait_for(GOAWAY);
    client.until_closed();
    let mut client = Client::connect(&gateway, &[]);
    client.send(HEADERS, END_STREAM, 1, GET);
    client.until_closed();
}

#[test]
fn a_head_that_comes_too_slowly_is_closed_and_logged() {
    let settings: &[u8] = &[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0];
    let head: &[u8] = &[0, 0, 3, HEADERS, END_STREAM, 0, 0, 0, 1, 0x82, 0x86, 0x84];
    let half_of_a_frame: &[u8] = &[0, 0, 3, HEADERS, END_STREAM | END_HEADERS, 0, 0, 0, 1, 0x82];
    let goes_on: &[u8] = &[0, 0, 0, CONTINUATION, 0, 0, 0, 0, 1];
    for begun in [&[][..], &[settings, half_of_a_frame], &[settings, head], &[settings, head, goes_on]] {
        let gateway = TestGateway::from_yaml(&format!("limits: {{ header_time: 200ms }}\n{HELLO}"));
        let mut client = Client::silent(&gateway);
        client.0.write_all(&[PREFACE, &begun.concat()].concat()).unwrap();
        client.until_closed();
        gateway.log().wait_for_texts(&["WARN", "`limits: header_time`", "127.0.0.1"]);
    }
}

#[test]
fn a_slow_head_ends_the_answers_beside_it_with_a_reason() {
    let gateway = TestGateway::from_yaml(&format!("limits: {{ header_time: 2s }}\n{HELLO}"));
    // SETTINGS_INITIAL_WINDOW_SIZE: none, so that the answer is under way.
    let mut client = Client::connect(&gateway, &[0, 4, 0, 0, 0, 0]);
    client.get(1);
    client.wait_for(HEADERS);
    client.send(HEADERS, END_STREAM, 3, GET);
    client.until_closed();
    gateway.log().wait_for_texts(&["V-SLOW-REQUEST", "`limits: header_time`"]);
}

#[test]
fn a_client_that_takes_nothing_is_not_waited_for() {
    let gateway = TestGateway::from_yaml(&format!("limits: {{ send_time: 200ms }}\n{HELLO}"));
    // SETTINGS_INITIAL_WINDOW_SIZE: none.
    let mut client = Client::connect(&gateway, &[0, 4, 0, 0, 0, 0]);
    client.get(1);
    client.wait_for(HEADERS);
    client.until_closed();
    gateway.log().wait_for_text("limits: send_time");
}

#[test]
fn an_answer_that_breaks_off_is_reset() {
    let upstream = Upstream::once(|peer| {
        peer.head();
        peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    });
    let gateway =
        TestGateway::from_yaml(&format!("routes: [ {{ http: {{ servers: \"{}\" }} }} ]", upstream.address()));
    let mut client = Client::connect(&gateway, &[]);
    client.get(1);
    assert!(!client.wait_for(RESET), "it must not look whole");
    gateway.log().wait_for_texts(&["ERROR", "V-UPSTREAM", "an answer was broken off"]);
}

#[test]
fn a_client_that_resets_a_request_is_told_with_it_and_goes_on() {
    let yaml = "routes: [ { path: /, static: { root: www, index: large } }, { respond: {} } ]";
    let gateway = TestGateway::with_files(yaml, &[("www/large", &"x".repeat(32 << 20))]);
    let mut client = Client::connect(&gateway, &[]);
    client.get(1);
    client.wait_for(DATA);
    client.send(RESET, 0, 1, &[0, 0, 0, 8]);
    gateway.log().wait_for_texts(&["DEBUG", "V-CLIENT-GONE", "an answer was broken off"]);
    client.get(3);
    client.wait_for(HEADERS);
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_body_is_gone() {
    let upstream = Upstream::always(|peer| {
        peer.head();
        peer.is_closed();
    });
    let gateway =
        TestGateway::from_yaml(&format!("routes: [ {{ http: {{ servers: \"{}\" }} }} ]", upstream.address()));
    let mut client = Client::connect(&gateway, &[]);
    client.send(HEADERS, END_HEADERS, 1, POST);
    client.send(DATA, 0, 1, b"half");
    eventually("the request to be forwarded", || (upstream.heads().len() == 1).then_some(()));
    client.send(RESET, 0, 1, &[0, 0, 0, 8]);
    gateway.log().wait_for_texts(&["DEBUG", "V-CLIENT-GONE", "failed to read the body of the request"]);
}

#[test]
fn the_environ_says_the_version() {
    let gateway = TestGateway::from_yaml(
        "layers: [ { response_headers: { set: { X-Protocol: \"{SERVER_PROTOCOL}\" } } } ]
routes: [ { respond: {} } ]",
    );
    let head = curl(&gateway, &["--head"]);
    assert!(head.contains("x-protocol: HTTP/2.0\r\n"), "{head}");
}

#[test]
fn a_drain_says_goodbye() {
    let gateway = TestGateway::from_yaml(HELLO);
    let mut client = Client::connect(&gateway, &[]);
    client.get(1);
    client.wait_for(HEADERS);
    gateway.reload(HELLO);
    client.wait_for(GOAWAY);
}
