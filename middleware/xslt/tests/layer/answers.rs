//! Bodies of answers, and what the headers around them become.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::Full;
use tower::{Layer as _, Service, ServiceExt as _};
use tower_xslt::{Body, InputKind, Limits};

use crate::exchange::{HTML, Received, TestBody, XML, answer, layer, request, send};

#[tokio::test]
async fn an_answer_in_xml_is_transformed_and_described_anew() {
    let headers = [
        ("content-type", "application/atom+xml; charset=utf-8"),
        ("content-length", "11"),
        ("accept-ranges", "bytes"),
        ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("content-md5", "x"),
        ("repr-digest", "x"),
        ("x-other", "kept"),
    ];
    let (received, _) = send(&layer(), request(&[]), answer(&headers, TestBody::of(XML))).await;
    assert_eq!((received.status, received.text()), (StatusCode::OK, HTML));
    assert_eq!(received.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(received.header("content-length"), Some(HTML.len().to_string().as_str()));
    assert_eq!(received.header("x-other"), Some("kept"));
    for dropped in ["accept-ranges", "last-modified", "content-md5", "repr-digest"] {
        assert_eq!(received.header(dropped), None, "{dropped}");
    }
}

#[tokio::test]
async fn an_answer_in_chunks_is_transformed_whole() {
    let body = TestBody { chunks: vec!["<a>te", "x", "t</a>"], ..TestBody::default() };
    let (received, _) = send(&layer(), request(&[]), answer(&[("content-type", "text/xml")], body)).await;
    assert_eq!(received.text(), HTML);
}

#[tokio::test]
async fn other_answers_stream_through_untouched() {
    for content_type in ["text/html", "application/json", "text/plain"] {
        let headers = [("content-type", content_type), ("etag", "\"abc\""), ("accept-ranges", "bytes")];
        let body = TestBody { chunks: vec!["<a>", "b"], ..TestBody::default() };
        let (received, _) = send(&layer(), request(&[]), answer(&headers, body)).await;
        assert_eq!(received.text(), "<a>b");
        assert_eq!(received.header("etag"), Some("\"abc\""));
        assert_eq!(received.header("accept-ranges"), Some("bytes"));
    }
}

#[tokio::test]
async fn html_is_transformed_where_that_is_asked_for() {
    let layer = layer().input(InputKind::Html);
    let body = || TestBody::of("<p>te<br>xt");
    let (received, _) = send(&layer, request(&[]), answer(&[("content-type", "text/html")], body())).await;
    assert_eq!(received.text(), HTML);
    let (received, _) = send(&layer, request(&[]), answer(&[("content-type", "text/xml")], body())).await;
    assert_eq!(received.text(), "<p>te<br>xt");
}

#[tokio::test]
async fn the_charset_of_the_content_type_goes_before_the_document() {
    let headers = [("content-type", "text/xml; charset=iso-8859-1")];
    let body = TestBody::of("<?xml version='1.0' encoding='UTF-8'?><a>Ã©</a>");
    let (received, _) = send(&layer(), request(&[]), answer(&headers, body)).await;
    assert_eq!(received.text(), "<b title=\"\">Ã\u{83}Â©</b>\n");
}

#[tokio::test]
async fn a_byte_order_mark_goes_before_the_charset_of_the_content_type() {
    let headers = [("content-type", "text/xml; charset=iso-8859-1")];
    let body = TestBody::of("\u{feff}<a>é</a>");
    let (received, _) = send(&layer(), request(&[]), answer(&headers, body)).await;
    assert_eq!(received.text(), "<b title=\"\">é</b>\n");
}

#[tokio::test]
async fn parameters_come_from_the_request() {
    let layer = layer().params(|parts| vec![("p".to_owned(), parts.uri.to_string())]);
    let (received, _) =
        send(&layer, request(&[]), answer(&[("content-type", "text/xml")], TestBody::of(XML))).await;
    assert_eq!(received.text(), "<b title=\"/page?q\">text</b>\n");
}

#[tokio::test]
async fn the_service_is_asked_for_what_can_be_transformed() {
    let asked = [
        ("accept-encoding", "gzip"),
        ("range", "bytes=0-1"),
        ("if-range", "\"abc\""),
        ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("accept", "text/html"),
    ];
    let (_, seen) = send(&layer(), request(&asked), answer(&[], TestBody::default())).await;
    assert_eq!(seen, HeaderMap::from_iter([(header::ACCEPT, "text/html".parse().unwrap())]));
}

#[tokio::test]
async fn a_conditional_request_is_answered_by_the_service() {
    let layer = layer();
    let headers = [("content-type", "text/xml"), ("etag", "\"abc\"")];
    let (received, _) = send(&layer, request(&[]), answer(&headers, TestBody::of(XML))).await;
    let tag = received.header("etag").unwrap().to_owned();
    assert!(tag.starts_with("\"abc-xslt-"), "{tag}");

    let mut not_modified = answer(&[("etag", "\"abc\"")], TestBody::default());
    *not_modified.status_mut() = StatusCode::NOT_MODIFIED;
    let (received, seen) = send(&layer, request(&[("if-none-match", &tag)]), not_modified).await;
    assert_eq!(seen[header::IF_NONE_MATCH], "\"abc\"");
    assert_eq!((received.status, received.header("etag")), (StatusCode::NOT_MODIFIED, Some(tag.as_str())));
}

#[tokio::test]
async fn a_tag_of_other_parameters_confirms_nothing() {
    let tag = |value: &'static str| async move {
        let layer = layer().params(move |_| vec![("p".to_owned(), value.to_owned())]);
        let headers = [("content-type", "text/xml"), ("etag", "\"abc\"")];
        let (received, _) = send(&layer, request(&[]), answer(&headers, TestBody::of(XML))).await;
        (received.header("etag").unwrap().to_owned(), layer)
    };
    let ((one, _), (other, layer)) = (tag("one").await, tag("other").await);
    assert_ne!(one, other);
    let (_, seen) = send(&layer, request(&[("if-none-match", &one)]), answer(&[], TestBody::default())).await;
    assert_eq!(seen.get(header::IF_NONE_MATCH), None);
}

#[tokio::test]
async fn head_gets_the_headers_of_the_result() {
    let headers = [("content-type", "text/xml"), ("content-length", "11"), ("etag", "\"abc\"")];
    let mut asked = request(&[]);
    *asked.method_mut() = http::Method::HEAD;
    let (received, _) = send(&layer(), asked, answer(&headers, TestBody::default())).await;
    assert_eq!(received.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(received.header("content-length"), None);
    assert!(received.header("etag").unwrap().starts_with("\"abc-xslt-"));
}

#[tokio::test]
async fn answers_without_a_whole_body_are_left_alone() {
    for status in [StatusCode::NO_CONTENT, StatusCode::PARTIAL_CONTENT, StatusCode::FOUND] {
        let mut answer = answer(&[("content-type", "text/xml"), ("etag", "\"abc\"")], TestBody::default());
        *answer.status_mut() = status;
        let (received, _) = send(&layer(), request(&[]), answer).await;
        assert_eq!(
            (received.status, received.text(), received.header("etag")),
            (status, "", Some("\"abc\""))
        );
    }
}

#[tokio::test]
async fn a_body_that_is_declared_too_large_is_not_read() {
    let mut limits = Limits::default();
    limits.input_bytes = 10;
    let layer = layer().limits(limits);
    let reads = Arc::new(AtomicUsize::new(0));
    let body = TestBody { reads: Some(Arc::clone(&reads)), ..TestBody::of(XML) };
    let (received, _) = send(&layer, request(&[]), answer(&[("content-type", "text/xml")], body)).await;
    assert_eq!((received.status, reads.load(Ordering::Relaxed)), (StatusCode::BAD_GATEWAY, 0));

    let body = TestBody { declared: false, ..TestBody::of(XML) };
    let (received, _) = send(&layer, request(&[]), answer(&[("content-type", "text/xml")], body)).await;
    assert_eq!(received.status, StatusCode::BAD_GATEWAY);
    assert_eq!(
        received.error.unwrap().to_string(),
        "keep the transform within its limits: the document is larger than input_bytes"
    );
}

/// A service that must be polled ready before each call, as tower demands.
#[derive(Default)]
struct Strict {
    ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Service<Request<Body<Full<Bytes>>>> for Strict {
    type Response = Response<TestBody>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<TestBody>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body<Full<Bytes>>>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called before it was ready");
        std::future::ready(Ok(answer(&[("content-type", "text/xml")], TestBody::of(XML))))
    }
}

#[tokio::test]
async fn the_service_that_was_ready_is_the_one_that_is_called() {
    let mut service = layer().layer(Strict::default());
    for _ in 0..3 {
        let response = service.ready().await.unwrap().call(request(&[])).await;
        assert_eq!(Received::read(response).await.text(), HTML);
    }
}
