//! What is sent through the layer, and what comes of it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt as _, Full};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_xslt::{Body, BoxError, On, Policy, StoodIn, Stylesheet, XsltError, XsltLayer};

pub(crate) const SHEET: &str = r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="html" encoding="UTF-8"/><xsl:param name="p"/>
  <xsl:template match="/"><b title="{$p}"><xsl:value-of select="."/></b></xsl:template>
</xsl:stylesheet>"#;
pub(crate) const XML: &str = "<a>text</a>";
pub(crate) const HTML: &str = "<b title=\"\">text</b>\n";

pub(crate) type Exchange = Result<Response<Body<TestBody>>, Infallible>;

pub(crate) fn stylesheet() -> Stylesheet {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sheet.xsl");
    std::fs::write(&file, SHEET).unwrap();
    Stylesheet::compile([file], &Policy::default()).unwrap()
}

pub(crate) fn layer() -> XsltLayer {
    XsltLayer::new(stylesheet())
}

/// A body in chunks, with or without a declared length, that may break off.
#[derive(Default)]
pub(crate) struct TestBody {
    pub(crate) chunks: Vec<&'static str>,
    pub(crate) breaks: bool,
    pub(crate) declared: bool,
    pub(crate) reads: Option<Arc<AtomicUsize>>,
}

impl TestBody {
    pub(crate) fn of(text: &'static str) -> Self {
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
pub(crate) fn answer(headers: &[(&str, &str)], body: TestBody) -> Response<TestBody> {
    let mut response = Response::builder();
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body).unwrap()
}

pub(crate) fn request(headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let mut request = Request::builder().uri("/page?q");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::default()).unwrap()
}

/// Sends one request through the layer, to a service that gives this answer; and what that service saw.
pub(crate) async fn send(
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
pub(crate) struct Received {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) error: Option<Arc<XsltError>>,
    pub(crate) stood_in: Option<Arc<XsltError>>,
}

impl Received {
    pub(crate) async fn read(response: Exchange) -> Self {
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

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        &self.body
    }
}

/// Sends a body through a layer on requests, to a service that answers with what it got.
pub(crate) async fn post(layer: XsltLayer, content_type: &str, body: TestBody) -> (Received, HeaderMap) {
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
