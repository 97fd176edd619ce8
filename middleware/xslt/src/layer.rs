//! The layer: which bodies are transformed, and what the headers around them become.

mod answer;
mod etag;
mod media_type;
mod request;
mod response;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use tower::{Layer, Service};

use crate::body::{Body, BoxError};
use crate::error::XsltError;
use crate::input::InputKind;
use crate::limits::Limits;
use crate::output::Output;
use crate::pool::{Pool, Task};
use crate::sheet::Stylesheet;

pub use answer::answer;

/// Which bodies the layer transforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum On {
    /// Those of answers
    #[default]
    Response,
    /// Those of requests, before the service sees them
    Request,
}

type MakeParams = dyn Fn(&Parts) -> Vec<(String, String)> + Send + Sync;
type MakeAnswer = dyn Fn(&XsltError, On) -> Response<Bytes> + Send + Sync;

/// Transforms the XML (or HTML) bodies that pass through it. See the [crate's documentation](crate).
#[derive(Clone)]
pub struct XsltLayer {
    stylesheet: Stylesheet,
    pool: Option<Pool>,
    on: On,
    input: InputKind,
    limits: Arc<Limits>,
    params: Arc<MakeParams>,
    on_error: Arc<MakeAnswer>,
}

impl XsltLayer {
    /// Transforms answers with this stylesheet, without parameters, within the default limits, on the shared pool.
    pub fn new(stylesheet: Stylesheet) -> Self {
        Self {
            stylesheet,
            pool: None,
            on: On::default(),
            input: InputKind::default(),
            limits: Arc::default(),
            params: Arc::new(|_| Vec::new()),
            on_error: Arc::new(answer),
        }
    }

    /// Chooses between answers and requests.
    #[must_use]
    pub fn on(mut self, on: On) -> Self {
        self.on = on;
        self
    }

    /// Chooses the parser, and with it the media types that are transformed: XML (text/xml, application/xml and all
    /// +xml), or HTML (text/html and application/xhtml+xml).
    #[must_use]
    pub fn input(mut self, input: InputKind) -> Self {
        self.input = input;
        self
    }

    /// Makes the sheets' parameters from each request. They arrive as strings, whatever they hold.
    #[must_use]
    pub fn params(
        mut self,
        params: impl Fn(&Parts) -> Vec<(String, String)> + Send + Sync + 'static,
    ) -> Self {
        self.params = Arc::new(params);
        self
    }

    /// Sets the limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Arc::new(limits);
        self
    }

    /// Sets the threads to run on.
    #[must_use]
    pub fn pool(mut self, pool: Pool) -> Self {
        self.pool = Some(pool);
        self
    }

    /// Makes the answers to failures, and decides what is logged of them. The default is [`answer`]. The error itself
    /// travels in the extensions of the answer, as `Arc<XsltError>`.
    #[must_use]
    pub fn on_error(
        mut self,
        on_error: impl Fn(&XsltError, On) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self.on_error = Arc::new(on_error);
        self
    }
}

impl std::fmt::Debug for XsltLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("XsltLayer")
            .field("stylesheet", &self.stylesheet)
            .field("on", &self.on)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for XsltLayer {
    type Service = Xslt<S>;

    fn layer(&self, inner: S) -> Xslt<S> {
        let pool = self.pool.clone().unwrap_or_else(Pool::shared);
        Xslt { inner, transform: Arc::new(Transform { settings: self.clone(), pool }) }
    }
}

/// The service that [`XsltLayer`] makes.
#[derive(Clone)]
pub struct Xslt<S> {
    inner: S,
    transform: Arc<Transform>,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Xslt<S>
where
    S: Service<Request<Body<ReqB>>, Response = Response<ResB>, Future: Send> + Clone + Send + 'static,
    ReqB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body<ResB>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        // The one that was polled ready is used, and its clone is left behind, to be polled the next time.
        let next = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, next);
        let transform = Arc::clone(&self.transform);
        match transform.settings.on {
            On::Response => Box::pin(async move { response::pass(inner, &transform, request).await }),
            On::Request => Box::pin(async move { request::pass(inner, &transform, request).await }),
        }
    }
}

/// What both directions share.
struct Transform {
    settings: XsltLayer,
    pool: Pool,
}

impl Transform {
    /// Reads a body and transforms it.
    async fn run<B>(
        &self,
        headers: &HeaderMap,
        body: B,
        params: Vec<(String, String)>,
    ) -> Result<Output, XsltError>
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
    {
        if let Some(encoding) = content_encoding(headers) {
            return Err(XsltError::ContentEncoding(encoding));
        }
        let settings = &self.settings;
        let document = crate::body::collect(body, settings.limits.input_bytes).await?;
        let task = Task {
            stylesheet: settings.stylesheet.clone(),
            document,
            kind: settings.input,
            charset: media_type::charset(headers),
            params,
            limits: Arc::clone(&settings.limits),
        };
        self.pool.transform(task).await
    }

    /// True for headers of a body that is transformed.
    fn concerns(&self, headers: &HeaderMap) -> bool {
        media_type::matches(headers, self.settings.input)
    }

    fn fail<B>(&self, error: XsltError) -> Response<Body<B>> {
        let mut answer = (self.settings.on_error)(&error, self.settings.on).map(Body::Full);
        answer.extensions_mut().insert(Arc::new(error));
        answer
    }
}

/// What stands in Content-Encoding, if it says that the body is compressed.
fn content_encoding(headers: &HeaderMap) -> Option<String> {
    let encoding = headers.get(header::CONTENT_ENCODING)?;
    let text = String::from_utf8_lossy(encoding.as_bytes()).trim().to_owned();
    (!text.is_empty() && !text.eq_ignore_ascii_case("identity")).then_some(text)
}

/// Headers that describe the bytes of a body that is no more.
const OF_THE_BYTES: [HeaderName; 7] = [
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TRAILER,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

fn forget_bytes(headers: &mut HeaderMap) {
    for name in OF_THE_BYTES {
        headers.remove(name);
    }
}

/// Describes the result instead.
fn describe(headers: &mut HeaderMap, output: &Output) {
    forget_bytes(headers);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(output.bytes.len()));
    set_content_type(headers, Some(&output.content_type));
}

/// A type that is unknown, or that no header can carry, is better left out than wrong.
fn set_content_type(headers: &mut HeaderMap, content_type: Option<&str>) {
    match content_type.and_then(|value| HeaderValue::from_str(value).ok()) {
        Some(value) => headers.insert(header::CONTENT_TYPE, value),
        None => headers.remove(header::CONTENT_TYPE),
    };
}
