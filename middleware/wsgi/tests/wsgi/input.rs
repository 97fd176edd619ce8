//! `wsgi.input`.

use http::Request;
use tower_wsgi::WsgiError;

use crate::harness::{Client, TestBody, call, load, post, read};

const LINES: &str = "one\ntwo\nthree\nfour\nfive\nsix";

/// What `inputs:reads` tells of [`LINES`] and `more`.
fn told(more: &str, length: usize) -> String {
    let rest: String = format!("six{more}").chars().take(5).collect();
    format!(
        "[b'on', b'e\\n', b'tw', b'o\\n', [b'three\\n'], b'four\\n', b'', b'{}', b'', b'', b'', [], []] of {length}",
        format!("five\n{rest}").chars().take(5).collect::<String>().replace('\n', "\\n")
    )
}

/// Sends a body of unknown length.
async fn post_chunked(app: &str, pieces: &[&str]) -> String {
    let request =
        Request::post("/").header("transfer-encoding", "chunked").body(TestBody::of(pieces)).unwrap();
    read(call(&load(app), request).await.unwrap()).await.text().to_owned()
}

#[tokio::test]
async fn every_way_to_read_ends_where_the_body_ends() {
    let long = "x".repeat(100_000);
    for more in ["", long.as_str()] {
        let body = format!("{LINES}{more}");
        assert_eq!(post("inputs:reads", &body).await.unwrap().text(), told(more, body.len()));
        assert_eq!(post_chunked("inputs:reads", &[LINES, more]).await, told(more, body.len()));
    }
}

#[tokio::test]
async fn wsgiref_finds_nothing_wrong() {
    let answer = post("inputs:validated", LINES).await.unwrap();
    assert_eq!(
        answer.text(),
        "[b'one', b'\\n', [b'two\\n', b'three\\n', b'four\\n', b'five\\n', b'six'], b'']"
    );
}

#[tokio::test]
async fn bodies_of_every_size_arrive_whole() {
    for size in [0, 1, 65_536, 65_537, 1_000_000] {
        let body = "x".repeat(size);
        let told = post("inputs:size", &body).await.unwrap();
        assert_eq!(told.text(), format!("{size} of {size} None"));
        assert_eq!(post("inputs:size_at_once", &body).await.unwrap().text(), size.to_string());
        if size > 0 {
            assert_eq!(
                post_chunked("inputs:size", &[&body, "y"]).await,
                format!("{0} of {0} None", size + 1)
            );
        }
    }
}

#[tokio::test]
async fn a_long_body_that_breaks_off_raises_whenever_it_is_read() {
    for (body, message) in [
        (TestBody::of(&["abc"]), "the request body ended 99997 bytes before its Content-Length"),
        (TestBody::of(&["abc"]).then_broken("connection reset"), "connection reset"),
    ] {
        let request = Request::post("/").header("content-length", 100_000).body(body).unwrap();
        let answer = read(call(&load("inputs:catches"), request).await.unwrap()).await;
        assert_eq!(answer.text(), format!("['{message}', '{message}']"));
    }
}

#[tokio::test]
async fn an_application_that_fails_by_its_body_is_not_to_blame() {
    let body = TestBody::of(&["abc"]).then_broken("connection reset");
    let request = Request::post("/").header("content-length", 100_000).body(body).unwrap();
    let error = call(&load("inputs:propagates"), request).await.unwrap_err();
    assert!(matches!(error, WsgiError::Body(_)), "{error:?}");
}

#[tokio::test]
async fn a_short_or_chunked_body_that_breaks_off_never_reaches_the_application() {
    let broken = || TestBody::of(&["abc"]).then_broken("connection reset");
    for request in [
        Request::post("/").header("content-length", 5).body(broken()).unwrap(),
        Request::post("/").header("content-length", 5).body(TestBody::of(&["abc"])).unwrap(),
        Request::post("/").body(broken()).unwrap(),
        Request::post("/")
            .body(TestBody::of(&[&"x".repeat(100_000)]).then_broken("connection reset"))
            .unwrap(),
    ] {
        let error = call(&load("inputs:size"), request).await.unwrap_err();
        assert!(matches!(error, WsgiError::Body(_)), "{error:?}");
    }
}

#[tokio::test]
async fn an_input_that_is_kept_ends_with_its_request() {
    let application = load("inputs:keeps");
    let request = || Request::post("/").header("content-length", 3).body(TestBody::of(&["abc"])).unwrap();
    call(&application, request()).await.unwrap();
    let answer = read(call(&application, request()).await.unwrap()).await;
    assert_eq!(answer.text(), "wsgi.input was used after its request ended");
}

#[tokio::test]
async fn one_hundred_continue_is_sent_when_the_application_reads() {
    let mut client = Client::to("inputs:size").await;
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").await;
    assert_eq!(client.until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello").await;
    assert!(client.until("5 of 5").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn no_100_continue_is_sent_where_the_application_answers_first() {
    let mut client = Client::to("inputs:refuses").await;
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").await;
    assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn an_unread_body_never_becomes_the_next_request() {
    let mut client = Client::to("inputs:refuses").await;
    let body = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n".repeat(10_000);
    let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    client.send(&head).await;
    assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 413"));
    // The connection may be closed while this is sent.
    let rest = client.after_sending(&body).await;
    assert!(!rest.contains("HTTP/1.1"), "{rest}");
}
