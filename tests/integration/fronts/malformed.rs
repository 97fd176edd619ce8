//! What no front server should send: the connection is closed, the log has one line, and the next request is answered.

use super::speaking::{ask, encoded, get, variables};
use super::{PROTOCOLS, listening};
use crate::harness::{Client, TestGateway, eventually};

const HELLO: &str = "routes: [ { respond: { text: hello } } ]";

/// Sends bytes and sees to it that the connection ends without an answer, which the log tells once.
fn refused(gateway: &TestGateway, protocol: &str, bytes: &[u8], told: &str) {
    for address in &gateway.addresses()[..2] {
        let before = gateway.log().count(told);
        let mut client = Client::connect(address).unwrap();
        client.send(bytes).unwrap();
        // Closed or reset.
        assert_eq!(client.rest().unwrap_or_default(), b"", "{protocol}: {bytes:?}");
        eventually(told, || (gateway.log().count(told) == before + 1).then_some(()));
        let answer = ask(protocol, address, &get(protocol, "/")).unwrap();
        assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
    }
    assert_eq!(gateway.log().count("panicked"), 0);
}

#[test]
fn what_is_no_request_is_closed_with_one_line_of_log() {
    let whole = |name: &str| encoded(name, &variables("GET", "/", "0", &[("HTTP_X_A", "a\u{1}")]), b"");
    for (protocol, bytes, told) in [
        ("uwsgi", b"GET / HTTP/1.1\r\n\r\n".to_vec(), "modifier1"),
        (
            "uwsgi",
            b"\0\x05\0\0\x05\0A".to_vec().into_iter().chain([0, 0]).collect(),
            "longer than its packet",
        ),
        ("uwsgi", whole("uwsgi"), "HTTP_X_A"),
        ("uwsgi", encoded("uwsgi", &[], b""), "REQUEST_METHOD is missing"),
        (
            "uwsgi",
            encoded("uwsgi", &variables("GET", "/", "-1", &[]), b""),
            "CONTENT_LENGTH is not one number",
        ),
        ("scgi", b"GET / HTTP/1.1\r\n\r\n".to_vec(), "netstring"),
        ("scgi", b"99999999:".to_vec(), "limits.header_bytes"),
        ("scgi", encoded("scgi", &[("SCGI", "1"), ("A", "b")], b""), "CONTENT_LENGTH does not come first"),
        ("scgi", encoded("scgi", &[("CONTENT_LENGTH", "0")], b""), "no SCGI with the value 1"),
        ("scgi", whole("scgi"), "HTTP_X_A"),
        ("fastcgi", b"GET / HTTP/1.1\r\n\r\n".to_vec(), "has the version 71"),
        ("fastcgi", encoded("fastcgi", &[], b""), "REQUEST_METHOD is missing"),
        ("fastcgi", whole("fastcgi"), "HTTP_X_A"),
    ] {
        refused(&listening(protocol, HELLO, &[]), protocol, &bytes, told);
    }
}

#[test]
fn what_is_over_a_limit_is_closed_with_one_line_of_log() {
    let long = "x".repeat(10_000);
    for protocol in PROTOCOLS {
        let limits = "limits: { header_bytes: 8KiB, header_count: 5 }";
        let gateway = listening(protocol, &format!("{limits}\n{HELLO}"), &[]);
        let head = encoded(protocol, &variables("GET", "/", "0", &[("HTTP_X_LONG", &long)]), b"");
        let told =
            if protocol == "fastcgi" { "8192 bytes where that is the limit" } else { "limits.header_bytes" };
        refused(&gateway, protocol, &head, told);
        let head = encoded(protocol, &variables("GET", "/", "0", &[("HTTP_X_A", "1"); 5]), b"");
        refused(&gateway, protocol, &head, "limits.header_count");
    }
}

#[test]
fn a_peer_that_is_not_trusted_is_refused() {
    for protocol in PROTOCOLS {
        let gateway = TestGateway::from_yaml(&format!(
            "listen: {{ address: \"127.0.0.1:0\", protocol: {protocol} }}\ntrust: {{ peers: [192.0.2.1] }}\n{HELLO}"
        ));
        let answer = ask(protocol, &gateway.address(), &get(protocol, "/"));
        assert!(answer.as_ref().map_or(true, String::is_empty), "{answer:?}");
        gateway.log().wait_for_texts(&["WARN", "not trusted", protocol]);
    }
}

#[test]
fn a_request_that_http_would_refuse_is_400() {
    for protocol in PROTOCOLS {
        let gateway = listening(protocol, HELLO, &[]);
        for (target, further) in [("/%zz", vec![]), ("/", vec![("HTTP_HOST", "other")])] {
            let request = encoded(protocol, &variables("GET", target, "0", &further), b"");
            let answer = ask(protocol, &gateway.address(), &request).unwrap();
            assert!(answer.contains(" 400 ") || answer.starts_with("Status: 400"), "{protocol} {answer}");
            assert!(!answer.to_lowercase().contains("connection:"), "{answer}");
        }
    }
}

#[test]
fn a_head_that_does_not_come_to_its_end_is_closed() {
    for protocol in PROTOCOLS {
        let gateway = listening(protocol, &format!("limits: {{ header_time: 1s }}\n{HELLO}"), &[]);
        let request = get(protocol, "/");
        for address in &gateway.addresses()[..2] {
            let mut client = Client::connect(address).unwrap();
            client.send(&request[..request.len() / 2]).unwrap();
            assert_eq!(client.rest().unwrap_or_default(), b"");
            gateway.log().wait_for_texts(&["WARN", "`limits: header_time`"]);
        }
    }
}

#[test]
fn a_connection_without_a_request_is_closed_after_a_while() {
    for protocol in PROTOCOLS {
        let gateway = listening(protocol, &format!("limits: {{ keep_alive: 100ms }}\n{HELLO}"), &[]);
        for address in &gateway.addresses()[..2] {
            assert_eq!(Client::connect(address).unwrap().rest().unwrap_or_default(), b"");
        }
        assert_eq!(gateway.log().count("WARN"), 0);
    }
}

/// Tells the body that it was sent.
const ECHO: (&str, &str) = (
    "echo.py",
    "def app(environ, start_response):
    body = environ['wsgi.input'].read()
    start_response('200 OK', [])
    return [b'read ', body]
",
);

#[test]
fn a_body_that_stands_still_is_408() {
    for protocol in PROTOCOLS {
        let yaml = "limits: { body_time: 100ms }\nroutes: [ { wsgi: { app: \"echo:app\" } } ]";
        let gateway = listening(protocol, yaml, &[ECHO]);
        let whole = encoded(protocol, &variables("POST", "/", "100000", &[]), &vec![b'x'; 50_000]);
        // Without the record that ends the body.
        let part = if protocol == "fastcgi" { &whole[..whole.len() - 8] } else { &whole };
        let mut client = gateway.connect();
        client.send(part).unwrap();
        gateway.log().wait_for_texts(&["V-SLOW-REQUEST", "limits.body_time"]);
        let answer = super::speaking::answered(protocol, &mut client).unwrap();
        assert!(answer.contains("408"), "{protocol}: {answer}");
    }
}

#[test]
fn a_front_server_that_leaves_is_told_with_the_request() {
    let app = (
        "hold.py",
        "import threading, pathlib
def app(environ, start_response):
    pathlib.Path(__file__).with_name('begun').touch()
    start_response('200 OK', [])
    while True:
        yield b'x' * 100000
",
    );
    for protocol in PROTOCOLS {
        let gateway = listening(protocol, "routes: [ { wsgi: { app: \"hold:app\" } } ]", &[app]);
        for address in &gateway.addresses()[..2] {
            let told = gateway.log().count("V-CLIENT-GONE");
            let mut client = Client::connect(address).unwrap();
            client.send(get(protocol, "/")).unwrap();
            eventually("the request to arrive", || gateway.path("begun").exists().then_some(()));
            client.exactly(1000).unwrap();
            drop(client);
            eventually("the log to tell", || (gateway.log().count("V-CLIENT-GONE") > told).then_some(()));
        }
    }
}

#[test]
fn a_front_server_that_does_not_read_is_given_up() {
    let large = "x".repeat(32 << 20);
    for protocol in PROTOCOLS {
        let yaml = "limits: { send_time: 100ms }\nroutes: [ { static: { root: www } } ]";
        let gateway = listening(protocol, yaml, &[("www/large", &large)]);
        for (number, address) in gateway.addresses()[..2].iter().enumerate() {
            let mut client = Client::connect(address).unwrap();
            client.send(get(protocol, "/large")).unwrap();
            eventually("the log to tell", || {
                (gateway.log().count("`limits: send_time`") > number).then_some(())
            });
            drop(client);
        }
    }
}

#[test]
fn what_is_under_way_is_answered_when_the_worker_retires() {
    let app = (
        "wait.py",
        "import pathlib, time
def app(environ, start_response):
    here = pathlib.Path(__file__)
    here.with_name('begun').touch()
    while not here.with_name('go').exists():
        time.sleep(0.01)
    start_response('200 OK', [])
    return [b'whole']
",
    );
    for protocol in PROTOCOLS {
        let mut gateway = listening(protocol, "routes: [ { wsgi: { app: \"wait:app\" } } ]", &[app]);
        let mut client = gateway.connect();
        client.send(get(protocol, "/")).unwrap();
        eventually("the request to arrive", || gateway.path("begun").exists().then_some(()));
        let mut idle = gateway.connect();
        gateway.signal("TERM");
        // The worker ends idle connections, so it knows.
        assert_eq!(idle.rest().unwrap_or_default(), b"");
        gateway.write("go", "");
        let answer = super::speaking::answered(protocol, &mut client).unwrap();
        assert!(answer.ends_with("\r\n\r\nwhole"), "{protocol}: {answer}");
        assert!(gateway.wait().success());
    }
}
