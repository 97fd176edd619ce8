//! The end of the process: a test of its own, because an interpreter ends only once.

#[expect(dead_code, reason = "the other tests use more of it")]
#[path = "wsgi/harness.rs"]
mod harness;

use std::time::{Duration, Instant};

use http::Request;
use tower_wsgi::{LoadError, WsgiError};

use harness::{TestBody, call, load, load_error, wait_for_log};

fn request(query: &str) -> Request<TestBody> {
    Request::get(format!("/?{query}")).body(TestBody::default()).unwrap()
}

#[tokio::test]
async fn a_shutdown_keeps_its_deadline_and_then_does_what_python_does_at_its_end() {
    let application = load("endings:app");
    call(&application, request("thread")).await.unwrap();

    let stuck = tokio::spawn({
        let application = application.clone();
        async move { call(&application, request("stuck")).await }
    });
    tokio::task::spawn_blocking(|| wait_for_log(&["the request is stuck"])).await.unwrap();

    // Neither the request nor the application's own thread ends by itself: the deadline counts.
    let start = Instant::now();
    assert!(!tower_wsgi::shutdown(Duration::from_secs(2)));
    assert!(start.elapsed() < harness::PATIENCE);
    for line in ["atexit ran", "without an end of the line"] {
        wait_for_log(&[line]);
    }
    stuck.abort();
    let refused = call(&application, request("")).await.unwrap_err();
    assert!(matches!(refused, WsgiError::Draining(_)), "{refused}");
    assert!(matches!(load_error("endings:app"), LoadError::Over));
}

#[test]
fn what_is_registered_for_the_end_runs() {
    // In a process of its own: the other test has ended this one's interpreter.
    if std::env::var_os("IN_ITS_OWN_PROCESS").is_none() {
        let name = "what_is_registered_for_the_end_runs";
        let run = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env("IN_ITS_OWN_PROCESS", "1")
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let application = load("endings:app");
        call(&application, request("thread")).await.unwrap();
        call(&application, request("end")).await.unwrap();
    });
    assert!(tower_wsgi::shutdown(harness::PATIENCE));
    for line in ["the thread ended", "atexit ran", "without an end of the line"] {
        wait_for_log(&[line]);
    }
}
