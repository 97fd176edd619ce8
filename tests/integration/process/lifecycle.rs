//! Workers that crash, and the end.

use std::net::TcpStream;

use crate::harness::{Client, TestGateway, eventually, get, kill};

const HELLO: &str = "routes: [ { respond: { text: hello } } ]";

#[test]
fn a_crashed_worker_is_started_again() {
    let gateway = TestGateway::from_yaml(HELLO);
    let [worker] = gateway.workers()[..] else { panic!("one worker, by default") };
    kill("KILL", worker);
    // The socket is the supervisor's: a client waits, and nobody is refused.
    assert_eq!(get(&gateway.address(), "/").text(), "hello");
    gateway.log().wait_for_text("a worker has crashed: signal: 9");
    assert_ne!(gateway.workers(), [worker]);
}

#[test]
fn as_many_workers_serve_as_are_wanted() {
    let gateway = TestGateway::from_yaml(&format!("workers: 3\n{HELLO}"));
    assert_eq!(gateway.workers().len(), 3);
    assert_eq!(get(&gateway.address(), "/").text(), "hello");
}

#[test]
fn workers_leave_when_their_supervisor_is_killed() {
    let mut gateway = TestGateway::from_yaml(HELLO);
    let [worker] = gateway.workers()[..] else { panic!("one worker, by default") };
    gateway.signal("KILL");
    gateway.wait();
    eventually("the worker to leave", || {
        // Without a parent that waits for it, it may stay as a zombie.
        let state = std::fs::read_to_string(format!("/proc/{worker}/stat")).unwrap_or_default();
        (state.is_empty() || state.contains(") Z ")).then_some(())
    });
}

/// More than the buffers of a connection hold: the answer is in flight until the client reads on.
const LARGE: usize = 32 * 1024 * 1024;

/// A gateway, and a client that has read the head of an answer and no more.
fn answer_in_flight(yaml: &str) -> (TestGateway, Client) {
    let yaml = format!("{yaml}\nroutes: [ {{ respond: {{ file: large }} }} ]");
    let gateway = TestGateway::with_files(&yaml, &[("large", &"x".repeat(LARGE))]);
    let mut client = gateway.connect();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    let head = client.until(b"\r\n\r\n").unwrap();
    assert!(head.starts_with(b"HTTP/1.1 200"));
    (gateway, client)
}

#[test]
fn sigterm_lets_an_answer_in_flight_finish() {
    let (mut gateway, mut client) = answer_in_flight("drain: 30s");
    let address = gateway.address();
    gateway.signal("TERM");
    eventually("new clients to be refused", || TcpStream::connect(&address).err());
    assert_eq!(client.rest().unwrap().len(), LARGE);
    assert!(gateway.wait().success());
    assert!(gateway.log().find(|line| line.contains("cut off")).is_none());
}

#[test]
fn an_answer_that_outlasts_drain_is_cut_off() {
    let (mut gateway, mut client) = answer_in_flight("drain: 200ms");
    gateway.signal("TERM");
    gateway.log().wait_for_text("are cut off");
    assert!(gateway.wait().success());
    // The end of the connection may be told as a reset.
    assert!(client.rest().map_or(true, |rest| rest.len() < LARGE));
}

#[test]
fn a_second_signal_ends_at_once() {
    let (mut gateway, mut client) = answer_in_flight("drain: 10m");
    gateway.signal("TERM");
    gateway.log().wait_for_text("stopping");
    gateway.signal("INT");
    assert!(gateway.wait().success());
    gateway.log().wait_for_text("a second signal");
    assert!(client.rest().map_or(true, |rest| rest.len() < LARGE));
}

#[test]
fn a_reload_lets_an_answer_in_flight_finish() {
    let (mut gateway, mut client) = answer_in_flight("drain: 30s");
    gateway.reload("routes: [ { respond: { text: new } } ]");
    gateway.wait_ready(2);
    assert_eq!(get(&gateway.address(), "/").text(), "new");
    assert_eq!(client.exactly(LARGE).unwrap().len(), LARGE);
}

#[test]
fn an_idle_connection_does_not_hold_up_the_end() {
    let mut gateway = TestGateway::from_yaml(HELLO);
    let mut client = gateway.connect();
    assert_eq!(client.request("GET", "/", &[], "").unwrap().text(), "hello");
    gateway.signal("TERM");
    assert_eq!(client.rest().unwrap(), b"");
    assert!(gateway.wait().success());
}

#[test]
fn a_stderr_that_is_closed_kills_nothing() {
    let gateway = TestGateway::from_yaml(HELLO);
    gateway.close_log();
    gateway.signal("HUP");
    let first = gateway.workers();
    eventually("another worker to serve", || {
        (gateway.workers() != first && gateway.workers().len() == 1).then_some(())
    });
    assert_eq!(get(&gateway.address(), "/").text(), "hello");
}
