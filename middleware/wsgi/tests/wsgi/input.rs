//! `wsgi.input`.

use http::Request;
use http_body_util::BodyExt;
use tower_wsgi::{Application, InputMode, Settings, WsgiError};

use crate::harness::{Client, GivenBody, PATIENCE, TestBody, call, load, post, read, settings};

const LINES: &str = "one\ntwo\nthree\nfour\nfive\nsix";

/// What `inputs:reads` tells of [`LINES`] and `more`.
fn told(more: &str, length: usize) -> String {
    let rest: String = format!("six{more}").chars().take(5).collect();
    format!(
        "[b'on', b'e\\n', b'tw', b'o\\n', [b'three\\n'], b'four\\n', b'', b'{}', b'', b'', b'', [], []] of {length}",
        format!("five\n{rest}").chars().take(5).collect::<String>().replace('\n', "\\n")
    )
}

fn load_with(app: &str, input: InputMode) -> Application {
    Application::load(Settings { input, threads: 1, ..settings(app) }).unwrap()
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
        let application = load_with("inputs:catches", InputMode::Stream);
        let answer = read(call(&application, request).await.unwrap()).await;
        assert_eq!(answer.text(), format!("['{message}', '{message}']"));
    }
}

#[tokio::test]
async fn an_application_that_fails_by_its_body_is_not_to_blame() {
    let body = TestBody::of(&["abc"]).then_broken("connection reset");
    let request = Request::post("/").header("content-length", 100_000).body(body).unwrap();
    let error = call(&load_with("inputs:propagates", InputMode::Stream), request).await.unwrap_err();
    assert!(matches!(error, WsgiError::Body(_)), "{error:?}");
}

#[tokio::test]
async fn a_body_that_breaks_off_before_it_is_here_never_reaches_the_application() {
    let broken = || TestBody::of(&["abc"]).then_broken("connection reset");
    for request in [
        Request::post("/").header("content-length", 5).body(broken()).unwrap(),
        Request::post("/").header("content-length", 5).body(TestBody::of(&["abc"])).unwrap(),
        Request::post("/").header("content-length", 100_000).body(broken()).unwrap(),
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
async fn a_client_that_takes_its_time_holds_no_thread() {
    let application = load_with("inputs:size", InputMode::Auto);
    let piece: &str = "x".repeat(70_000).leak();
    // Little of a long body; much of one of unknown length; the quick beginning of one that is far too long to come soon.
    for (length, pieces) in
        [(Some(210_000), [&piece[..9], &piece[9..]]), (None, [piece; 2]), (Some(1 << 40), [piece; 2])]
    {
        let (give, body) = GivenBody::new();
        let request = length
            .into_iter()
            .fold(Request::post("/"), |request, length: u64| request.header("content-length", length));
        let slow = tokio::spawn({
            let application = application.clone();
            async move { read(call(&application, request.body(body).unwrap()).await.unwrap()).await }
        });
        for piece in &pieces[..length.map_or(2, |_| 1)] {
            give.send(piece).unwrap();
        }
        tokio::task::yield_now().await;
        // There is one thread.
        let quick = call(&application, Request::get("/").body(TestBody::default()).unwrap());
        let quick = tokio::time::timeout(PATIENCE, quick).await.expect("the thread is free").unwrap();
        assert_eq!(read(quick).await.text(), "0 of None None");
        assert!(!slow.is_finished());
        if length == Some(1 << 40) {
            slow.abort();
            continue;
        }
        for piece in [&pieces[length.map_or(2, |_| 1)..], &[piece; 2]].concat() {
            give.send(piece).unwrap();
        }
        drop(give);
        let size = if length.is_some() { 210_000 } else { 280_000 };
        assert_eq!(slow.await.unwrap().text(), format!("{size} of {size} None"));
    }
}

#[tokio::test]
async fn a_streamed_body_is_read_while_it_comes() {
    let application = load_with("inputs:answers_each", InputMode::Stream);
    let (give, body) = GivenBody::new();
    give.send("one").unwrap();
    let mut answer = call(&application, Request::post("/").body(body).unwrap()).await.unwrap().into_body();
    for piece in ["one", "two"] {
        if piece == "two" {
            give.send(piece).unwrap();
        }
        let frame = tokio::time::timeout(PATIENCE, answer.frame()).await.expect("it is answered");
        assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), format!("{piece} of None"));
    }
    drop(give);
    assert!(answer.frame().await.is_none());
}

#[tokio::test]
async fn a_body_is_spooled_where_that_is_wanted() {
    let application = load_with("inputs:size", InputMode::Spool);
    let broken = TestBody::of(&[&"x".repeat(100_000)]).then_broken("connection reset");
    let request = Request::post("/").header("content-length", 200_000).body(broken).unwrap();
    assert!(matches!(call(&application, request).await, Err(WsgiError::Body(_))));
    let pieces = vec!["x".repeat(50_000); 20];
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    let request = Request::post("/").header("content-length", 1_000_000).body(TestBody::of(&pieces)).unwrap();
    let answer = read(call(&application, request).await.unwrap()).await;
    assert_eq!(answer.text(), "1000000 of 1000000 None");
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
    // The application is called when the first 64 KiB are here.
    let (begin, end) = body.split_at(100_000);
    client.send(&(head + begin)).await;
    assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 413"));
    // The connection may be closed while this is sent.
    let rest = client.after_sending(end).await;
    assert!(!rest.contains("HTTP/1.1"), "{rest}");
}
