//! The service: a request becomes a job in its application's queue, and the answer comes back from one of its threads.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use handoff::{Answer, Hub, Lost, Refused};
use http::request::Parts;
use http::{Request, Response};
use http_environ::{Environ, RequestId};
use tower::Service;

use crate::body::Body;
use crate::crew::Crew;
use crate::deadline::Deadline;
use crate::input::{BoxError, Input};
use crate::outgoing::Answered;
use crate::request::{Call, Gather, GatherError, InputMode, Job, Plan};

thread_local! {
    static HUB: handoff::Kept = const { RefCell::new(None) };
}

/// A WSGI application that was imported, as a service. Clones share its threads and its queue.
///
/// A request's extensions must hold its [`Environ`](http_environ::Environ), and the service must be called within a
/// runtime of tokio that has its timers enabled. The extensions are dropped when the application is done with the request:
/// with its answer where that is given as a whole, else perhaps long before or after somebody has taken its beginning.
#[derive(Clone)]
pub struct Application {
    crew: &'static Crew,
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
    /// No thread was free for the request in all the time that it had; the application has not seen it.
    #[error("no thread of the application {0} was free within {1:?} (timeout)")]
    NotBegun(Arc<str>, Duration),
    /// The answer had not begun when the time was over; the log tells where its thread stands.
    #[error("the application {0} has not answered within {1:?} (timeout)")]
    TooSlow(Arc<str>, Duration),
    /// The application failed before its answer began; the log has its traceback.
    #[error("the application {0} failed")]
    ApplicationFailed(Arc<str>),
    /// The body of the request could not be had.
    #[error("failed to get the body of the request")]
    Body(#[from] GatherError),
}

impl Application {
    pub(crate) fn new(crew: &'static Crew, input: InputMode) -> Self {
        Self { crew, input }
    }

    /// The name that the settings gave it.
    pub fn name(&self) -> &str {
        &self.crew.host.name
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

    fn failed(&self) -> WsgiError {
        WsgiError::ApplicationFailed(Arc::clone(&self.crew.host.name))
    }

    /// Takes requests out of the queue that nobody waits for.
    fn forget_abandoned(&self) {
        self.crew.queue.drop_where(|job| job.reply.is_abandoned());
    }

    fn submit(&self, parts: Parts, input: Input, length: Option<u64>) -> State {
        let hub = HUB.with(Hub::of_this_thread);
        let (reply, answer) = hub.reply();
        let number = self.crew.number_request();
        let environ = parts.extensions.get::<Environ>();
        let queued = environ.and_then(Environ::asking).map(|_| Instant::now());
        let id = || environ.map(|environ| environ.request_id.clone()).unwrap_or_default();
        let deadline = self.crew.allowance.timeout.map(|timeout| (Deadline::after(timeout), id()));
        let name = || Arc::clone(&self.crew.host.name);
        let call = Box::new(Call { parts, input, length, queued });
        match hub.push(&self.crew.queue, Job { number, call, reply }) {
            Ok(()) => State::Answer(Waiting { answer, number, deadline }),
            Err(Refused::Full) => State::Failed(Some(WsgiError::QueueFull(name()))),
            Err(Refused::Closed) => State::Failed(Some(WsgiError::Draining(name()))),
        }
    }
}

impl fmt::Debug for Application {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Application").field("name", &self.name()).finish_non_exhaustive()
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
    Answer(Waiting),
    Failed(Option<WsgiError>),
}

/// A request that was handed over.
struct Waiting {
    answer: Answer<Answered>,
    number: u64,
    /// And how the log names the request.
    deadline: Option<(Deadline, RequestId)>,
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
        let this = &mut *self;
        loop {
            let next = match &mut this.state {
                State::Gather(gather) => {
                    let (input, length) = ready!(gather.1.as_mut().poll(context))?;
                    let State::Gather(gather) = std::mem::replace(&mut this.state, State::Failed(None))
                    else {
                        unreachable!("it was being gathered a moment ago")
                    };
                    this.application.submit(gather.0, input, length)
                }
                State::Answer(waiting) => {
                    let outcome = match Pin::new(&mut waiting.answer).poll(context) {
                        Poll::Ready(Ok(Answered { outcome, call })) => {
                            drop(call);
                            outcome
                        }
                        // A thread that is lost answers nothing.
                        Poll::Ready(Err(Lost)) => Err(this.application.failed()),
                        Poll::Pending => Err(ready!(waiting.poll_deadline(&this.application, context))),
                    };
                    this.state = State::Failed(None);
                    return Poll::Ready(outcome);
                }
                State::Failed(error) => {
                    return Poll::Ready(Err(error.take().expect("a future is not polled after its end")));
                }
            };
            this.state = next;
        }
    }
}

impl Waiting {
    fn poll_deadline(&mut self, application: &Application, context: &mut Context<'_>) -> Poll<WsgiError> {
        let Some((deadline, id)) = &mut self.deadline else { return Poll::Pending };
        ready!(deadline.poll(context));
        // Whoever takes the request from now on finds that nobody waits.
        self.answer.close();
        let crew = &application.crew;
        let (name, time) = (Arc::clone(&crew.host.name), crew.allowance.timeout.unwrap_or_default());
        if crew.give_up(self.number, std::mem::take(id)) {
            return Poll::Ready(WsgiError::TooSlow(name, time));
        }
        application.forget_abandoned();
        Poll::Ready(WsgiError::NotBegun(name, time))
    }
}

impl Drop for ResponseFuture {
    fn drop(&mut self) {
        // The client has left: its request shall not keep others out of the queue.
        if let State::Answer(waiting) = &mut self.state {
            waiting.answer.close();
            self.application.forget_abandoned();
        }
    }
}
