//! Backends that answer by themselves: `respond` and `redirect`.

use crate::harness::{TestGateway, get};

#[test]
fn respond_answers_with_a_text_or_a_file() {
    let gateway = TestGateway::with_files(
        "routes:
  - { path: /text, respond: { status: 201, text: \"a text\" } }
  - { path: /file, respond: { status: 503, file: down.html } }
  - { path: /none, respond: { status: 204 } }
  - { path: /type, respond: { text: \"{}\", content_type: application/json } }",
        &[("down.html", "<h1>Back soon</h1>")],
    );
    for (path, status, content_type, text) in [
        ("/text", 201, Some("text/plain; charset=utf-8"), "a text"),
        ("/file", 503, Some("text/html; charset=utf-8"), "<h1>Back soon</h1>"),
        ("/none", 204, None, ""),
        ("/type", 200, Some("application/json"), "{}"),
    ] {
        let answer = get(&gateway.address(), path);
        assert_eq!((answer.status, answer.header("content-type")), (status, content_type), "{path}");
        assert_eq!(answer.text(), text);
    }
}

#[test]
fn redirect_leads_on() {
    let gateway = TestGateway::from_yaml(
        "routes:
  - { path: /old, redirect: { to: /new } }
  - { path: \"/moved/{*rest}\", redirect: { to: \"https://{HTTP_HOST}/to/{rest}?{QUERY_STRING}\", status: 308 } }",
    );
    let old = get(&gateway.address(), "/old");
    assert_eq!((old.status, old.header("location")), (302, Some("/new")));
    let moved = get(&gateway.address(), "/moved/a%20b/c?d=e");
    assert_eq!((moved.status, moved.header("location")), (308, Some("https://test/to/a%20b/c?d=e")));
    let evil = get(&gateway.address(), "/moved/%0d%0aX-Evil:%201");
    assert_eq!(evil.header("x-evil"), None);
}
