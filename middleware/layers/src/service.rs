//! What a stack is made of: tower services that never fail, and layers around them.
//!
//! Whoever fails answers with [`rescue`](mod@crate::rescue) to the cause, so that the layers outside of it (`access_log`,
//! `cors`, `response_headers`) see every answer.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower::util::Oneshot;
use tower::{Layer, Service};
use vestibule_config::Seen;

use crate::Body;

/// A request in the stack; its extensions hold an [`http_environ::Environ`].
pub type Request = http::Request<Body>;

/// An answer in the stack.
pub type Response = http::Response<Body>;

/// A boxed future that answers.
pub type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;

/// An infallible tower service behind a pointer: a backend, a router, or either within its layers. A clone is one count.
#[derive(Clone)]
pub struct BoxService(Arc<dyn Answering>);

trait Answering: Send + Sync {
    fn answer(&self, request: Request) -> Answer;
}

impl BoxService {
    /// Boxes a service. It is cloned for each request.
    pub fn new<S>(service: S) -> Self
    where
        S: Service<Request, Response = Response, Error = Infallible, Future: Send>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        Self(Arc::new(FromService(service)))
    }

    /// Boxes an asynchronous function.
    pub fn from_fn<F, Fut>(function: F) -> Self
    where
        F: Fn(Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Response> + Send + 'static,
    {
        Self(Arc::new(FromFn(function)))
    }

    /// Boxes a function that hands each request to another boxed service.
    pub fn from_answering<F>(function: F) -> Self
    where
        F: Fn(Request) -> Answer + Send + Sync + 'static,
    {
        Self(Arc::new(FromAnswering(function)))
    }

    /// Answers a request.
    pub fn answer(&self, request: Request) -> Answer {
        self.0.answer(request)
    }
}

impl Service<Request> for BoxService {
    type Response = Response;
    type Error = Infallible;
    type Future = Certain<Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Certain<Answer> {
        Certain(self.answer(request))
    }
}

/// A future that cannot fail, as tower wants it: its output becomes `Ok`.
pub struct Certain<F>(F);

impl<F: Future + Unpin> Future for Certain<F> {
    type Output = Result<F::Output, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(Ok)
    }
}

struct FromService<S>(S);

impl<S> Answering for FromService<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    fn answer(&self, request: Request) -> Answer {
        let answer = Oneshot::new(self.0.clone(), request);
        Box::pin(async { answer.await.unwrap_or_else(|never| match never {}) })
    }
}

struct FromFn<F>(F);

impl<F, Fut> Answering for FromFn<F>
where
    F: Fn(Request) -> Fut + Send + Sync,
    Fut: Future<Output = Response> + Send + 'static,
{
    fn answer(&self, request: Request) -> Answer {
        Box::pin((self.0)(request))
    }
}

struct FromAnswering<F>(F);

impl<F: Fn(Request) -> Answer + Send + Sync> Answering for FromAnswering<F> {
    fn answer(&self, request: Request) -> Answer {
        (self.0)(request)
    }
}

/// A layer around a [`BoxService`], behind a pointer.
#[derive(Clone)]
pub struct BoxLayer {
    wrap: Arc<dyn Fn(BoxService) -> BoxService + Send + Sync>,
    watched: Vec<Seen>,
    totals: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl BoxLayer {
    /// Boxes a tower layer.
    pub fn new<L>(layer: L) -> Self
    where
        L: Layer<BoxService> + Send + Sync + 'static,
        L::Service: Service<Request, Response = Response, Error = Infallible, Future: Send>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        Self {
            wrap: Arc::new(move |inner| BoxService::new(layer.layer(inner))),
            watched: Vec::new(),
            totals: None,
        }
    }

    /// Boxes an asynchronous function of a request and what is inside of the layer.
    pub fn from_fn<F, Fut>(function: F) -> Self
    where
        F: Fn(Request, BoxService) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Response> + Send + 'static,
    {
        let function = Arc::new(function);
        let wrap = Arc::new(move |inner: BoxService| {
            let function = Arc::clone(&function);
            BoxService::from_fn(move |request| function(request, inner.clone()))
        });
        Self { wrap, watched: Vec::new(), totals: None }
    }

    /// Asks for a new generation of workers when one of these files, which it was built from, changes.
    #[must_use]
    pub fn watching(mut self, files: Vec<Seen>) -> Self {
        self.watched = files;
        self
    }

    /// Has this called when a worker ends, to log what the layer has counted.
    #[must_use]
    pub fn telling(mut self, totals: impl Fn() + Send + Sync + 'static) -> Self {
        self.totals = Some(Arc::new(totals));
        self
    }

    /// Logs what the layer has counted.
    pub fn tell_totals(&self) {
        if let Some(totals) = &self.totals {
            totals();
        }
    }

    /// The files that it was built from and that are to be watched, and what they were like.
    pub fn watched(&self) -> &[Seen] {
        &self.watched
    }
}

impl Layer<BoxService> for BoxLayer {
    type Service = BoxService;

    fn layer(&self, inner: BoxService) -> BoxService {
        (self.wrap)(inner)
    }
}
