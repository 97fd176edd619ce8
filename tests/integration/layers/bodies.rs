//! Layers that change bodies: `compress` and `decompress`.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::curl;
use crate::harness::{TestGateway, Upstream, with_length};

/// What shrinks.
fn long_text() -> String {
    "a line like all others\n".repeat(2500)
}

/// What gzip makes of bytes.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut child =
        Command::new("gzip").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("gzip is there");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    let bytes = bytes.to_owned();
    let writing = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = child.wait_with_output().expect("gzip ends");
    writing.join().expect("no panic").expect("gzip reads");
    output.stdout
}

#[test]
fn curl_gets_what_was_compressed() {
    let text = long_text();
    let yaml = "layers: [ access_log, compress ]\nroutes: [ { respond: { file: long.txt } } ]";
    let gateway = TestGateway::with_files(yaml, &[("long.txt", &text)]);
    assert!(curl(&gateway, &["--compressed"], "/") == text.as_bytes());
    let head = gateway.path("head");
    let head = head.to_str().expect("the path is text");
    let bytes = curl(&gateway, &["--header", "Accept-Encoding: gzip", "--dump-header", head], "/");
    assert!(bytes.len() < text.len() / 2 && bytes.starts_with(b"\x1f\x8b"), "{} bytes", bytes.len());
    let head = fs::read_to_string(head).unwrap().to_lowercase();
    assert!(head.contains("content-encoding: gzip") && head.contains("vary: accept-encoding"), "{head}");
    assert!(!head.contains("content-length"), "{head}");
    gateway.log().wait_for_text(&format!("\"bytes\":{}", bytes.len()));
    assert!(curl(&gateway, &[], "/") == text.as_bytes());
}

#[test]
fn decompress_hands_the_upstream_what_was_meant() {
    let server = Upstream::always(|peer| {
        let head = peer.head().unwrap_or_default();
        let mut body = Vec::new();
        // Chunks, as the length is not known before.
        while !body.ends_with(b"\r\n0\r\n\r\n") {
            let byte = peer.exactly(1);
            if byte.is_empty() {
                // A body that is too large, or no gzip, breaks off.
                return;
            }
            body.extend(byte);
        }
        peer.write(with_length(&format!("{head}{}", String::from_utf8_lossy(&body))));
    });
    let gateway = TestGateway::from_yaml(&format!(
        "layers: [ {{ decompress: {{ on: request, max: 1KiB }} }} ]\nroutes: [ {{ http: {{ servers: \"{}\" }} }} ]",
        server.address()
    ));
    let file = gateway.path("body");
    let sent = format!("@{}", file.display());
    let post = ["--header", "Content-Encoding: gzip", "--data-binary", &sent, "--write-out", "%{http_code}"];
    fs::write(&file, gzip(b"what was meant")).unwrap();
    let answer = String::from_utf8(curl(&gateway, &post, "/")).unwrap();
    assert!(answer.contains("what was meant") && !answer.contains("content-encoding"), "{answer}");
    for (body, status) in [(gzip(long_text().as_bytes()), "413"), (b"no gzip".to_vec(), "400")] {
        fs::write(&file, body).unwrap();
        let answer = String::from_utf8(curl(&gateway, &post, "/")).unwrap();
        assert!(answer.ends_with(status), "{status}: {answer}");
    }
}

#[test]
fn decompress_hands_the_client_what_the_upstream_meant() {
    let body = gzip(long_text().as_bytes());
    let server = Upstream::once(move |peer| {
        peer.head();
        let length = body.len();
        peer.write(format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {length}\r\n\r\n"));
        peer.write(&body);
    });
    let gateway = TestGateway::from_yaml(&format!(
        "layers: [ {{ decompress: {{ on: response }} }} ]\nroutes: [ {{ http: {{ servers: \"{}\" }} }} ]",
        server.address()
    ));
    assert!(curl(&gateway, &[], "/") == long_text().as_bytes());
}
