//! `access_log` and `request_id`.

use std::sync::mpsc::channel;

use crate::harness::{DEADLINE, TestGateway, Upstream, request};

#[test]
fn the_access_log_waits_for_the_last_byte() {
    let (go_on, wait) = channel::<()>();
    let server = Upstream::once(move |peer| {
        peer.head();
        peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
        let _ = wait.recv_timeout(DEADLINE);
        peer.write("3\r\ntwo\r\n0\r\n\r\n");
    });
    let gateway = TestGateway::from_yaml(&format!(
        "layers: [ access_log ]\nroutes: [ {{ http: {{ servers: \"{}\" }} }} ]",
        server.address()
    ));
    let mut client = gateway.connect();
    client
        .send(request("GET", "/a%20b?c=d", &["User-Agent: test/1 \"quoted\"", "Cookie: secret"], ""))
        .unwrap();
    client.head().unwrap();
    assert_eq!(client.chunk().unwrap(), b"one");
    assert_eq!(gateway.log().find(|line| line.contains("duration_ms")), None);
    go_on.send(()).unwrap();
    assert_eq!([client.chunk().unwrap(), client.chunk().unwrap()], [&b"two"[..], b""]);
    let line = gateway.log().wait_for_text("duration_ms");
    for field in [
        r#""method":"GET""#,
        r#""path":"/a%20b""#,
        r#""query":"c=d""#,
        r#""status":200"#,
        r#""bytes":6"#,
        r#""outcome":"complete""#,
        r#""client":"127.0.0.1""#,
        r#""host":"test""#,
        r#""user_agent":"test/1 \"quoted\"""#,
    ] {
        assert!(line.contains(field), "{field}:\n{line}");
    }
    assert!(!line.contains("secret"), "{line}");
}

#[test]
fn one_number_is_in_the_log_in_the_answer_and_at_the_upstream() {
    let server = Upstream::echo();
    let gateway = TestGateway::from_yaml(&format!(
        "layers: [ access_log, request_id ]\nroutes: [ {{ http: {{ servers: \"{}\" }} }} ]",
        server.address()
    ));
    let mut client = gateway.connect();
    let numbers = [(); 2].map(|()| {
        let answer = client.request("GET", "/", &["X-Request-Id: mine"], "").unwrap();
        let number = answer.header("x-request-id").expect("the answer has a number").to_owned();
        let head = answer.text();
        assert!(
            head.contains(&format!("\r\nx-request-id: {number}\r\n")) && !head.contains("mine"),
            "{head}"
        );
        gateway.log().wait_for_texts(&["duration_ms", &format!("\"request_id\":\"{number}\"")]);
        number
    });
    assert_ne!(numbers[0], numbers[1]);
}

#[test]
fn a_number_that_comes_from_a_trusted_front_server_is_kept() {
    let gateway = TestGateway::from_yaml(
        "layers: [ request_id: { header: X-Trace, trust: true } ]\nroutes: [ { respond: { text: hello } } ]",
    );
    let mut client = gateway.connect();
    let mut number = |header: &str| {
        let answer = client.request("GET", "/", &[header], "").unwrap();
        answer.header("x-trace").expect("the answer has a number").to_owned()
    };
    assert_eq!(number("X-Trace: mine-1"), "mine-1");
    assert_ne!(number("X-Trace: not a number"), "not a number");
}

#[test]
fn the_log_outside_of_the_routes_knows_their_mounts() {
    let gateway = TestGateway::from_yaml(
        "layers: [ access_log ]
routes:
  - mount: /shop
    routes: [ { mount: /cart, respond: { text: a cart } }, { respond: { text: a shop } } ]
  - respond: { text: a house }",
    );
    let mut client = gateway.connect();
    for (path, script_name) in [("/shop/cart/7", "/shop/cart"), ("/shop/", "/shop"), ("/", "")] {
        client.request("GET", path, &[], "").unwrap();
        gateway.log().wait_for_texts(&[
            &format!("\"path\":\"{path}\""),
            &format!("\"script_name\":\"{script_name}\""),
        ]);
    }
}
