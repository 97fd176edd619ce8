//! A gateway that has nothing to do.

use crate::harness::{Code, TestGateway, eventually, get};

const HELLO: &str = "routes: [ { respond: { text: hello } } ]";

fn gives_back(gateway: &TestGateway) {
    let all = [vec![gateway.supervisor()], gateway.workers()].concat();
    eventually("all processes to give their code back", || {
        all.iter().all(|pid| Code::of_program(*pid).is_given_back()).then_some(())
    });
}

/// Asks until the worker has more of its code: it may become idle again before anyone has looked.
fn asks(gateway: &TestGateway) {
    let in_memory = || Code::of_program(gateway.workers()[0]).in_memory;
    let before = in_memory();
    eventually("a worker with its code", || {
        assert_eq!(get(&gateway.address(), "/").text(), "hello");
        (in_memory() > before / 2 * 3).then_some(())
    });
}

#[test]
fn it_gives_its_code_back_when_it_has_started_and_each_time_when_it_has_served() {
    let gateway = TestGateway::from_yaml(HELLO);
    gives_back(&gateway);
    for _ in 0..2 {
        asks(&gateway);
        gives_back(&gateway);
    }
}

#[test]
fn it_gives_its_code_back_after_reloads_that_succeed_or_fail() {
    let mut gateway = TestGateway::from_yaml(&format!("drain: 1s\n{HELLO}"));
    gives_back(&gateway);
    gateway.reload("routes: [ { respnd: {} } ]");
    gateway.log().wait_for_text("the reload has failed");
    gives_back(&gateway);
    gateway.reload(HELLO);
    gateway.wait_ready(2);
    eventually("the old worker to leave", || (gateway.workers().len() == 1).then_some(()));
    gives_back(&gateway);
    assert_eq!(get(&gateway.address(), "/").text(), "hello");
}

#[test]
fn a_connection_that_rests_keeps_no_code() {
    let gateway = TestGateway::from_yaml(HELLO);
    let mut client = gateway.connect();
    assert_eq!(client.request("GET", "/", &[], "").unwrap().text(), "hello");
    gateway.log().wait_for_text("gives its buffers back");
    gives_back(&gateway);
    assert_eq!(client.request("GET", "/", &[], "").unwrap().text(), "hello");
}
