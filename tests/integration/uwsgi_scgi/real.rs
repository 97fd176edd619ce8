//! uWSGI, as Debian has it.

use super::{PROTOCOLS, before};
use crate::harness::{Answer, Client, TestGateway, Uwsgi, UwsgiListens, eventually, get, request};

fn each_protocol(test: impl Fn(&TestGateway)) {
    for protocol in PROTOCOLS {
        let uwsgi = Uwsgi::start(protocol, UwsgiListens::Unix);
        test(&before(protocol, uwsgi.address(), ""));
    }
}

/// Sends a body in chunks.
fn post_chunks(client: &mut Client, path: &str, body: &str) -> Answer {
    let mut chunked = request("POST", path, &["Transfer-Encoding: chunked"], "");
    for piece in body.as_bytes().chunks(50_000) {
        let size = format!("{:x}\r\n", piece.len());
        chunked.extend([size.as_str(), &String::from_utf8_lossy(piece), "\r\n"]);
    }
    client.send(chunked + "0\r\n\r\n").unwrap();
    client.answer().unwrap()
}

#[test]
fn an_application_sees_the_request_as_others_do() {
    for protocol in PROTOCOLS {
        for listens in [UwsgiListens::Unix, UwsgiListens::Tcp] {
            let uwsgi = Uwsgi::start(protocol, listens);
            let gateway = TestGateway::from_yaml(&format!(
                "routes: [ {{ mount: /site, {protocol}: {{ address: \"{}\" }} }} ]",
                uwsgi.address()
            ));
            let headers = ["X-Odd: 1", "Cookie: a=1", "Cookie: b=2", "Proxy: evil"];
            let text = gateway.connect().request("GET", "/site/a%20b?c=%20d", &headers, "").unwrap().text();
            for (name, value) in [
                ("REQUEST_METHOD", "GET"),
                ("SCRIPT_NAME", "/site"),
                ("PATH_INFO", "/a b"),
                ("QUERY_STRING", "c=%20d"),
                ("REQUEST_URI", "/site/a%20b?c=%20d"),
                ("GATEWAY_INTERFACE", "CGI/1.1"),
                ("SERVER_PROTOCOL", "HTTP/1.1"),
                ("REMOTE_ADDR", "127.0.0.1"),
                ("HTTP_HOST", "test"),
                ("HTTP_X_ODD", "1"),
                ("HTTP_COOKIE", "a=1; b=2"),
            ] {
                let line = format!("\"{name}\": \"{value}\"");
                let is_there = text.lines().any(|known| known.trim_end_matches(',') == line);
                assert!(is_there, "{protocol} {listens:?} {line}: {text}");
            }
            assert!(!text.contains("evil"), "{text}");
        }
    }
}

#[test]
fn statuses_and_headers_that_repeat_come_through() {
    each_protocol(|gateway| {
        for method in ["GET", "HEAD", "POST"] {
            let mut client = gateway.connect();
            client.send(request(method, "/teapot", &[], "")).unwrap();
            let answer = client.head().unwrap();
            let cookies: Vec<_> = answer.headers.iter().filter(|(name, _)| name == "set-cookie").collect();
            assert_eq!((answer.status, cookies.len()), (418, 2), "{answer:?}");
        }
    });
}

#[test]
fn bodies_arrive_whole_with_a_length_or_in_chunks() {
    each_protocol(|gateway| {
        let mut client = gateway.connect();
        for size in [0, 1, 20_000, 70_000, 3_000_000] {
            let body = "0123456789".repeat(size / 10) + &"x".repeat(size % 10);
            let sized = client.request("POST", "/hash", &[], &body).unwrap().text();
            let chunked = post_chunks(&mut client, "/hash", &body).text();
            let hash = sha256(&body);
            for told in [sized, chunked] {
                let (length, read) = told.split_once(' ').unwrap();
                assert_eq!(read, format!("{size} {hash}"));
                assert!(length == size.to_string() || size == 0, "{told}");
            }
        }
    });
}

/// By a program that is not ours.
fn sha256(text: &str) -> String {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let mut child =
        Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("coreutils");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let told = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    told.split(' ').next().unwrap().to_owned()
}

#[test]
fn large_answers_come_through_with_a_length_and_without() {
    each_protocol(|gateway| {
        let expected: String = (0..1000).map(|number| format!("{number:09}\n").repeat(1000)).collect();
        for path in ["/large", "/large/told"] {
            let body = gateway.connect().request("GET", path, &[], "").unwrap().body;
            assert!(body == expected.as_bytes(), "{path}: {} bytes", body.len());
        }
        let mut client = gateway.connect();
        client.send(request("HEAD", "/large/told", &[], "")).unwrap();
        assert_eq!(client.head().unwrap().header("content-length"), Some("10000000"));
        assert_eq!(client.request("GET", "/teapot", &[], "").unwrap().status, 418, "no body came between");
    });
}

#[test]
fn a_process_that_is_killed_is_502_and_the_next_one_answers() {
    each_protocol(|gateway| {
        let answer = get(&gateway.address(), "/dies");
        assert!(answer.status == 502 && answer.text().contains("V-UPSTREAM"), "{answer:?}");
        eventually("another process to answer", || {
            (get(&gateway.address(), "/teapot").status == 418).then_some(())
        });
    });
}

#[test]
fn a_process_that_is_killed_within_its_content_length_aborts_the_answer() {
    each_protocol(|gateway| {
        let answer = gateway.connect().request("GET", "/dies/within", &[], "");
        assert!(answer.is_err(), "{answer:?}");
        gateway.log().wait_for_text("87 bytes before its Content-Length");
    });
}
