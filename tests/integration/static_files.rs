//! The `static` backend: files as browsers ask for them, and nothing outside of the root.

use std::fs;
use std::os::unix::fs::symlink;

use crate::harness::{Answer, TestGateway, get, request};

/// A gateway with a root `www`, and a secret beside it.
fn site() -> TestGateway {
    TestGateway::with_files(
        "layers: [ access_log ]
routes: [ { mount: /files, static: { root: www } } ]",
        &[
            ("secret.txt", "secret"),
            ("www/index.html", "<h1>Home</h1>"),
            ("www/letters.txt", "abcdefghijklmnopqrstuvwxyz"),
            ("www/data.json", "{}"),
            ("www/page.css", "body { color: black }"),
            ("www/page.css.gz", "as if compressed"),
            ("www/.hidden", "hidden"),
            ("www/sub/page.xml", "<a/>"),
        ],
    )
}

fn asked(gateway: &TestGateway, path: &str, headers: &[&str]) -> Answer {
    gateway.connect().request("GET", path, headers, "").unwrap()
}

#[test]
fn files_have_their_types_and_lengths() {
    let site = site();
    for (path, content_type) in [
        ("/files/", "text/html; charset=utf-8"),
        ("/files/letters.txt", "text/plain; charset=utf-8"),
        ("/files/data.json", "application/json"),
        ("/files/sub/page.xml", "text/xml"),
    ] {
        let answer = get(&site.address(), path);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(content_type)), "{path}");
        assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()));
    }
    assert_eq!(get(&site.address(), "/files").header("location"), Some("/files/"));
    assert_eq!(get(&site.address(), "/files/sub").header("location"), Some("/files/sub/"));
    assert_eq!(get(&site.address(), "/files/sub/").status, 404);
}

#[test]
fn ranges_are_parts_of_a_file() {
    let site = site();
    for (range, content_range, text) in [
        ("bytes=1-3", "bytes 1-3/26", "bcd"),
        ("bytes=24-", "bytes 24-25/26", "yz"),
        ("bytes=-2", "bytes 24-25/26", "yz"),
        ("bytes=20-1000", "bytes 20-25/26", "uvwxyz"),
    ] {
        let part = asked(&site, "/files/letters.txt", &[&format!("Range: {range}")]);
        assert_eq!((part.status, part.header("content-range")), (206, Some(content_range)));
        assert_eq!(part.text(), text);
    }
    let several = asked(&site, "/files/letters.txt", &["Range: bytes=0-1,24-25"]);
    let kind = several.header("content-type").unwrap();
    assert!(several.status == 206 && kind.starts_with("multipart/byteranges; boundary="), "{several:?}");
    assert!(several.text().contains("\r\n\r\nab\r\n") && several.text().contains("\r\n\r\nyz\r\n"));
    let behind = asked(&site, "/files/letters.txt", &["Range: bytes=26-"]);
    assert_eq!((behind.status, behind.header("content-range")), (416, Some("bytes */26")));
    assert_eq!(asked(&site, "/files/letters.txt", &["Range: nonsense"]).status, 200);
}

#[test]
fn what_a_client_has_already_is_not_sent_again() {
    let site = site();
    let first = asked(&site, "/files/letters.txt", &[]);
    let [tag, date] = ["etag", "last-modified"].map(|name| first.header(name).unwrap().to_owned());
    for (condition, status) in [
        (format!("If-None-Match: {tag}"), 304),
        ("If-None-Match: \"other\"".into(), 200),
        (format!("If-Modified-Since: {date}"), 304),
        ("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT".into(), 200),
        ("If-Match: \"other\"".into(), 412),
        ("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT".into(), 412),
    ] {
        let answer = asked(&site, "/files/letters.txt", &[&condition]);
        assert_eq!(answer.status, status, "{condition}");
        assert!(status == 200 || !answer.text().contains("abc"), "{condition}");
    }
}

#[test]
fn a_compressed_sibling_is_sent_to_those_who_accept_it() {
    let site = site();
    let compressed = asked(&site, "/files/page.css", &["Accept-Encoding: br, gzip"]);
    assert_eq!(compressed.header("content-encoding"), Some("gzip"));
    assert_eq!(compressed.header("content-type"), Some("text/css; charset=utf-8"));
    assert_eq!(compressed.text(), "as if compressed");
    let plain = asked(&site, "/files/page.css", &[]);
    assert_eq!((plain.header("content-encoding"), plain.text().as_str()), (None, "body { color: black }"));
    assert!(plain.header("vary").is_some_and(|vary| vary.eq_ignore_ascii_case("accept-encoding")));
}

#[test]
fn nothing_outside_of_the_root_is_reached() {
    let site = site();
    symlink(site.path("secret.txt"), site.path("www/link.txt")).unwrap();
    symlink(site.folder(), site.path("www/up")).unwrap();
    symlink("letters.txt", site.path("www/inside.txt")).unwrap();
    for path in [
        "/files/../secret.txt",
        "/files/%2e%2e/secret.txt",
        "/files/..%2Fsecret.txt",
        "/files/sub/..%2F..%2F..%2Fsecret.txt",
        "/files/..%5csecret.txt",
        "/files/%252e%252e/secret.txt",
        "/files//../../secret.txt",
        "/files/link.txt",
        "/files/up/secret.txt",
        "/files/.hidden",
        "/files/secret.txt%00.html",
        "/files//etc/passwd",
    ] {
        let answer = get(&site.address(), path);
        assert!(matches!(answer.status, 400 | 403 | 404), "{path}: {}", answer.status);
        assert!(!answer.text().contains("secret") && !answer.text().contains("root:"), "{path}");
    }
    assert_eq!(get(&site.address(), "/files/inside.txt").status, 200);
}

#[test]
fn only_get_and_head_are_understood() {
    let site = site();
    let mut client = site.connect();
    let answer = client.request("DELETE", "/files/letters.txt", &[], "").unwrap();
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")));
    assert!(fs::exists(site.path("www/letters.txt")).unwrap());
    client.send(request("HEAD", "/files/letters.txt", &[], "")).unwrap();
    assert_eq!(client.head().unwrap().header("content-length"), Some("26"));
    assert_eq!(client.request("GET", "/files/data.json", &[], "").unwrap().text(), "{}");
}

#[test]
fn a_large_file_arrives_whole() {
    let site = site();
    let large: Vec<u8> = (0..20_000_000u32).map(|number| (number / 7).to_le_bytes()[0]).collect();
    fs::write(site.path("www/large.bin"), &large).unwrap();
    let answer = get(&site.address(), "/files/large.bin");
    assert!(answer.body == large, "{} bytes", answer.body.len());
    site.log().wait_for_texts(&["\"bytes\":20000000", "\"outcome\":\"complete\""]);
}
