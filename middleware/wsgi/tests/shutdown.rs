//! The end of the process: a test of its own, because an interpreter ends only once.

#[expect(dead_code, reason = "the other tests use more of it")]
#[path = "wsgi/harness.rs"]
mod harness;

use std::time::{Duration, Instant};

use http::Request;
use tower_wsgi::{Application, Isolation, LoadError, Settings, WsgiError, discover};

use harness::{TestBody, call, in_its_own_process, load, load_error, settings, wait_for_log};

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
    in_its_own_process("what_is_registered_for_the_end_runs", async {
        let application = load("endings:app");
        call(&application, request("thread")).await.unwrap();
        call(&application, request("end")).await.unwrap();
        assert!(tower_wsgi::shutdown(harness::PATIENCE));
        for line in ["the thread ended", "atexit ran", "without an end of the line"] {
            wait_for_log(&[line]);
        }
    });
}

#[test]
fn sub_interpreters_end_unless_somebody_uses_them() {
    if discover(settings("").python.as_deref()).unwrap().version < [3, 13, 0] {
        return;
    }
    in_its_own_process("sub_interpreters_end_unless_somebody_uses_them", async {
        let folder = tempfile::tempdir().unwrap();
        for name in ["rests", "computes", "is-read"] {
            let isolation = Isolation::Interpreter;
            let settings = Settings { isolation, name: name.into(), ..settings("endings:app") };
            let application = Application::load(settings).unwrap();
            let query = format!("mark={}", folder.path().join(name).display());
            call(&application, request(&query)).await.unwrap();
            match name {
                "computes" => drop(call(&application, request("daemon")).await.unwrap()),
                // The answer is an object of the interpreter, and nobody has read it when it should end.
                "is-read" => std::mem::forget(call(&application, request("large")).await.unwrap()),
                _ => {}
            }
        }
        assert!(tower_wsgi::shutdown(harness::PATIENCE));
        let ended = ["rests", "computes", "is-read"].map(|name| folder.path().join(name).exists());
        assert_eq!(ended, [true, false, false], "{}", harness::log());
    });
}
