//! Threads and queues. What is held is one test: the fixture has one gate.

use http::Request;
use tower::Service as _;
use tower_wsgi::{Application, Settings, WsgiError};

use crate::harness::{PATIENCE, TestBody, call, load, read, settings, wait_for_log};

fn request(query: &str) -> Request<TestBody> {
    Request::get(format!("/?{query}")).body(TestBody::default()).unwrap()
}

#[tokio::test]
async fn a_held_application_fills_its_queue_and_holds_nobody_else() {
    let held = Application::load(Settings { threads: 2, queue: 2, ..settings("queues:holds") }).unwrap();
    let others = load("queues:opens");
    // Two run, two wait, and there is no room for a fifth.
    let mut running = Vec::new();
    for name in ["a", "b"] {
        let held = held.clone();
        running.push(tokio::spawn(async move { call(&held, request(name)).await.map(|_| ()) }));
        wait_until_served(name).await;
    }
    let waiting = tokio::spawn({
        let held = held.clone();
        async move { call(&held, request("c")).await.map(|_| ()) }
    });
    tokio::task::yield_now().await;
    let left = tokio::spawn({
        let held = held.clone();
        async move { call(&held, request("client-that-left")).await.map(|_| ()) }
    });
    tokio::task::yield_now().await;
    let error = call(&held, request("d")).await.unwrap_err();
    assert!(matches!(error, WsgiError::QueueFull(name) if &*name == "queues:holds"));
    left.abort();
    assert!(left.await.unwrap_err().is_cancelled());

    let opened = read(call(&others, request("2")).await.unwrap()).await;
    assert_eq!(opened.text(), "opened");
    for task in running.into_iter().chain([waiting]) {
        task.await.unwrap().unwrap();
    }
    let served = read(call(&load("queues:served"), request("")).await.unwrap()).await;
    assert_eq!(served.text(), "a,b,c");
}

#[tokio::test]
async fn a_request_without_an_environ_costs_no_thread() {
    let mut application = load("answers:one_chunk");
    for _ in 0..5 {
        let request = Request::get("/").body(TestBody::default()).unwrap();
        assert!(matches!(application.call(request).await, Err(WsgiError::ApplicationFailed(_))));
    }
    wait_for_log(&["answers:one_chunk", "a panic while a request was served"]);
    let answer = tokio::time::timeout(PATIENCE, call(&application, request(""))).await;
    assert_eq!(read(answer.expect("a thread is left").unwrap()).await.text(), "Hello");
}

async fn wait_until_served(name: &str) {
    let application = load("queues:served");
    loop {
        let served = read(call(&application, request("")).await.unwrap()).await;
        if served.text().split(',').any(|served| served == name) {
            return;
        }
    }
}
