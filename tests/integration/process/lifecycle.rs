//! Workers that crash, and the end.

use std::net::TcpStream;

use crate::harness::{Client, TestGateway, eventually, eventually_ended, eventually_says, get, kill};

const HELLO: &str = "routes: [ { respond: { text: hello } } ]";

#[test]
fn a_crashed_worker_is_started_again() {
    let gateway = TestGateway::from_yaml(HELLO);
    let [worker] = gateway.workers()[..] else { panic!("one worker, by default") };
    kill("KILL", worker);
    gateway.log().wait_for_text("a worker has crashed: signal: 9");
    // The socket is the supervisor's: a client waits, and nobody is refused.
    assert_eq!(get(&gateway.address(), "/").text(), "hello");
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
    leaves_with_its_supervisor(TestGateway::from_yaml(HELLO));
}

#[test]
fn a_worker_whose_import_never_ends_leaves_when_its_supervisor_is_killed() {
    let app = "import pathlib, threading
pathlib.Path(__file__).with_name('importing').touch()
threading.Event().wait()
";
    let yaml = "routes: [ { wsgi: { app: \"endless:app\" } } ]";
    let gateway = TestGateway::start(tempfile::tempdir().unwrap(), yaml, &[("endless.py", app)]);
    eventually("the import to begin", || gateway.path("importing").exists().then_some(()));
    leaves_with_its_supervisor(gateway);
}

fn leaves_with_its_supervisor(mut gateway: TestGateway) {
    let [worker] = gateway.workers()[..] else { panic!("one worker, by default") };
    gateway.signal("KILL");
    gateway.wait();
    eventually_ended(worker);
}

/// More than the buffers of a connection hold: the answer is in flight until the client reads on.
pub(super) const LARGE: usize = 32 * 1024 * 1024;

/// A client that has read the head of an answer, and no more; with that head.
pub(super) fn answer_in_flight(gateway: &TestGateway) -> (Client, String) {
    let mut client = gateway.connect();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    let head = client.until(b"\r\n\r\n").unwrap();
    assert!(head.starts_with(b"HTTP/1.1 200"));
    (client, String::from_utf8(head).unwrap())
}

fn large(yaml: &str) -> (TestGateway, Client) {
    let yaml = format!("{yaml}\nroutes: [ {{ respond: {{ file: large }} }} ]");
    let gateway = TestGateway::with_files(&yaml, &[("large", &"x".repeat(LARGE))]);
    let (client, _) = answer_in_flight(&gateway);
    (gateway, client)
}

#[test]
fn sigterm_lets_an_answer_in_flight_finish() {
    let (mut gateway, mut client) = large("drain: 30s");
    let address = gateway.address();
    gateway.signal("TERM");
    eventually("new clients to be refused", || TcpStream::connect(&address).err());
    assert_eq!(client.rest().unwrap().len(), LARGE);
    assert!(gateway.wait().success());
    assert!(gateway.log().find(|line| line.contains("cut off")).is_none());
}

#[test]
fn an_answer_that_outlasts_drain_is_cut_off() {
    let (mut gateway, mut client) = large("drain: 200ms");
    gateway.signal("TERM");
    gateway.log().wait_for_text("are cut off");
    assert!(gateway.wait().success());
    // The end of the connection may be told as a reset.
    assert!(client.rest().map_or(true, |rest| rest.len() < LARGE));
}

#[test]
fn a_second_signal_ends_at_once() {
    let (mut gateway, mut client) = large("drain: 10m");
    gateway.signal("TERM");
    gateway.log().wait_for_text("stopping");
    gateway.signal("INT");
    assert!(gateway.wait().success());
    gateway.log().wait_for_text("a second signal");
    assert!(client.rest().map_or(true, |rest| rest.len() < LARGE));
}

#[test]
fn a_reload_lets_an_answer_in_flight_finish() {
    let (mut gateway, mut client) = large("drain: 30s");
    gateway.reload("routes: [ { respond: { text: new } } ]");
    gateway.wait_ready(2);
    eventually_says(&gateway.address(), "new");
    assert_eq!(client.exactly(LARGE).unwrap().len(), LARGE);
}

#[test]
fn over_the_limit_of_connections_clients_wait() {
    let gateway = TestGateway::from_yaml(&format!("limits: {{ connections: 1 }}\n{HELLO}"));
    let mut first = gateway.connect();
    assert_eq!(first.request("GET", "/", &[], "").unwrap().text(), "hello");
    let mut second = gateway.connect();
    second.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    gateway.log().wait_for_text("`limits: connections` is reached");
    assert_eq!(first.request("GET", "/", &[], "").unwrap().text(), "hello");
    drop(first);
    assert_eq!(second.answer().unwrap().text(), "hello");
}

#[test]
fn an_application_ends_as_python_programs_do() {
    let app = "import atexit, pathlib
atexit.register(lambda: pathlib.Path(__file__).with_name('ended').write_text('well'))
def app(environ, start_response):
    start_response('200 OK', [])
    return [b'python']
";
    let yaml = "routes: [ { wsgi: { app: \"ending:app\", path: . } } ]";
    let mut gateway = TestGateway::with_files(yaml, &[("ending.py", app)]);
    assert_eq!(get(&gateway.address(), "/").text(), "python");
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    assert_eq!(std::fs::read_to_string(gateway.path("ended")).unwrap(), "well");
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
    let first = gateway.workers();
    gateway.signal("HUP");
    eventually("another worker to serve", || {
        (gateway.workers() != first && gateway.workers().len() == 1).then_some(())
    });
    assert_eq!(get(&gateway.address(), "/").text(), "hello");
}
