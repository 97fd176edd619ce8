//! Connections that have nothing to do for a while.

use crate::harness::{Client, TestGateway, anonymous, eventually, request};

const HELLO: &str = "routes: [ { respond: { text: hello } } ]";

/// What the log says of each.
const RESTS: &str = "gives its buffers back";

/// A connection that was used, and rests.
fn resting(gateway: &TestGateway) -> Client {
    let mut client = gateway.connect();
    assert_eq!(client.request("GET", "/", &[], "").unwrap().text(), "hello");
    gateway.log().wait_for_text(RESTS);
    client
}

/// The memory of the gateway's workers, without their code.
fn memory(gateway: &TestGateway) -> usize {
    gateway.workers().into_iter().map(anonymous).sum()
}

#[test]
fn idle_connections_cost_less_than_16_kib_each() {
    const COUNT: usize = 300;
    let gateway = TestGateway::from_yaml(HELLO);
    drop(resting(&gateway));
    let before = memory(&gateway);
    let mut clients: Vec<_> = (0..COUNT).map(|_| gateway.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.request("GET", "/", &[], "").unwrap().text(), "hello");
    }
    eventually("the memory of idle connections to be given back", || {
        (memory(&gateway) < before + COUNT * (16 << 10)).then_some(())
    });
    for client in &mut clients {
        assert_eq!(client.request("GET", "/", &[], "").unwrap().text(), "hello");
    }
}

#[test]
fn a_connection_that_has_rested_goes_on_as_any() {
    let gateway = TestGateway::from_yaml(HELLO);
    let mut client = resting(&gateway);
    client.send([request("GET", "/", &[], ""), request("GET", "/", &[], "")].concat()).unwrap();
    for _ in 0..2 {
        let answer = client.answer().unwrap();
        assert_eq!((answer.text().as_str(), answer.header("connection")), ("hello", None));
    }
    eventually("it to rest again", || (gateway.log().count(RESTS) == 2).then_some(()));
    assert_eq!(client.request("GET", "/", &["Connection: close"], "").unwrap().text(), "hello");
    assert_eq!(client.rest().unwrap(), b"");
}

#[test]
fn a_connection_that_has_never_asked_rests_and_may_begin() {
    let gateway = TestGateway::from_yaml(HELLO);
    let mut client = gateway.connect();
    gateway.log().wait_for_text(RESTS);
    assert_eq!(client.request("GET", "/", &[], "").unwrap().text(), "hello");
}

#[test]
fn what_came_with_the_request_before_is_not_lost() {
    let gateway = TestGateway::from_yaml(HELLO);
    let mut client = gateway.connect();
    let next = request("GET", "/", &[], "");
    client.send(request("GET", "/", &[], "") + &next[..7]).unwrap();
    assert_eq!(client.answer().unwrap().text(), "hello");
    client.send(&next[7..]).unwrap();
    assert_eq!(client.answer().unwrap().text(), "hello");
}

#[test]
fn a_line_end_behind_a_request_begins_no_other() {
    let gateway = TestGateway::from_yaml(HELLO);
    let mut client = gateway.connect();
    client.send(request("POST", "/", &[], "body") + "\r\n").unwrap();
    assert_eq!(client.answer().unwrap().text(), "hello");
    gateway.log().wait_for_text(RESTS);
    assert_eq!(client.request("GET", "/", &[], "").unwrap().text(), "hello");
}

#[test]
fn a_connection_that_rests_is_idle_no_longer_than_any() {
    let gateway = TestGateway::from_yaml(&format!("limits: {{ keep_alive: 3s }}\n{HELLO}"));
    assert_eq!(resting(&gateway).rest().unwrap(), b"");
}

#[test]
fn the_end_of_a_client_that_rests_is_noticed() {
    let gateway = TestGateway::from_yaml(&format!("limits: {{ connections: 1 }}\n{HELLO}"));
    drop(resting(&gateway));
    assert_eq!(gateway.connect().request("GET", "/", &[], "").unwrap().text(), "hello");
}

#[test]
fn a_connection_that_rests_outlives_a_reload_and_is_told_that_its_next_answer_is_the_last() {
    let mut gateway = TestGateway::from_yaml(HELLO);
    let mut client = resting(&gateway);
    gateway.reload(HELLO);
    gateway.wait_ready(2);
    eventually("an answer of the worker that retires", || {
        let answer = client.request("GET", "/", &[], "").unwrap();
        assert_eq!(answer.text(), "hello");
        (answer.header("connection") == Some("close")).then_some(())
    });
    assert_eq!(client.rest().unwrap(), b"");
}

#[test]
fn a_connection_that_rests_does_not_hold_up_the_end() {
    let mut gateway = TestGateway::from_yaml(&format!("drain: 10m\n{HELLO}"));
    let mut client = resting(&gateway);
    gateway.signal("TERM");
    assert_eq!(client.rest().unwrap(), b"");
    assert!(gateway.wait().success());
}
