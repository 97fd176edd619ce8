//! The service: a request becomes a job in its application's queue, and the answer comes back from one of its threads.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use handoff::{Answer, Hubs, Kept, Lost, Refused};
use http::request::Parts;
use http::{Request, Response};
use http_environ::{Environ, RequestId};
use tower::Service;

use crate::body::Body;
use crate::crew::Crew;
use crate::input::BoxError;
use crate::outgoing::Outcome;
use crate::request::{Call, Gather, GatherError, InputMode, Job, Plan};

static HUBS: Hubs<Box<Call>> = Hubs::new();

thread_local! {
    static HUB: Kept<Box<Call>> = const { Kept::of(&HUBS) };
}

/// A WSGI application that was imported, as a service. Clones share its threads and its queue.
///
/// A request's extensions must hold its [`Environ`](http_environ::Environ), and its answer must be awaited within a
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
            Plan::Ready(input, length) => State::New(Call::new(parts, input, length)),
            Plan::Wait(gather) => State::Gather(Box::new((parts, gather))),
        };
        ResponseFuture { application: self.clone(), state }
    }

    /// Hands a request over; this task waits for its answer from now on.
    fn submit(&self, mut call: Box<Call>, context: &Context<'_>) -> Result<Waiting, WsgiError> {
        let environ = call.parts.extensions.get::<Environ>();
        let id = environ.map(|environ| environ.request_id.clone()).unwrap_or_default();
        call.queued = environ.and_then(Environ::asking).map(|_| Instant::now());
        let hub = HUB.with(Kept::hub);
        let (reply, answer) = hub.reply_to(context.waker(), self.crew.allowance.timeout);
        let pushed = hub.push(&self.crew.queue, Job { call, reply });
        let name = || Arc::clone(&self.crew.host.name);
        let number = pushed.map_err(|refused| match refused {
            Refused::Full => WsgiError::QueueFull(name()),
            Refused::Closed => WsgiError::Draining(name()),
        })?;
        self.crew.count_request(number);
        Ok(Waiting { answer, number, id })
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
    New(Box<Call>),
    Answer(Waiting),
    /// It has its outcome.
    Over,
}

/// A request that was handed over.
struct Waiting {
    answer: Answer<Box<Call>>,
    number: u64,
    /// How the log names it.
    id: RequestId,
}

impl fmt::Debug for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Gather(_) => "Gather",
            Self::New(_) => "New",
            Self::Answer(_) => "Answer",
            Self::Over => "Over",
        })
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<Body>, WsgiError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let State::Gather(gather) = &mut this.state {
            let (input, length) = ready!(gather.1.as_mut().poll(context))?;
            if let State::Gather(gather) = std::mem::replace(&mut this.state, State::Over) {
                this.state = State::New(Call::new(gather.0, input, length));
            }
        }
        if let State::Answer(waiting) = &mut this.state {
            let answered = ready!(Pin::new(&mut waiting.answer).poll(context));
            let outcome = waiting.outcome(answered, this.application.crew);
            this.state = State::Over;
            return Poll::Ready(outcome);
        }
        match std::mem::replace(&mut this.state, State::Over) {
            State::New(call) => this.state = State::Answer(this.application.submit(call, context)?),
            _ => panic!("a future is not polled after its end"),
        }
        // It wakes this task, which need not ask before.
        Poll::Pending
    }
}

impl Waiting {
    fn outcome(&mut self, answered: Result<Box<Call>, Lost>, crew: &'static Crew) -> Outcome {
        let name = || Arc::clone(&crew.host.name);
        let failed = || Err(WsgiError::ApplicationFailed(name()));
        match answered {
            Ok(mut call) => call.outcome.take().unwrap_or_else(failed),
            // A thread that is lost answers nothing.
            Err(Lost::GivenUp) => failed(),
            Err(Lost::Late) => {
                let time = crew.allowance.timeout.unwrap_or_default();
                // Either it still waits, and no thread will ever see it, or it has been begun.
                if crew.queue.take_back(self.number).is_some() {
                    return Err(WsgiError::NotBegun(name(), time));
                }
                crew.give_up(self.number, std::mem::take(&mut self.id));
                Err(WsgiError::TooSlow(name(), time))
            }
        }
    }
}

impl Drop for ResponseFuture {
    fn drop(&mut self) {
        // The client has left: its request shall not keep others out of the queue.
        if let State::Answer(waiting) = &mut self.state {
            waiting.answer.close();
            drop(self.application.crew.queue.take_back(waiting.number));
        }
    }
}
