//! `wsgiref.validate` around an application: it raises where the server breaks PEP 3333.

use super::{only, start};

#[test]
fn the_validator_finds_nothing() {
    let gateway = start(&only("validated:application"));
    let mut client = gateway.connect();
    let answer = |client: &mut crate::harness::Client, method: &str, path: &str, body: &str| {
        let answer = client.request(method, path, &["Content-Type: text/plain"], body).unwrap();
        (answer.status, answer.text())
    };
    assert_eq!(answer(&mut client, "GET", "/", ""), (200, "GET ".into()));
    assert_eq!(answer(&mut client, "GET", "/?a=b", ""), (200, "GET ".into()));
    assert_eq!(answer(&mut client, "POST", "/", "letter"), (200, "POST letter".into()));
    let large = "x".repeat(300_000);
    assert_eq!(answer(&mut client, "PUT", "/", &large), (200, format!("PUT {large}")));
    assert_eq!(answer(&mut client, "GET", "/stream", ""), (200, "0 1 2 3 4 ".into()));
    assert_eq!(answer(&mut client, "GET", "/write", ""), (200, "written and given".into()));
    assert_eq!(answer(&mut client, "DELETE", "/empty", ""), (204, String::new()));
    for path in ["/", "/stream", "/write"] {
        client.send(format!("HEAD {path} HTTP/1.1\r\nHost: test\r\n\r\n")).unwrap();
        assert_eq!(client.head().unwrap().status, 200, "HEAD {path}");
    }
    // The connection has stayed in step, so HEAD had no body; and nobody has complained.
    assert_eq!(answer(&mut client, "GET", "/", "").0, 200);
    for complaint in ["AssertionError", "Traceback", "Warning", "without being closed"] {
        assert_eq!(gateway.log().count(complaint), 0, "{complaint}:\n{}", gateway.log());
    }
}

#[test]
fn the_validator_would_complain() {
    let gateway = start(&only("validated:application"));
    let answer = gateway.connect().request("GET", "/wrong", &[], "").unwrap();
    assert_eq!(answer.status, 500);
    gateway.log().wait_for_text("AssertionError");
}
