//! Requests that do not end in time, and clients that do not wait for theirs.

use std::sync::Arc;
use std::time::Duration;

use http::header::HOST;
use http::{HeaderValue, Request};
use http_body_util::BodyExt;
use http_environ::{Environ, RequestId, Server};
use tower_wsgi::{Application, Settings, WsgiError};

use crate::harness::{PATIENCE, TestBody, call, load, read, settings, wait_for_log};

fn request(query: &str, id: &str) -> Request<TestBody> {
    let mut request = Request::get(format!("/?{query}")).body(TestBody::default()).unwrap();
    let mut environ = Environ::for_target(request.uri()).unwrap();
    environ.request_id = RequestId::Given(id.into());
    request.extensions_mut().insert(environ);
    request
}

/// Loads an application of one thread whose requests are given up soon.
fn load_impatient(app: &str, name: &str, spare_threads: usize, interrupt: bool) -> Application {
    let timeout = Some(Duration::from_secs(2));
    let wanted =
        Settings { name: name.into(), threads: 1, spare_threads, timeout, interrupt, ..settings(app) };
    Application::load(wanted).unwrap()
}

/// Why a request is given up. A busy machine may not begin it in its time: then it is sent again.
async fn given_up(application: &Application, query: &str, id: &str) -> WsgiError {
    let given_up = async {
        loop {
            let error = call(application, request(query, id)).await.unwrap_err();
            if !matches!(error, WsgiError::NotBegun(..)) {
                return error;
            }
        }
    };
    tokio::time::timeout(PATIENCE, given_up).await.expect("a thread is free")
}

/// The answer to a request that a thread is free for; where the machine is too busy for its time, it is sent again.
async fn answer(application: &Application, query: &str) -> String {
    let answered = async {
        loop {
            match call(application, request(query, "quick")).await {
                Err(WsgiError::NotBegun(..) | WsgiError::TooSlow(..)) => {}
                answered => return answered.unwrap(),
            }
        }
    };
    let answer = tokio::time::timeout(PATIENCE, answered).await.expect("a thread is free");
    read(answer).await.text().to_owned()
}

#[tokio::test]
async fn a_request_that_is_stuck_tells_where_and_its_thread_is_replaced() {
    let application = load_impatient("stuck:waits", "impatient", 1, false);
    // There is one thread and one spare one, which is spare again when the first has come back.
    for round in ["first", "second", "third"] {
        let error = given_up(&application, &format!("stand={round}"), round).await;
        assert!(matches!(&error, WsgiError::TooSlow(name, _) if &**name == "impatient"), "{error:?}");
        let line = wait_for_log(&["the request is given up", "in stands_here", "stuck.py", round]);
        assert!(line.contains("\"application\":\"impatient\""), "{line}");
        assert_eq!(answer(&application, &format!("open={round}")).await, "answered");
    }
}

#[tokio::test]
async fn a_thread_that_ends_gives_back_what_it_has_remembered() {
    let timeout = Some(Duration::from_secs(2));
    let wanted = Settings { threads: 1, spare_threads: 1, timeout, ..settings("stuck:counts") };
    let application =
        Application::load(Settings { variables: vec![("COUNTED".into(), "1".into())], ..wanted }).unwrap();
    let server = Arc::new(Server::default());
    let send = async |query: &str| {
        let mut request = request(query, query);
        request.headers_mut().insert(HOST, HeaderValue::from_static("example.com"));
        request.extensions_mut().get_mut::<Environ>().unwrap().server = Arc::clone(&server);
        Ok::<_, WsgiError>(read(call(&application, request).await?).await.text().to_owned())
    };
    let until = async |query: &str, is_it: fn(&Result<String, WsgiError>) -> bool| {
        let sends = async { while !is_it(&send(query).await) {} };
        tokio::time::timeout(PATIENCE, sends).await.unwrap_or_else(|_| panic!("in vain: {query}"));
    };
    for name in ["ends-one", "ends-two"] {
        // Those of the application, of its only thread and of the request.
        until("count", |told| told.as_ref().is_ok_and(|count| count == "3")).await;
        until(&format!("stand={name}"), |told| matches!(told, Err(WsgiError::TooSlow(..)))).await;
        until(&format!("open={name}"), Result::is_ok).await;
    }
    until("count", |told| told.as_ref().is_ok_and(|count| count == "3")).await;
}

#[tokio::test]
async fn an_exception_is_raised_where_that_is_wanted() {
    let application = load_impatient("stuck:turns", "interrupted", 0, true);
    for id in ["turning-one", "turning-two"] {
        let error = given_up(&application, "", id).await;
        assert!(matches!(error, WsgiError::TooSlow(..)), "{error:?}");
        wait_for_log(&["the application raised", "RequestTimeout", id]);
        // It has no other thread than the one that was interrupted.
        assert_eq!(answer(&application, "next").await, "answered");
    }
}

#[tokio::test]
async fn the_next_request_of_a_thread_is_not_interrupted_for_the_last_one() {
    let timeout = Some(Duration::from_secs(3));
    let wanted = settings("stuck:lingers");
    let wanted = Settings { threads: 1, spare_threads: 0, timeout, interrupt: true, ..wanted };
    let application = Application::load(wanted).unwrap();
    let error = given_up(&application, "", "lingering").await;
    assert!(matches!(error, WsgiError::TooSlow(..)), "{error:?}");
    assert_eq!(answer(&application, "next").await, "answered");
}

#[tokio::test]
async fn a_request_that_gets_no_thread_in_time_was_never_begun() {
    let application = load_impatient("stuck:waits", "without spare", 0, false);
    let first = given_up(&application, "stand=spare", "holds the thread").await;
    assert!(matches!(first, WsgiError::TooSlow(..)), "{first:?}");
    let second = call(&application, request("stand=spare", "never-begun")).await.unwrap_err();
    assert!(matches!(second, WsgiError::NotBegun(..)), "{second:?}");
    // The lost thread comes back, and serves on.
    assert_eq!(answer(&load("stuck:waits"), "open=spare").await, "answered");
    assert_eq!(answer(&application, "").await, "answered");
}

#[tokio::test]
async fn who_leaves_the_queue_makes_room_in_it() {
    let wanted = settings("stuck:waits");
    let application = Application::load(Settings { threads: 1, queue: 1, ..wanted }).unwrap();
    let send = |query: &'static str| {
        let application = application.clone();
        tokio::spawn(async move { call(&application, request(query, query)).await.map(drop) })
    };
    let held = send("stand=room");
    tokio::task::spawn_blocking(|| wait_for_log(&["stands at stand=room"])).await.unwrap();
    for _ in 0..3 {
        let left = send("leaves");
        tokio::task::yield_now().await;
        left.abort();
        assert!(left.await.unwrap_err().is_cancelled(), "it was waiting");
    }
    let waiting = send("waits");
    tokio::task::yield_now().await;
    let full = call(&application, request("", "full")).await.unwrap_err();
    assert!(matches!(full, WsgiError::QueueFull(_)), "{full:?}");
    assert_eq!(answer(&load("stuck:waits"), "open=room").await, "answered");
    held.await.unwrap().unwrap();
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_a_request_brings_lasts_until_the_application_is_done_with_it() {
    let application = load("stuck:closes_late");
    let brought = Arc::new(());
    let send = async |query: &str| {
        let mut request = request(query, query);
        request.extensions_mut().insert(Arc::clone(&brought));
        call(&application, request).await.unwrap()
    };
    let whole = send("whole").await;
    assert_eq!(Arc::strong_count(&brought), 1, "its answer was whole");
    let begun = send("stand=brought").await;
    assert_eq!(Arc::strong_count(&brought), 2, "it is not closed");
    assert_eq!(read(whole).await.text(), "answered");
    assert_eq!(answer(&load("stuck:waits"), "open=brought").await, "answered");
    assert_eq!(read(begun).await.text(), "answered");
    let dropped = async {
        while Arc::strong_count(&brought) > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, dropped).await.expect("it is closed");
}

#[tokio::test]
async fn an_application_can_ask_whether_its_client_has_left() {
    let response = call(&load("stuck:asks"), request("", "asking")).await.unwrap();
    let mut body = response.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "False");
    drop(body);
    tokio::task::spawn_blocking(|| wait_for_log(&["noticed that the client has left", "asking"]))
        .await
        .unwrap();
}
