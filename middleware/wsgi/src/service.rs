//! The service: a request becomes a job in its application's queue, and the answer comes back from one of its threads.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use handoff::{Hub, Queue, Refused};
use http::request::Parts;
use http::{Request, Response};
use tokio::sync::oneshot;
use tower::Service;

use crate::body::Body;
use crate::input::{BoxError, Input};
use crate::outgoing::Outcome;
use crate::request::{Gather, GatherError, InputMode, Job, Plan};

thread_local! {
    static HUB: handoff::Kept<Outcome> = const { RefCell::new(None) };
}

/// A WSGI application that was imported, as a service. Clones share its threads and its queue.
///
/// A request's extensions must hold its [`Environ`](http_environ::Environ), and the service must be called within a
/// runtime of tokio that has its timers enabled.
#[derive(Clone)]
pub struct Application {
    name: Arc<str>,
    queue: Arc<Queue<Job>>,
    input: InputMode,
}

/// Why a request has no answer of its application.
#[derive(Debug, thiserror::Error)]
pub enum WsgiError {
    /// As many requests wait as may wait.
    #[error("the queue of the application {0} is full")]
    QueueFull(Arc<str>),
    /// The application is being shut down.
    #[error("the application {0} is shutting down")]
    Draining(Arc<str>),
    /// The application failed before its answer began; the log has its traceback.
    #[error("the application {0} failed")]
    ApplicationFailed(Arc<str>),
    /// The body of the request could not be had.
    #[error("failed to get the body of the request")]
    Body(#[from] GatherError),
}

impl Application {
    pub(crate) fn new(name: Arc<str>, queue: Arc<Queue<Job>>, input: InputMode) -> Self {
        Self { name, queue, input }
    }

    /// The name that the settings gave it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Answers a request; an application is always ready to take one, and refuses it if it must.
    pub fn answer<B>(&self, request: Request<B>) -> ResponseFuture
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = request.into_parts();
        let state = match Plan::new(&parts, body, self.input) {
            Plan::Ready(input, length) => self.submit(parts, input, length),
            Plan::Wait(gather) => State::Gather(Box::new((parts, gather))),
        };
        ResponseFuture { application: self.clone(), state }
    }

    fn submit(&self, parts: Parts, input: Input, length: Option<u64>) -> State {
        let hub = HUB.with(Hub::of_this_thread);
        let (reply, answer) = hub.reply();
        match hub.push(&self.queue, Job { parts, input, length, reply }) {
            Ok(()) => State::Answer(answer),
            Err(Refused::Full) => State::Failed(Some(WsgiError::QueueFull(Arc::clone(&self.name)))),
            Err(Refused::Closed) => State::Failed(Some(WsgiError::Draining(Arc::clone(&self.name)))),
        }
    }
}

impl fmt::Debug for Application {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Application").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for Application
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = WsgiError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), WsgiError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        self.answer(request)
    }
}

/// The answer of an application. Dropping it drops the request where it still waits.
#[derive(Debug)]
pub struct ResponseFuture {
    application: Application,
    state: State,
}

enum State {
    Gather(Box<(Parts, Gather)>),
    Answer(oneshot::Receiver<Outcome>),
    Failed(Option<WsgiError>),
}

impl fmt::Debug for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Gather(_) => "Gather",
            Self::Answer(_) => "Answer",
            Self::Failed(_) => "Failed",
        })
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<Body>, WsgiError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match &mut self.state {
                State::Gather(gather) => {
                    let (input, length) = ready!(gather.1.as_mut().poll(context))?;
                    let State::Gather(gather) = std::mem::replace(&mut self.state, State::Failed(None))
                    else {
                        unreachable!("it was being gathered a moment ago")
                    };
                    self.application.submit(gather.0, input, length)
                }
                State::Answer(answer) => {
                    let outcome = ready!(Pin::new(answer).poll(context));
                    // A thread that is lost answers nothing.
                    let lost = |_| Err(WsgiError::ApplicationFailed(Arc::clone(&self.application.name)));
                    return Poll::Ready(outcome.unwrap_or_else(lost));
                }
                State::Failed(error) => {
                    return Poll::Ready(Err(error.take().expect("a future is not polled after its end")));
                }
            };
            self.state = next;
        }
    }
}
