//! Requests that hold their threads, and what becomes of them, of the others, and of the worker.

use super::{start, told};
use crate::harness::{Answer, Client, TestGateway, eventually, get, request};

/// An application that holds its threads for ever, beside one that does not.
fn beside_who(settings: &str) -> TestGateway {
    // Nothing waits for those threads when the test is over.
    draining("500ms", settings)
}

/// The same where workers are replaced: their last answers have this time.
fn draining(time: &str, settings: &str) -> TestGateway {
    start(&format!(
        r#"
drain: {time}
layers: [ {{ request_id: {{ trust: true }} }} ]
apps:
  who: {{ wsgi: {{ app: "who:application", path: "${{APPS}}" }} }}
  holding: {{ wsgi: {{ app: "holding:application", path: "${{APPS}}", {settings} }} }}
routes: [ {{ mount: /holding, app: holding }}, {{ app: who }} ]"#
    ))
}

fn hold(gateway: &TestGateway, way: &str) -> Client {
    let mut client = gateway.connect();
    client
        .send(request("GET", &format!("/holding/{way}"), &["X-Request-Id: the-one-that-holds"], ""))
        .unwrap();
    client
}

/// The answer to a request that holds its thread for ever. A busy machine may not begin it in its time: then it is sent again.
fn given_up(gateway: &TestGateway, way: &str) -> Answer {
    eventually("a request that holds its thread to be given up", || {
        Some(hold(gateway, way).answer().unwrap()).filter(|answer| answer.status == 504)
    })
}

/// Waits until a thread is free, which a busy machine may let begin too late.
fn eventually_free(gateway: &TestGateway) {
    eventually("a thread that is free", || {
        (get(&gateway.address(), "/holding/").text() == "free").then_some(())
    });
}

fn pid(gateway: &TestGateway) -> String {
    told(&get(&gateway.address(), "/").text(), "pid").to_owned()
}

#[test]
fn one_that_holds_all_its_threads_in_any_way_holds_up_no_other() {
    let gateway = beside_who("threads: 6, timeout: 0s");
    let ways = ["sleep", "socket", "stream"];
    let _held: Vec<Client> = ways.iter().flat_map(|way| [hold(&gateway, way), hold(&gateway, way)]).collect();
    for way in ways {
        let line = format!("\"held by /{way}\"");
        eventually("all threads to be held", || (gateway.log().count(&line) == 2).then_some(()));
    }
    let mut client = gateway.connect();
    for _ in 0..100 {
        assert_eq!(client.request("GET", "/", &[], "").unwrap().status, 200);
    }
}

#[test]
fn one_that_computes_for_ever_starves_no_other() {
    let gateway = beside_who("threads: 4, timeout: 0s");
    let _held = [(); 4].map(|()| hold(&gateway, "spin"));
    eventually("all threads to be held", || (gateway.log().count("\"held by /spin\"") == 4).then_some(()));
    let mut client = gateway.connect();
    for _ in 0..20 {
        assert_eq!(client.request("GET", "/", &[], "").unwrap().status, 200);
    }
    // What they wait for is told.
    eventually("a line about the GIL", || {
        assert_eq!(client.request("GET", "/", &[], "").unwrap().status, 200);
        gateway.log().find(|line| line.contains("for the GIL") && line.contains("\"application\":\"who\""))
    });
}

#[test]
fn who_does_not_answer_in_time_is_504_and_the_log_tells_where_it_stands() {
    let gateway = beside_who("threads: 1, timeout: 3s, spare_threads: 1");
    let answer = given_up(&gateway, "sleep");
    assert!(answer.text().contains("V-TOO-SLOW"), "{}", answer.text());
    gateway.log().wait_for_texts(&["has not answered within 3s (timeout)", "the-one-that-holds"]);
    gateway.log().wait_for_texts(&["its thread stands at", "holding.py", "time.sleep", "the-one-that-holds"]);
    eventually_free(&gateway);
}

#[test]
fn an_exception_is_raised_in_a_request_that_is_given_up_only_where_that_is_configured() {
    for isolation in ["shared", "process"] {
        let settings = format!("threads: 1, timeout: 3s, spare_threads: 1, isolation: {isolation}");
        let left = beside_who(&settings);
        given_up(&left, "spin");
        left.log().wait_for_texts(&["its thread stands at", "holding.py"]);
        let interrupted = beside_who(&format!("{settings}, interrupt: true"));
        given_up(&interrupted, "spin");
        interrupted.log().wait_for_texts(&["the application raised", "RequestTimeout", "the-one-that-holds"]);
        eventually_free(&interrupted);
        assert_eq!(left.log().count("RequestTimeout"), 0, "{}", left.log());
    }
}

#[test]
fn a_worker_that_has_lost_too_many_threads_is_replaced() {
    let gateway = draining("5s", "threads: 1, timeout: 3s, spare_threads: 0");
    let worn = pid(&gateway);
    given_up(&gateway, "sleep");
    gateway.log().wait_for_texts(&["worn out", "holding has lost threads to requests that do not end: 1"]);
    // The others are answered all the time, at last by the new worker, and so is the one that was stuck.
    eventually("the new worker", || (pid(&gateway) != worn).then_some(()));
    eventually_free(&gateway);
    eventually("the end of the old worker", || (gateway.workers().len() == 1).then_some(()));
}

#[test]
fn a_worker_is_replaced_after_so_many_requests() {
    let gateway = draining("5s", "max_requests: 3");
    let worn = pid(&gateway);
    let mut client = gateway.connect();
    for _ in 0..3 {
        assert_eq!(client.request("GET", "/holding/", &[], "").unwrap().text(), "free");
    }
    gateway.log().wait_for_texts(&["worn out", "has got its 3 requests (max_requests)"]);
    eventually("the new worker", || (pid(&gateway) != worn).then_some(()));
    eventually("the end of the old worker", || (gateway.workers().len() == 1).then_some(()));
}
