//! `wsgi.file_wrapper`, and middleware around an application.

use http::{Method, Request};
use tower_wsgi::{Application, BodyError, Settings};

use crate::harness::{Answer, PATIENCE, TestBody, call, load, read, settings, wait_for_log};

fn content() -> String {
    (0..100_000).fold(String::new(), |text, number| text + &format!("{number:06}\n"))
}

async fn ask(application: &Application, method: Method, query: &str) -> Answer {
    let request = Request::builder().method(method).uri(format!("/?{query}")).body(TestBody::default());
    read(call(application, request.unwrap()).await.unwrap()).await
}

async fn get(query: &str) -> Answer {
    ask(&load("files:wraps"), Method::GET, query).await
}

#[tokio::test]
async fn files_of_every_kind_are_sent_and_closed() {
    let whole = content();
    // Some have a length that is known: they are sent without Python.
    for (kind, expected, has_length) in [
        ("plain", &*whole, true),
        ("raw", &whole, true),
        ("offset", &whole[7..], true),
        ("unflushed", &whole[10..1000], true),
        ("memory", &whole, false),
        ("gzip", &whole, false),
        ("pipe", &whole[..1000], false),
        ("sizeless", "Linux\n", false),
    ] {
        let answer = get(&format!("{kind}-whole")).await;
        let length = has_length.then(|| expected.len().to_string());
        assert!(answer.text() == expected, "{kind}: {} bytes", answer.text().len());
        assert_eq!(answer.header("content-length"), length.as_deref(), "{kind}");
        assert_eq!(get(&format!("{kind}-whole&closed")).await.text(), "True", "{kind}");
    }
}

#[tokio::test]
async fn no_more_of_a_file_is_sent_than_its_length() {
    let whole = content();
    for (query, expected) in [("offset&21", &whole[7..28]), ("plain&0", "")] {
        let answer = get(query).await;
        assert_eq!(answer.text(), expected);
        assert_eq!(answer.header("content-length"), Some(expected.len().to_string().as_str()));
    }
}

#[tokio::test]
async fn a_file_that_is_shorter_than_its_length_breaks_the_answer() {
    assert_eq!(get("plain&700005").await.body, Err(BodyError::Short { missing: 5 }));
    wait_for_log(&["files:wraps", "5 bytes shorter"]);
}

#[tokio::test]
async fn head_of_a_file_has_its_length_and_no_body() {
    let answer = ask(&load("files:wraps"), Method::HEAD, "plain-head").await;
    assert_eq!((answer.header("content-length"), answer.text()), (Some("700000"), ""));
    assert_eq!(get("plain-head&closed").await.text(), "True");
}

#[tokio::test]
async fn a_client_that_does_not_take_a_file_holds_no_thread() {
    let application = Application::load(Settings { threads: 1, ..settings("files:wraps") }).unwrap();
    let request = Request::get("/?plain-untaken").body(TestBody::default()).unwrap();
    let unread = call(&application, request).await.unwrap();
    let other = tokio::time::timeout(PATIENCE, ask(&application, Method::GET, "plain-untaken&closed")).await;
    assert_eq!(other.expect("the thread is free").text(), "True");
    assert!(read(unread).await.text() == content());
}

#[tokio::test]
async fn middleware_stands_around_the_application_the_first_outermost() {
    let middleware = vec!["files:Outer".into(), "files:renames".into()];
    let application = Application::load(Settings { middleware, ..settings("files:marked") }).unwrap();
    assert_eq!(ask(&application, Method::GET, "").await.text(), "<[outer inner ]>");
}

#[test]
fn middleware_that_makes_nothing_is_an_import_error() {
    let middleware = vec!["files:makes_nothing".into()];
    let error = Application::load(Settings { middleware, ..settings("files:marked") }).unwrap_err();
    assert!(error.to_string().contains("files:makes_nothing has made nothing"), "{error}");
}
