//! The cores of a worker: connections are spread over them, and nothing that blocks holds one up.

use std::num::NonZero;

use crate::harness::{Client, TestGateway, Upstream, eventually, get, request};

/// How many cores one worker serves.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// Upstream connections are kept for each core. Two clients whose requests follow each other share one, if they are served
/// by the same core.
#[test]
fn connections_are_spread_over_the_cores() {
    let upstream = Upstream::echo();
    let gateway =
        TestGateway::from_yaml(&format!("routes: [ {{ http: {{ servers: \"{}\" }} }} ]", upstream.address()));
    let mut clients: Vec<Client> = (0..cores()).map(|_| gateway.connect()).collect();
    for _ in 0..3 {
        for client in &mut clients {
            assert_eq!(client.request("GET", "/", &[], "").unwrap().status, 200);
        }
    }
    assert_eq!(upstream.connections(), cores());
}

/// More clients than there are cores, each on a connection of its own.
fn many(gateway: &TestGateway, path: &str) -> Vec<Client> {
    let ask = |_| {
        let mut client = gateway.connect();
        client.send(request("GET", path, &[], "")).unwrap();
        client
    };
    (0..2 * cores()).map(ask).collect()
}

fn every_core_answers(gateway: &TestGateway) {
    for mut client in many(gateway, "/") {
        assert_eq!(client.answer().unwrap().text(), "hello");
    }
}

#[test]
fn an_application_that_blocks_holds_up_no_core() {
    let app = "import threading
def app(environ, start_response):
    print('blocks', file=environ['wsgi.errors'])
    threading.Event().wait()
";
    let yaml = format!(
        "drain: 500ms\nroutes:\n  - {{ path: /blocked, wsgi: {{ app: \"blocking:app\", threads: {} }} }}\n  - respond: {{ text: hello }}",
        2 * cores()
    );
    let gateway = TestGateway::with_files(&yaml, &[("blocking.py", app)]);
    let blocked = many(&gateway, "/blocked");
    eventually("all requests to block", || {
        (gateway.log().count("\"blocks\"") == blocked.len()).then_some(())
    });
    every_core_answers(&gateway);
}

#[test]
fn an_upstream_that_blocks_holds_up_no_core() {
    let upstream = Upstream::always(|peer| {
        peer.head();
        peer.is_closed();
    });
    let yaml = format!(
        "drain: 500ms\nroutes:\n  - {{ path: /blocked, http: {{ servers: \"{}\" }} }}\n  - respond: {{ text: hello }}",
        upstream.address()
    );
    let gateway = TestGateway::from_yaml(&yaml);
    let blocked = many(&gateway, "/blocked");
    eventually("all requests to block", || (upstream.heads().len() == blocked.len()).then_some(()));
    every_core_answers(&gateway);
}

/// Each connection is a file, and a process may have so many.
#[test]
fn without_file_descriptors_clients_wait_and_are_served_later() {
    const FILES: usize = 100;
    let gateway =
        TestGateway::with_at_most_files("drain: 500ms\nroutes: [ { respond: { text: hello } } ]", FILES);
    // The others are in the system's queue: they are connected, and not accepted.
    let mut clients: Vec<Client> = (0..FILES).map(|_| gateway.connect()).collect();
    gateway.log().wait_for_texts(&["ERROR", "failed to accept a connection, trying on", "os error 24"]);
    // Those that were accepted are served on.
    for _ in 0..10 {
        assert_eq!(clients[0].request("GET", "/", &[], "").unwrap().text(), "hello");
    }
    let mut waiting = clients.pop().expect("there are some");
    waiting.send(request("GET", "/", &[], "")).unwrap();
    assert_eq!(gateway.log().count("failed to accept"), 1, "it is told once");
    drop(clients);
    assert_eq!(waiting.answer().unwrap().text(), "hello");
    assert_eq!(get(&gateway.address(), "/").text(), "hello");
}
