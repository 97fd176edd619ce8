//! Outer layers see every answer, also those to failures.

use crate::harness::{Refusing, TestGateway};

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
