//! Layers that change what a head says: `set_env`, `request_headers`, `response_headers`, `rewrite`, `cors`.

use crate::harness::{TestGateway, Upstream, get};

/// A gateway with these layers before a server that shows what it was sent.
fn echoing(layers: &str) -> (TestGateway, Upstream) {
    let server = Upstream::echo();
    let yaml =
        format!("layers: [ {layers} ]\nroutes: [ {{ http: {{ servers: \"{}\" }} }} ]", server.address());
    (TestGateway::from_yaml(&yaml), server)
}

#[test]
fn set_env_sets_what_is_asked_for_inside() {
    let gateway = TestGateway::from_yaml(
        "layers: [ { set_env: { SITE: \"{HTTP_HOST}:{REQUEST_METHOD}\" } } ]
routes:
  - layers: [ { response_headers: { set: { X-Site: \"{SITE}\" } } } ]
    match: { env: { SITE: \"test:*\" } }
    respond: { text: hello }",
    );
    assert_eq!(get(&gateway.address(), "/").header("x-site"), Some("test:GET"));
}

#[test]
fn request_headers_change_what_the_upstream_sees() {
    let (gateway, _server) = echoing(
        "request_headers: { remove: [X-Debug], set: { X-Client: \"{REMOTE_ADDR}\" }, add: { Accept: a/b }, default: { X-Given: no } }",
    );
    let sent = ["X-Debug: 1", "X-Client: made up", "Accept: c/d", "X-Given: yes"];
    let head = gateway.connect().request("GET", "/", &sent, "").unwrap().text();
    for line in ["x-client: 127.0.0.1", "accept: c/d", "accept: a/b", "x-given: yes"] {
        assert!(head.lines().any(|told| told == line), "{line}:\n{head}");
    }
    assert!(!head.contains("x-debug") && !head.contains("made up"), "{head}");
}

#[test]
fn response_headers_change_what_the_client_sees() {
    let server = Upstream::once(|peer| {
        peer.head();
        peer.write("HTTP/1.1 200 OK\r\nServer: old\r\nVary: Cookie\r\nCache-Control: private\r\nContent-Length: 0\r\n\r\n");
    });
    let gateway = TestGateway::from_yaml(&format!(
        "layers: [ {{ response_headers: {{ remove: Server, set: {{ X-Path: \"{{PATH_INFO}}\" }}, add: {{ Vary: Accept }}, \
         default: {{ Cache-Control: no-cache }} }} }} ]\nroutes: [ {{ http: {{ servers: \"{}\" }} }} ]",
        server.address()
    ));
    let answer = get(&gateway.address(), "/a%20b");
    assert_eq!(answer.header("server"), None);
    assert_eq!(answer.header("x-path"), Some("/a b"));
    assert_eq!(answer.header("cache-control"), Some("private"));
    let vary: Vec<_> = answer.headers.iter().filter(|(name, _)| name == "vary").collect();
    assert_eq!(vary.len(), 2, "{vary:?}");
}

#[test]
fn a_value_cannot_bring_another_header_along() {
    let (gateway, _server) = echoing("request_headers: { set: { X-Path: \"{PATH_INFO}\" } }");
    let answer = get(&gateway.address(), "/a%0d%0aX-Evil:%201");
    assert!(!answer.text().contains("\r\nX-Evil"), "{}", answer.text());
}

#[test]
fn rewrite_changes_what_is_matched_and_forwarded() {
    let (gateway, _server) = echoing(
        "rewrite: { match: \"^/item/(?<id>[^/]+)$\", to: \"/shop/{id}\", query: \"id={id}&{QUERY_STRING}\" }",
    );
    for (path, forwarded) in [
        ("/item/7?a=b", "/shop/7?id=7&a=b"),
        ("/item/7%26admin=1", "/shop/7&admin=1?id=7%26admin%3D1&"),
        ("/other", "/other"),
    ] {
        let head = get(&gateway.address(), path).text();
        assert!(head.starts_with(&format!("GET {forwarded} HTTP/1.1\r\n")), "{forwarded}:\n{head}");
    }
}

#[test]
fn rewrite_leads_to_another_route() {
    let gateway = TestGateway::from_yaml(
        "layers: [ { rewrite: { match: \"^/old/(?<rest>.*)$\", to: \"/new/{rest}\" } } ]
routes: [ { path: /new/page, respond: { text: the new page } } ]",
    );
    assert_eq!(get(&gateway.address(), "/old/page").text(), "the new page");
}

#[test]
fn cors_answers_a_preflight_and_marks_other_answers() {
    let gateway = TestGateway::from_yaml(
        "layers: [ { cors: { origins: \"https://*.example.com\", methods: PUT, headers: X-A, credentials: true, max_age: 10m } } ]
routes: [ { respond: { text: inside } } ]",
    );
    let mut client = gateway.connect();
    let asked = ["Origin: https://shop.example.com", "Access-Control-Request-Method: PUT"];
    let preflight = client.request("OPTIONS", "/", &asked, "").unwrap();
    assert_eq!((preflight.status, preflight.text().as_str()), (200, ""));
    for (name, value) in [
        ("access-control-allow-origin", "https://shop.example.com"),
        ("access-control-allow-methods", "PUT"),
        ("access-control-allow-headers", "x-a"),
        ("access-control-allow-credentials", "true"),
        ("access-control-max-age", "600"),
    ] {
        assert_eq!(preflight.header(name), Some(value), "{name}");
    }
    for (origin, allowed) in [("https://shop.example.com", true), ("https://shop.example.com.evil", false)] {
        let answer = client.request("GET", "/", &[&format!("Origin: {origin}")], "").unwrap();
        assert_eq!(answer.text(), "inside");
        assert_eq!(answer.header("access-control-allow-origin"), allowed.then_some(origin));
    }
}
