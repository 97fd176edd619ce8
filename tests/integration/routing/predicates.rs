//! Every predicate, every form of a value, and what they capture.

use super::asked;
use crate::harness::TestGateway;

/// A route for each predicate; each asks for a path of its own, so that it alone decides.
const PREDICATES: &str = "trust: { peers: 127.0.0.1, headers: [for, proto] }
layers: [ { set_env: { SIDE: \"{HTTP_X_SIDE}\" } } ]
routes:
  - mount: /is
    routes:
      - { path: /host, match: { host: [exact.example, \"*.glob.example\"] }, respond: { text: yes } }
      - { path: \"/path/{*rest}\", match: { path: \"*.php\" }, respond: { text: yes } }
      - { path: /method, match: { method: [PUT, DELETE] }, respond: { text: yes } }
      - { path: /scheme, match: { scheme: https }, respond: { text: yes } }
      - { path: /header, match: { header: { X-Kind: \"~^a+$\", X-No: absent } }, respond: { text: yes } }
      - { path: /query, match: { query: { format: [xml, atom], q: present } }, respond: { text: yes } }
      - { path: /cookie, match: { cookie: { beta: \"1\" } }, respond: { text: yes } }
      - { path: /client, match: { client: [10.0.0.0/8, \"2001:db8::/32\"] }, respond: { text: yes } }
      - { path: /env, match: { env: { SIDE: left, HTTP_X_MORE: present } }, respond: { text: yes } }
      - { path: /not, match: { not: { method: POST, header: { X: present } } }, respond: { text: yes } }
      - { path: /any, match: { any: [ { method: POST }, { header: { X: present } } ] }, respond: { text: yes } }";

#[test]
fn every_predicate_decides() {
    let gateway = TestGateway::from_yaml(PREDICATES);
    for (matches, line, headers) in [
        (true, "GET http://exact.example/is/host", &[][..]),
        (true, "GET http://EXACT.example:8080/is/host", &[]),
        (true, "GET http://a.b.glob.example/is/host", &[]),
        (false, "GET http://glob.example/is/host", &[]),
        (false, "GET http://exact.example.evil/is/host", &[]),
        (true, "GET /is/path/a/b.php?c", &[]),
        (false, "GET /is/path/b.php/a", &[]),
        (true, "PUT /is/method", &[]),
        (false, "GET /is/method", &[]),
        (true, "GET /is/scheme", &["X-Forwarded-Proto: https"]),
        (false, "GET /is/scheme", &[]),
        (true, "GET /is/header", &["X-Kind: aaa"]),
        (false, "GET /is/header", &["X-Kind: aab"]),
        (false, "GET /is/header", &["X-Kind: aaa", "X-No: 1"]),
        (false, "GET /is/header", &[]),
        (true, "GET /is/query?q=&format=atom", &[]),
        (false, "GET /is/query?format=atom", &[]),
        (false, "GET /is/query?q=&format=atom2", &[]),
        (true, "GET /is/cookie", &["Cookie: alpha=2; beta=1"]),
        (false, "GET /is/cookie", &["Cookie: alphabeta=1; beta=11"]),
        (true, "GET /is/client", &["X-Forwarded-For: 10.1.2.3"]),
        (true, "GET /is/client", &["X-Forwarded-For: 2001:db8::7"]),
        (false, "GET /is/client", &["X-Forwarded-For: 11.1.2.3"]),
        (true, "GET /is/env", &["X-Side: left", "X-More: 1"]),
        (false, "GET /is/env", &["X-Side: left"]),
        (true, "GET /is/not", &[]),
        (true, "POST /is/not", &[]),
        (false, "POST /is/not", &["X: 1"]),
        (true, "GET /is/any", &["X: 1"]),
        (true, "POST /is/any", &[]),
        (false, "GET /is/any", &[]),
    ] {
        let answer = asked(&gateway, line, headers);
        let expected = if matches { (200, true) } else { (404, false) };
        assert_eq!((answer.status, answer.text() == "yes"), expected, "{line} {headers:?}");
    }
}

#[test]
fn captures_become_variables() {
    let gateway = TestGateway::from_yaml(
        "routes:
  - path: /shelf/{shelf}/{*rest}
    match: { host: \"~^(?<shop>[a-z]+)[.]example$\", query: { page: \"~^(?<page>[0-9]+)$\" } }
    layers: [ { response_headers: { set: { X-Got: \"{shelf}|{rest}|{shop}|{page}\" } } } ]
    respond: { text: found }",
    );
    let got = |target: &str| {
        asked(&gateway, &format!("GET {target}"), &[]).header("x-got").unwrap_or("nothing").to_owned()
    };
    assert_eq!(got("http://books.example/shelf/a%20b/c/d?page=7"), "a b|c/d|books|7");
    assert_eq!(got("http://books.example/shelf/a/?page=7"), "a||books|7");
    assert_eq!(got("http://books.example/shelf/a/b?page=x"), "nothing");
}

#[test]
fn what_a_route_captured_that_did_not_match_is_forgotten() {
    let gateway = TestGateway::from_yaml(
        "env: { kind: none }
routes:
  - { path: \"/{kind}\", match: { header: { X: present } }, respond: { text: first } }
  - layers: [ { response_headers: { set: { X-Kind: \"{kind}\" } } } ]
    respond: { text: second }",
    );
    assert_eq!(asked(&gateway, "GET /a", &[]).header("x-kind"), Some("none"));
}
