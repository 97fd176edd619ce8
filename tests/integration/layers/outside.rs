//! Outer layers see every answer, also those to failures.

use crate::harness::{Refusing, TestGateway, get};

#[test]
fn outer_layers_see_the_answers_to_failures() {
    let refusing = Refusing::new();
    let gateway = TestGateway::from_yaml(&format!(
        "layers:
  - access_log
  - request_id
  - response_headers: {{ set: {{ X-Frame-Options: DENY }} }}
  - cors: {{ origins: \"https://a.example\" }}
routes:
  - {{ path: /upstream, http: {{ servers: \"{}\" }} }}
  - {{ path: /large, layers: [ {{ body_limit: {{ max: 1 }} }} ], respond: {{ text: x }} }}
  - {{ path: /closed, layers: [ {{ allow: {{ from: 192.0.2.1 }} }} ], respond: {{ text: x }} }}",
        refusing.address()
    ));
    for (method, path, status, code) in [
        ("GET", "/nowhere", 404, "V-NO-ROUTE"),
        ("GET", "/upstream", 502, "V-UPSTREAM"),
        ("POST", "/large", 413, "V-TOO-LARGE"),
        ("GET", "/closed", 403, "V-FORBIDDEN"),
    ] {
        let body = if method == "POST" { "more" } else { "" };
        let answer = gateway.connect().request(method, path, &["Origin: https://a.example"], body).unwrap();
        assert_eq!((answer.status, answer.text().contains(code)), (status, true), "{path}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://a.example"), "{path}");
        let number = answer.header("x-request-id").expect("the answer has a number");
        assert!(answer.text().contains(number), "{}", answer.text());
        let (path, status) = (format!("\"path\":\"{path}\""), format!("\"status\":{status}"));
        gateway.log().wait_for_texts(&["duration_ms", &path, &status, number]);
        gateway.log().wait_for_texts(&[code, number]);
    }
}

#[test]
fn named_stacks_stand_where_they_are_used_and_the_first_layer_is_the_outermost() {
    let gateway = TestGateway::from_yaml(
        "stacks:
  inner: [ { set_env: { TRACE: \"{TRACE} second\" } }, { set_env: { TRACE: \"{TRACE} third\" } } ]
layers: [ { set_env: { TRACE: first } } ]
routes:
  - mount: /a
    layers: [ { use: inner } ]
    routes:
      - layers: [ { response_headers: { set: { X-Trace: \"{TRACE}\" } } } ]
        respond: { text: a }
  - layers: [ { response_headers: { set: { X-Trace: \"{TRACE}\" } } } ]
    respond: { text: b }",
    );
    assert_eq!(get(&gateway.address(), "/a").header("x-trace"), Some("first second third"));
    assert_eq!(get(&gateway.address(), "/b").header("x-trace"), Some("first"));
}
