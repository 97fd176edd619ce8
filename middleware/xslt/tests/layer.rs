//! The layer around small services, as a client and a service see it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt as _, Full};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};
use tower_xslt::{
    Body, BoxError, InputKind, Limits, On, Otherwise, Policy, Pool, StoodIn, Stylesheet, XsltError,
    XsltLayer, debug_answer,
};

const SHEET: &str = r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="html" encoding="UTF-8"/><xsl:param name="p"/>
  <xsl:template match="/"><b title="{$p}"><xsl:value-of select="."/></b></xsl:template>
</xsl:stylesheet>"#;
const XML: &str = "<a>text</a>";
const HTML: &str = "<b title=\"\">text</b>\n";

type Exchange = Result<Response<Body<TestBody>>, Infallible>;

fn stylesheet() -> Stylesheet {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sheet.xsl");
    std::fs::write(&file, SHEET).unwrap();
    Stylesheet::compile([file], &Policy::default()).unwrap()
}

fn layer() -> XsltLayer {
    XsltLayer::new(stylesheet())
}

/// A body in chunks, with or without a declared length, that may break off.
#[derive(Default)]
struct TestBody {
    chunks: Vec<&'static str>,
    breaks: bool,
    declared: bool,
    reads: Option<Arc<AtomicUsize>>,
}

impl TestBody {
    fn of(text: &'static str) -> Self {
        Self { chunks: vec![text], declared: true, ..Self::default() }
    }
}

impl http_body::Body for TestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(reads) = &self.reads {
            reads.fetch_add(1, Ordering::Relaxed);
        }
        Poll::Ready(match (self.chunks.is_empty(), self.breaks) {
            (true, true) => Some(Err("the connection was reset".into())),
            (true, false) => None,
            (false, _) => Some(Ok(Frame::data(Bytes::from(self.chunks.remove(0))))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.chunks.is_empty() && !self.breaks
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.chunks.iter().map(|chunk| chunk.len() as u64).sum();
        if self.declared { SizeHint::with_exact(length) } else { SizeHint::default() }
    }
}

/// An answer with these headers.
fn answer(headers: &[(&str, &str)], body: TestBody) -> Response<TestBody> {
    let mut response = Response::builder();
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body).unwrap()
}

fn request(headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let mut request = Request::builder().uri("/page?q");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::default()).unwrap()
}

/// Sends one request through the layer, to a service that gives this answer; and what that service saw.
async fn send(
    layer: &XsltLayer,
    request: Request<Full<Bytes>>,
    answer: Response<TestBody>,
) -> (Received, HeaderMap) {
    let seen = Arc::new(Mutex::new(HeaderMap::new()));
    let (answer, noted) = (Arc::new(Mutex::new(Some(answer))), Arc::clone(&seen));
    let service = service_fn(move |request: Request<Body<Full<Bytes>>>| {
        *noted.lock().unwrap() = request.headers().clone();
        let answer = answer.lock().unwrap().take().unwrap();
        async { Ok::<_, Infallible>(answer) }
    });
    let received = Received::read(layer.layer(service).oneshot(request).await).await;
    let seen = seen.lock().unwrap().clone();
    (received, seen)
}

/// An answer, read whole.
struct Received {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
    error: Option<Arc<XsltError>>,
    stood_in: Option<Arc<XsltError>>,
}

impl Received {
    async fn read(response: Exchange) -> Self {
        let (head, mut body) = response.unwrap().into_parts();
        let mut whole = Vec::new();
        while let Some(frame) = body.frame().await {
            whole.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
        assert!(body.is_end_stream());
        let error = head.extensions.get::<Arc<XsltError>>().cloned();
        let stood_in = head.extensions.get::<StoodIn>().map(|stood_in| Arc::clone(&stood_in.0));
        Self {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(whole).unwrap(),
            error,
            stood_in,
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn text(&self) -> &str {
        &self.body
    }
}

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
async fn what_cannot_be_transformed_is_a_bad_gateway() {
    let broken = || TestBody { chunks: vec!["<a>text</a>"], breaks: true, ..TestBody::default() };
    let compressed = [("content-type", "text/xml"), ("content-encoding", "gzip")];
    for (headers, body, says) in [
        (&compressed[..1], TestBody::of("<a>"), "parse the document: document:1:4"),
        (&compressed[..1], TestBody::default(), "parse the document: document:1:1: Document is empty"),
        (&compressed[..1], broken(), "read the body"),
        (&compressed[..], TestBody::of(XML), "put a layer that decompresses it inside of this one"),
    ] {
        let (received, _) = send(&layer(), request(&[]), answer(headers, body)).await;
        assert_eq!((received.status, received.text()), (StatusCode::BAD_GATEWAY, "502 Bad Gateway\n"));
        let error = received.error.unwrap().to_string();
        assert!(error.contains(says), "{error}");
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

/// Sends a body through a layer on requests, to a service that answers with what it got.
async fn post(layer: XsltLayer, content_type: &str, body: TestBody) -> (Received, HeaderMap) {
    let layer = layer.on(On::Request);
    let request =
        Request::post("/").header("content-type", content_type).header("transfer-encoding", "chunked");
    let seen = Arc::new(Mutex::new(HeaderMap::new()));
    let noted = Arc::clone(&seen);
    let echo = service_fn(move |request: Request<Body<TestBody>>| {
        *noted.lock().unwrap() = request.headers().clone();
        let untouched = matches!(request.body(), Body::Untouched(_));
        async move {
            let mut body = request.into_body();
            let mut text = String::new();
            while let Some(frame) = body.frame().await {
                text.push_str(std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap());
            }
            let chunks = if text.is_empty() { vec![] } else { vec![&*text.leak()] };
            let mut response = Response::new(TestBody { chunks, ..TestBody::default() });
            response.headers_mut().insert("x-untouched", untouched.to_string().parse().unwrap());
            Ok::<_, Infallible>(response)
        }
    });
    let received = Received::read(layer.layer(echo).oneshot(request.body(body).unwrap()).await).await;
    let seen = seen.lock().unwrap().clone();
    (received, seen)
}

#[tokio::test]
async fn a_request_is_transformed_before_the_service_sees_it() {
    let (received, seen) = post(layer(), "application/soap+xml", TestBody::of(XML)).await;
    assert_eq!(received.text(), HTML);
    assert_eq!(seen["content-type"], "text/html; charset=utf-8");
    assert_eq!(seen["content-length"], HTML.len().to_string());
    assert_eq!(seen.get("transfer-encoding"), None);
}

#[tokio::test]
async fn requests_without_xml_pass_untouched() {
    for (content_type, body) in [("application/json", TestBody::of("{}")), ("text/xml", TestBody::default())]
    {
        let (received, seen) = post(layer(), content_type, body).await;
        assert_eq!(received.header("x-untouched"), Some("true"));
        assert_eq!(seen["content-type"], content_type);
    }
}

#[tokio::test]
async fn a_bad_request_never_reaches_the_service() {
    let mut small = Limits::default();
    small.input_bytes = 10;
    for (layer, body, status) in [
        (layer(), TestBody::of("<a>"), StatusCode::BAD_REQUEST),
        (layer(), TestBody { breaks: true, ..TestBody::default() }, StatusCode::BAD_REQUEST),
        (layer().limits(small.clone()), TestBody::of(XML), StatusCode::PAYLOAD_TOO_LARGE),
        (
            layer().limits(small),
            TestBody { declared: false, ..TestBody::of(XML) },
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
    ] {
        let (received, seen) = post(layer, "text/xml", body).await;
        assert_eq!((received.status, seen.len()), (status, 0));
    }
}

#[tokio::test]
async fn the_answer_to_a_failure_is_the_users_to_make() {
    let layer = layer().on_error(|error, on| {
        let mut answer = Response::new(Bytes::from(format!("{on:?}: {error}")));
        *answer.status_mut() = StatusCode::IM_A_TEAPOT;
        answer
    });
    let (received, _) =
        send(&layer, request(&[]), answer(&[("content-type", "text/xml")], TestBody::of("<"))).await;
    assert_eq!(received.status, StatusCode::IM_A_TEAPOT);
    assert!(received.text().starts_with("Response: parse the document: "), "{}", received.text());
}

/// A layer whose sheet always ends itself.
fn failing() -> XsltLayer {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("failing.xsl");
    let body = r#"<xsl:message terminate="yes">no &lt;price></xsl:message>"#;
    std::fs::write(&file, SHEET.replace(r#"<xsl:value-of select="."/>"#, body)).unwrap();
    XsltLayer::new(Stylesheet::compile([file], &Policy::default()).unwrap())
}

const TAGGED: [(&str, &str); 3] =
    [("content-type", "text/xml"), ("etag", "\"abc\""), ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")];

#[tokio::test]
async fn the_document_may_pass_where_it_cannot_be_transformed() {
    let layer = failing().otherwise(Otherwise::Pass);
    let (received, _) = send(&layer, request(&[]), answer(&TAGGED, TestBody::of(XML))).await;
    assert_eq!((received.status, received.text()), (StatusCode::OK, XML));
    assert_eq!(received.header("content-type"), Some("text/xml"));
    assert_eq!((received.header("etag"), received.header("last-modified")), (None, None));
    assert!(matches!(received.stood_in.as_deref(), Some(XsltError::Terminated { .. })));

    let (received, _) = post(failing().otherwise(Otherwise::Pass), "text/xml", TestBody::of(XML)).await;
    assert_eq!(received.text(), XML);
    assert!(received.stood_in.is_some());
}

#[tokio::test]
async fn another_sheet_may_stand_in() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fallback.xsl");
    std::fs::write(&file, SHEET.replace(r#"name="p""#, r#"name="error""#).replace("$p", "$error")).unwrap();
    let fallback = Stylesheet::compile([file], &Policy::default()).unwrap();
    let layer = failing().otherwise(Otherwise::Fallback(fallback.clone()));
    let (received, _) = send(&layer, request(&[]), answer(&TAGGED, TestBody::of(XML))).await;
    assert_eq!(received.status, StatusCode::OK);
    assert!(
        received.text().contains("no &lt;price&gt;") && received.text().ends_with(">text</b>\n"),
        "{}",
        received.text()
    );
    assert_eq!(
        (received.header("content-type"), received.header("etag")),
        (Some("text/html; charset=utf-8"), None)
    );
    assert!(received.stood_in.is_some());

    // What no sheet can transform fails as ever.
    let (received, _) = send(&layer, request(&[]), answer(&TAGGED, TestBody::of("<a>"))).await;
    assert_eq!(received.status, StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn the_author_of_a_theme_may_see_what_went_wrong() {
    let (received, _) =
        send(&failing().on_error(debug_answer), request(&[]), answer(&TAGGED, TestBody::of(XML))).await;
    assert_eq!(received.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(received.header("content-type"), Some("text/html; charset=utf-8"));
    for part in ["The stylesheet ended itself", "no &lt;price&gt;", "match=&quot;/&quot;"] {
        assert!(received.text().contains(part), "{part} in {}", received.text());
    }
    let (received, _) = send(&failing(), request(&[]), answer(&TAGGED, TestBody::of(XML))).await;
    assert_eq!(received.text(), "500 Internal Server Error\n");
}

#[tokio::test]
async fn a_full_queue_and_a_late_result_have_their_statuses() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("slow.xsl");
    // With a thousand elements this is a matter of months.
    let (open, close) = (r#"<xsl:for-each select="//*">"#.repeat(4), "</xsl:for-each>".repeat(4));
    std::fs::write(&file, SHEET.replace(r#"<xsl:value-of select="."/>"#, &format!("{open}<x/>{close}")))
        .unwrap();
    let slow = Stylesheet::compile([file], &Policy::default()).unwrap();
    let mut limits = Limits::default();
    limits.time = Duration::from_millis(500);
    limits.operations = u64::MAX;
    let layer = XsltLayer::new(slow).pool(Pool::new(1, 1)).limits(limits);
    let document: &'static str = format!("<a>{}</a>", "<e/>".repeat(1_000)).leak();
    let service = service_fn(move |_: Request<Body<Full<Bytes>>>| async move {
        Ok::<_, Infallible>(answer(&[("content-type", "text/xml")], TestBody::of(document)))
    });
    let service = layer.layer(service);
    let requests = (0..8).map(|_| tokio::spawn(service.clone().oneshot(request(&[]))));
    let requests: Vec<_> = requests.collect();
    let mut statuses = Vec::new();
    for request in requests {
        let received = Received::read(request.await.unwrap()).await;
        if received.status == StatusCode::SERVICE_UNAVAILABLE {
            assert_eq!(received.header("retry-after"), Some("1"));
        }
        statuses.push(received.status);
    }
    assert!(statuses.contains(&StatusCode::SERVICE_UNAVAILABLE), "{statuses:?}");
    assert!(statuses.contains(&StatusCode::GATEWAY_TIMEOUT), "{statuses:?}");
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
