//! What becomes of a path on its way: decoded once, and never a way around.

use crate::harness::{Client, TestGateway, Upstream, get, request};

/// A mount that shows PATH_INFO.
const SHOWN: &str = "routes:
  - mount: /m
    layers: [ { response_headers: { set: { X-Path: \"{PATH_INFO}\", X-Uri: \"{REQUEST_URI}\" } } } ]
    respond: { text: found }";

#[test]
fn a_path_is_decoded_once_and_dot_segments_are_resolved() {
    let gateway = TestGateway::from_yaml(SHOWN);
    for (path, shown) in [
        ("/m/a%20b", "/a b"),
        ("/m/a%2520b", "/a%20b"),
        ("/m/a%2Fb", "/a%2Fb"),
        ("/m/a/../b", "/b"),
        ("/m/a/%2e%2E/b", "/b"),
        ("/m/./a/%2e", "/a/"),
        ("/x/../m/a", "/a"),
        ("/../../m/a", "/a"),
        ("/m//a//", "//a//"),
        ("/m/a;b=c/d.", "/a;b=c/d."),
        ("/%6d/a", "/a"),
    ] {
        let answer = get(&gateway.address(), path);
        assert_eq!((answer.header("x-path"), answer.header("x-uri")), (Some(shown), Some(path)), "{path}");
    }
    assert_eq!(get(&gateway.address(), "/m/../x").status, 404);
}

#[test]
fn bytes_that_are_no_text_arrive() {
    let gateway = TestGateway::from_yaml(SHOWN);
    let mut client = Client::connect(&gateway.address()).unwrap();
    client.send(request("GET", "/m/caf%E9%FF", &[], "")).unwrap();
    let head = client.until(b"\r\n\r\n").unwrap();
    let shown = b"x-path: /caf\xe9\xff\r\n";
    assert!(head.windows(shown.len()).any(|window| window == shown), "{}", head.escape_ascii());
}

#[test]
fn a_slash_in_disguise_separates_nothing() {
    let yaml = "routes: [ { path: \"/a/{name}\", respond: { text: one segment } } ]";
    let gateway = TestGateway::from_yaml(yaml);
    assert_eq!(get(&gateway.address(), "/a/b%2Fc").text(), "one segment");
    assert_eq!(get(&gateway.address(), "/a/b/c").status, 404);
    assert_eq!(get(&gateway.address(), "/a/..%2Fc").status, 400);
}

#[test]
fn what_is_forwarded_is_what_was_matched() {
    let upstream = Upstream::echo();
    let yaml = format!("routes: [ {{ mount: /m, http: {{ servers: \"{}\" }} }} ]", upstream.address());
    let gateway = TestGateway::from_yaml(&yaml);
    for (path, forwarded) in [
        ("/m", "/"),
        ("/m/a%2Fb%20c?q=%2F", "/a%2Fb%20c?q=%2F"),
        ("/m/a/%2e%2e/b", "/b"),
        ("/m/caf%E9%FF", "/caf%E9%FF"),
        ("/x/..//m/a", "/a"),
        ("/m//a", "//a"),
        ("/m/../n", "no route"),
    ] {
        let answer = get(&gateway.address(), path);
        if answer.status == 200 {
            assert!(answer.text().starts_with(&format!("GET {forwarded} HTTP/1.1\r\n")), "{}", answer.text());
        } else {
            assert_eq!((answer.status, forwarded), (404, "no route"), "{path}");
        }
    }
}
