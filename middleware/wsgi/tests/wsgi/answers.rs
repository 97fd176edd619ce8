//! What becomes of an application's answer.

use http::Request;
use http_body_util::BodyExt;
use hyper::ext::ReasonPhrase;
use tower_wsgi::{Application, BodyError, Settings, WsgiError};

use crate::harness::{
    Client, PATIENCE, TestBody, call, get, load, logged, post, read, settings, wait_for_log,
};

fn get_request(target: &str) -> Request<TestBody> {
    Request::get(target).body(TestBody::default()).unwrap()
}

/// The application fails before its answer begins.
async fn failure(app: &str) -> WsgiError {
    call(&load(app), get_request("/")).await.expect_err("there is no answer")
}

#[tokio::test]
async fn one_chunk_gets_a_content_length() {
    let answer = get("answers:one_chunk").await;
    assert_eq!((answer.header("content-length"), answer.text()), (Some("5"), "Hello"));
    assert_eq!(get("answers:hello").await.text(), "Hello");
}

#[tokio::test]
async fn a_large_chunk_is_lent_and_given_back() {
    let application = load("answers:lent");
    let mut counts = Vec::new();
    for _ in 0..3 {
        let answer = read(call(&application, get_request("/")).await.unwrap()).await;
        assert!(answer.text().len() == 102_400 && answer.text().bytes().all(|byte| byte == b'x'));
        counts.push(answer.header("x-references").unwrap().to_owned());
    }
    assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
}

#[tokio::test]
async fn a_generator_is_streamed_without_a_content_length() {
    let answer = get("answers:generator").await;
    assert_eq!((answer.header("content-length"), answer.text()), (None, "one two"));
}

#[tokio::test]
async fn start_response_may_come_with_the_first_iteration() {
    assert_eq!(get("answers:starts_late").await.text(), "late");
}

#[tokio::test]
async fn an_error_before_the_first_chunk_that_is_not_empty_is_a_clean_failure() {
    assert!(matches!(failure("answers:fails_late").await, WsgiError::ApplicationFailed(_)));
    let line = wait_for_log(&["answers:fails_late", "ValueError: before the first chunk"]);
    assert!(line.contains("Traceback") && line.contains("answers.py"), "{line}");
}

#[tokio::test]
async fn what_a_failure_still_holds_may_speak_when_it_is_given_up() {
    assert!(matches!(failure("answers:fails_with_a_last_word").await, WsgiError::ApplicationFailed(_)));
    wait_for_log(&["the last word: write was called after its request ended"]);
}

#[tokio::test]
async fn an_application_is_not_blamed_for_a_client_that_left_before_the_answer() {
    let wanted = settings("answers:empty_until_gone");
    let application = Application::load(Settings { threads: 1, ..wanted }).unwrap();
    let waiting = tokio::spawn({
        let application = application.clone();
        async move { call(&application, get_request("/")).await.map(drop) }
    });
    tokio::task::spawn_blocking(|| wait_for_log(&["empty_until_gone has begun"])).await.unwrap();
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    // There is one thread: when it answers this, it has done with the other.
    let next = read(call(&application, get_request("/?next")).await.unwrap()).await;
    assert_eq!(next.text(), "next");
    assert!(!logged(&["ERROR", "answers:empty_until_gone"]));
}

#[tokio::test]
async fn an_error_in_mid_stream_breaks_the_answer() {
    assert_eq!(get("answers:fails_midway").await.body, Err(BodyError::Application));
}

#[tokio::test]
async fn an_error_in_mid_stream_aborts_the_connection() {
    let mut client = Client::to("answers:fails_midway").await;
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let answer = client.rest().await;
    // What came before the error may or may not have left already.
    assert!(!answer.ends_with("0\r\n\r\n"), "{answer:?}");
}

#[tokio::test]
async fn a_traceback_of_any_text_reaches_the_log_with_the_request() {
    let mut request = get_request("/");
    let mut environ = http_environ::Environ::for_target(request.uri()).unwrap();
    environ.request_id = http_environ::RequestId::Given("req-traceback".into());
    request.extensions_mut().insert(environ);
    assert!(call(&load("answers:fails"), request).await.is_err());
    wait_for_log(&["req-traceback", "answers:fails", "ValueError: at once,"]);
}

#[tokio::test]
async fn sys_exit_is_a_failure_and_not_an_end() {
    assert!(matches!(failure("answers:exits").await, WsgiError::ApplicationFailed(_)));
    wait_for_log(&["answers:exits", "SystemExit: 3"]);
}

#[tokio::test]
async fn endless_recursion_is_a_failure() {
    assert!(matches!(failure("answers:recurses").await, WsgiError::ApplicationFailed(_)));
    wait_for_log(&["answers:recurses", "RecursionError"]);
}

#[tokio::test]
async fn of_a_deep_traceback_only_the_innermost_frames_are_told() {
    assert!(matches!(failure("answers:recurses_deeply").await, WsgiError::ApplicationFailed(_)));
    let told = wait_for_log(&["answers:recurses_deeply", "LookupError: deep down"]);
    let frames = told.matches("answers.py").count();
    assert_eq!(frames, 1_000, "as many as Python's own limit allows by default");
}

#[tokio::test]
async fn answers_that_are_none_are_failures() {
    for app in ["never_starts", "never_starts_empty", "returns_none", "yields_text"] {
        let app = format!("answers:{app}");
        assert!(matches!(failure(&app).await, WsgiError::ApplicationFailed(name) if *name == *app));
    }
}

#[tokio::test]
async fn a_second_start_response_is_refused() {
    assert_eq!(
        get("answers:starts_twice").await.text(),
        "start_response was called a second time without exc_info"
    );
}

#[tokio::test]
async fn with_exc_info_a_second_start_response_replaces_the_first() {
    let answer = get("answers:replaces").await;
    assert_eq!((answer.status.as_u16(), answer.text()), (503, "replaced"));
    assert_eq!((answer.header("x-first"), answer.header("x-second")), (None, Some("2")));
}

#[tokio::test]
async fn with_exc_info_after_the_head_the_exception_is_raised_again() {
    assert_eq!(get("answers:replaces_too_late").await.text(), "sent, KeyError('lost') was raised again");
}

#[tokio::test]
async fn what_is_no_exc_info_is_a_type_error() {
    assert_eq!(
        get("answers:replaces_with_nonsense").await.text(),
        format!("sent{}", ", TypeError".repeat(5))
    );
}

#[tokio::test]
async fn start_response_without_headers_is_a_type_error() {
    let told = ["start_response(status, response_headers, exc_info=None)"; 4].join("; ");
    assert_eq!(get("answers:starts_wrongly").await.text(), told);
}

#[tokio::test]
async fn headers_that_change_from_answer_to_answer_are_each_answers_own() {
    let settings = Settings { threads: 1, ..settings("answers:echoes_headers") };
    let application = Application::load(settings).unwrap();
    for text in ["a=1&b=2", "a=1&b=2", "a=1&b=2", "b=1&b=2", "a=2&b=2&c=3", "a=2&content-length=0", "a=1&b=2"]
    {
        let answer = read(call(&application, get_request(&format!("/?{text}"))).await.unwrap()).await;
        let told: Vec<String> = (answer.headers.iter())
            .map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
            .filter(|header| text.contains("content-length") || !header.starts_with("content-length"))
            .collect();
        assert_eq!(told.join("&"), text);
    }
}

#[tokio::test]
async fn what_is_written_comes_before_what_is_yielded() {
    assert_eq!(get("answers:writes").await.text(), "written, yielded");
}

#[tokio::test]
async fn no_content_has_neither_body_nor_length() {
    for app in ["answers:no_content", "answers:bodiless_with_body"] {
        let answer = get(app).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-length"), answer.text()), (204, None, ""));
    }
}

#[tokio::test]
async fn not_modified_keeps_its_length_and_has_no_body() {
    let answer = get("answers:not_modified").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-length"), answer.text()),
        (304, Some("5"), "")
    );
}

#[tokio::test]
async fn an_empty_chunk_tells_no_length_where_it_stands_for_a_body_that_is_not_sent() {
    let application = load("answers:one_empty_chunk");
    for (method, status, length) in
        [("GET", "200+OK", Some("0")), ("HEAD", "200+OK", None), ("GET", "304+Not+Modified", None)]
    {
        let request = Request::builder().method(method).uri(format!("/?{status}"));
        let request = request.body(TestBody::default()).unwrap();
        let answer = read(call(&application, request).await.unwrap()).await;
        assert_eq!(answer.header("content-length"), length, "{method} {status}");
    }
}

#[tokio::test]
async fn an_informational_status_is_a_failure() {
    assert!(matches!(failure("answers:informational").await, WsgiError::ApplicationFailed(_)));
}

#[tokio::test]
async fn head_runs_the_application_and_drops_the_body() {
    for (app, length) in [("answers:one_chunk", Some("5")), ("answers:generator", None)] {
        let request = Request::head("/").body(TestBody::default()).unwrap();
        let answer = read(call(&load(app), request).await.unwrap()).await;
        assert_eq!((answer.header("content-length"), answer.text()), (length, ""));
    }
}

#[tokio::test]
async fn reason_and_latin_1_and_the_order_of_cookies_are_kept() {
    let response = call(&load("answers:reason"), get_request("/")).await.unwrap();
    assert_eq!(response.extensions().get::<ReasonPhrase>().unwrap().as_bytes(), b"Caf\xe9 open");
    assert_eq!(response.headers()["x-latin"].as_bytes(), b"\xe9t\xe9");
    let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["b=1", "a=2"]);
}

#[tokio::test]
async fn connection_headers_are_left_out_and_told() {
    let answer = get("answers:hop_by_hop").await;
    assert_eq!((answer.header("connection"), answer.header("transfer-encoding")), (None, None));
    wait_for_log(&["WARN", "answers:hop_by_hop", "Connection"]);
}

#[tokio::test]
async fn a_header_that_would_split_is_a_failure() {
    assert!(matches!(failure("answers:splits_header").await, WsgiError::ApplicationFailed(_)));
}

#[tokio::test]
async fn no_more_than_the_content_length_is_sent() {
    let answer = get("answers:too_long").await;
    assert_eq!((answer.header("content-length"), answer.text()), (Some("3"), "abc"));
    wait_for_log(&["answers:too_long", "3 bytes longer"]);
}

#[tokio::test]
async fn less_than_the_content_length_breaks_the_answer() {
    assert_eq!(get("answers:too_short").await.body, Err(BodyError::Short { missing: 6 }));
    wait_for_log(&["answers:too_short", "6 bytes shorter"]);
}

#[tokio::test]
async fn nothing_holds_a_thread_after_the_content_length() {
    let wanted = settings("answers:never_ends_empty");
    let application = Application::load(Settings { threads: 1, ..wanted }).unwrap();
    for query in ["/", "/?next"] {
        let answer = tokio::time::timeout(PATIENCE, call(&application, get_request(query))).await;
        assert_eq!(read(answer.expect("the thread is free").unwrap()).await.text(), "ok");
    }
}

#[tokio::test]
async fn half_a_line_is_logged_with_its_own_request() {
    let wanted = settings("answers:prints_parts");
    let application = Application::load(Settings { threads: 1, ..wanted }).unwrap();
    for name in ["request-one", "request-two"] {
        let mut request = get_request(&format!("/?{name}"));
        let mut environ = http_environ::Environ::for_target(request.uri()).unwrap();
        environ.request_id = http_environ::RequestId::Given(name.into());
        request.extensions_mut().insert(environ);
        call(&application, request).await.unwrap();
        for line in ["half of", "half an error of"] {
            let id = format!("\"request_id\":\"{name}\"");
            wait_for_log(&[&format!("\"{line} {name}\""), &id]);
        }
    }
}

/// How often the iterable of that name was closed, asked when it has been.
async fn closings(name: &str) -> String {
    let answer = call(&load("answers:closing"), get_request(&format!("/??{name}"))).await.unwrap();
    read(answer).await.text().to_owned()
}

#[tokio::test]
async fn an_iterable_is_closed_once_on_its_own_thread_however_it_ends() {
    let application = load("answers:closing");
    for name in ["end", "write", "error"] {
        let answer = read(call(&application, get_request(&format!("/?{name}"))).await.unwrap()).await;
        assert_eq!(answer.body.is_err(), name == "error");
        assert_eq!(closings(name).await, "1");
    }
    let request = Request::head("/?head").body(TestBody::default()).unwrap();
    assert_eq!(read(call(&application, request).await.unwrap()).await.text(), "");
    assert_eq!(closings("head").await, "1");
}

#[tokio::test]
async fn an_iterable_is_closed_when_its_client_leaves() {
    for name in ["gone", "gone-empty"] {
        let response = call(&load("answers:closing"), get_request(&format!("/?{name}"))).await.unwrap();
        let mut body = response.into_body();
        assert!(body.frame().await.unwrap().is_ok());
        drop(body);
        assert_eq!(closings(name).await, "1");
    }
}

#[tokio::test]
async fn an_error_in_close_is_told_and_leaves_the_answer() {
    assert_eq!(get("answers:fails_to_close").await.text(), "ok");
    wait_for_log(&["answers:fails_to_close", "ValueError: in close()"]);
}

#[tokio::test]
async fn an_error_in_close_after_another_one_is_told_after_it() {
    assert!(matches!(failure("answers:fails_twice").await, WsgiError::ApplicationFailed(_)));
    wait_for_log(&["answers:fails_twice", "the application raised", "LookupError: in the answer"]);
    wait_for_log(&["answers:fails_twice", "then its close() raised, too", "ValueError: in its close()"]);
}

#[tokio::test]
async fn a_wrapped_file_is_sent() {
    assert_eq!(get("answers:file").await.text(), "line\n".repeat(5000));
}

#[tokio::test]
async fn a_long_stream_arrives_whole() {
    assert_eq!(get("answers:large").await.text().len(), 64 * 16384);
}

#[tokio::test]
async fn start_response_does_nothing_after_its_request() {
    let application = load("answers:keeps_start_response");
    let first = read(call(&application, get_request("/")).await.unwrap()).await;
    assert_eq!(first.text(), "kept");
    let second = read(call(&application, get_request("/")).await.unwrap()).await;
    assert_eq!(second.text(), "start_response was called after its request ended");
}

#[tokio::test]
async fn an_answer_does_not_need_its_request_body() {
    assert_eq!(post("answers:hello", "unread").await.unwrap().text(), "Hello");
}
