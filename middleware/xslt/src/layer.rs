//! The layer: which bodies are transformed, and what the headers around them become.

mod accept;
mod answer;
mod client;
mod etag;
mod fetch;
mod from_document;
mod headers;
mod media_type;
mod otherwise;
mod request;
mod response;
mod result;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use tower::{Layer, Service};

use crate::body::{Body, BoxError};
use crate::cache::Cache;
use crate::error::XsltError;
use crate::input::InputKind;
use crate::limits::Limits;
use crate::output::OutputKind;
use crate::pool::Pool;
use crate::sheet::Stylesheet;

pub use answer::{answer, debug_answer};
pub use fetch::{FetchDocument, Fetching, FindSheet};
pub use otherwise::{Otherwise, StoodIn};

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
    source: Source,
    documents: Option<Arc<dyn FetchDocument>>,
    pool: Option<Pool>,
    on: On,
    input: InputKind,
    output: Option<OutputKind>,
    limits: Arc<Limits>,
    cache: Option<Cache>,
    params: Arc<MakeParams>,
    on_error: Arc<MakeAnswer>,
    /// The same for all clones, as the sheet: it may be one, too
    otherwise: Arc<RwLock<Otherwise>>,
}

/// Where the stylesheet comes from.
#[derive(Clone)]
enum Source {
    /// The same for all clones of a layer and all its services
    Given(Arc<RwLock<Stylesheet>>),
    FromDocument(Arc<dyn FindSheet>),
}

fn current<T: Clone>(given: &RwLock<T>) -> T {
    given.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn replace<T>(given: &RwLock<T>, next: T) {
    *given.write().unwrap_or_else(PoisonError::into_inner) = next;
}

impl XsltLayer {
    /// Transforms answers with this stylesheet, without parameters, within the default limits, on the shared pool.
    pub fn new(stylesheet: Stylesheet) -> Self {
        Self::with(Source::Given(Arc::new(RwLock::new(stylesheet))))
    }

    /// Transforms XML answers with the stylesheet that each names by its `xml-stylesheet` instruction, for clients that would
    /// rather have HTML. All others get the XML as it is, and `Vary: Accept` says so.
    pub fn from_document(sheets: impl FindSheet) -> Self {
        Self::with(Source::FromDocument(Arc::new(sheets)))
    }

    fn with(source: Source) -> Self {
        Self {
            source,
            documents: None,
            pool: None,
            on: On::default(),
            input: InputKind::default(),
            output: None,
            limits: Arc::default(),
            cache: None,
            params: Arc::new(|_| Vec::new()),
            on_error: Arc::new(answer),
            otherwise: Arc::default(),
        }
    }

    /// Compiles the sheets again, from the same files, and that of [`Otherwise::Fallback`]. Requests that come afterwards are
    /// transformed by the new ones, also in services that were made before; if one of them fails, all of the last good ones stay.
    /// Sheets that documents name are not concerned.
    ///
    /// It blocks while files are read, as [`Stylesheet::compile`] does.
    pub fn reload(&self) -> Result<(), XsltError> {
        let next = self.stylesheet().map(|stylesheet| stylesheet.compile_again()).transpose()?;
        let otherwise = current(&self.otherwise).compile_again()?;
        if let (Source::Given(given), Some(next)) = (&self.source, next) {
            replace(given, next);
        }
        replace(&self.otherwise, otherwise);
        Ok(())
    }

    /// The sheets that are applied now; `None` where documents name them.
    pub fn stylesheet(&self) -> Option<Stylesheet> {
        match &self.source {
            Source::Given(given) => Some(current(given)),
            Source::FromDocument(_) => None,
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

    /// Chooses how results are written: as the sheets say, or as HTML for browsers. The default is up to each [`Stylesheet`], see
    /// [`Stylesheet::writing`].
    #[must_use]
    pub fn output(mut self, output: OutputKind) -> Self {
        self.output = Some(output);
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

    /// Sets who fetches what `document()` reads beside files.
    #[must_use]
    pub fn documents(mut self, documents: impl FetchDocument) -> Self {
        self.documents = Some(Arc::new(documents));
        self
    }

    /// Sets the limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Arc::new(limits);
        self
    }

    /// Keeps results in this cache, and finds them by sheet, parameters, and the document's strong tag or its bytes. The header
    /// `Cache-Status` tells. Documents without a tag get one, so that who asks again is answered 304 without a transform.
    /// Results of sheets that read other documents are not kept. Off by default.
    #[must_use]
    pub fn cache(mut self, cache: Cache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Sets the threads to run on.
    #[must_use]
    pub fn pool(mut self, pool: Pool) -> Self {
        self.pool = Some(pool);
        self
    }

    /// Sets what stands in for a result that cannot be made. The default is a failure.
    #[must_use]
    pub fn otherwise(mut self, otherwise: Otherwise) -> Self {
        self.otherwise = Arc::new(RwLock::new(otherwise));
        self
    }

    /// Makes the answers to failures, and decides what is logged of them. The default is [`answer`]; [`debug_answer`] shows
    /// more. The error itself travels in the extensions of the answer, as `Arc<XsltError>`. Where something else stands in
    /// ([`Otherwise`]), the answer made here goes unused.
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
        let mut debug = f.debug_struct("XsltLayer");
        if let Some(stylesheet) = self.stylesheet() {
            debug.field("stylesheet", &stylesheet);
        }
        debug.field("on", &self.on).finish_non_exhaustive()
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
        match (&transform.settings.source, transform.settings.on) {
            (Source::FromDocument(sheets), _) => {
                let sheets = Arc::clone(sheets);
                Box::pin(async move { from_document::pass(inner, &transform, &*sheets, request).await })
            }
            // The same sheet from request to answer, whatever is reloaded meanwhile.
            (Source::Given(given), On::Response) => {
                let sheet = transform.set(current(given));
                Box::pin(async move { response::pass(inner, &transform, &sheet, request).await })
            }
            (Source::Given(given), On::Request) => {
                let sheet = transform.set(current(given));
                Box::pin(async move { request::pass(inner, &transform, &sheet, request).await })
            }
        }
    }
}

/// What both directions share.
struct Transform {
    settings: XsltLayer,
    pool: Pool,
}

impl Transform {
    /// Reads a body whole.
    async fn read<B>(&self, headers: &HeaderMap, body: B) -> Result<Bytes, XsltError>
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
    {
        if let Some(encoding) = headers::content_encoding(headers) {
            return Err(XsltError::ContentEncoding(encoding));
        }
        crate::body::collect(body, self.settings.limits.input_bytes).await
    }

    /// The request as it was, if documents are to be fetched in its name.
    fn asked(&self, stylesheet: &Stylesheet, parts: &Parts) -> Option<Parts> {
        let documents = self.settings.documents.as_ref()?;
        let otherwise = current(&self.settings.otherwise);
        let mut sheets = otherwise.fallback().into_iter().chain([stylesheet]);
        (sheets.any(|sheet| !sheet.documents().is_empty()) || documents.lists_some()).then(|| parts.clone())
    }

    /// The sheets, with their output as this layer has it.
    fn set(&self, stylesheet: Stylesheet) -> Stylesheet {
        match self.settings.output {
            Some(output) => stylesheet.writing(output),
            None => stylesheet,
        }
    }

    /// Tells the results of this layer from those of one with other sheets or settings.
    fn fingerprint(&self, stylesheet: &Stylesheet) -> u64 {
        let mut hash = DefaultHasher::new();
        (stylesheet.fingerprint(), self.settings.input).hash(&mut hash);
        hash.finish()
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
