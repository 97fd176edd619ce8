//! A body made of another, piece by piece: what `compress` and `decompress` share.
//!
//! A step on a piece of some size leaves the I/O core (it runs on tokio's threads for blocking work); a small piece is done in
//! place, because the way to another thread and back would cost more than the work.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::ETAG;
use http::{HeaderMap, HeaderValue};
use http_body::{Body as _, Frame};
use tokio::task::JoinHandle;

use crate::{Body, BodyError};

/// Up to so many bytes are worked on in place: some ten microseconds' work, as much as the way to a thread and back.
const IN_PLACE: usize = 2 * 1024;

/// Makes a strong `ETag` weak: the bytes are others, and mean the same (RFC 9110 section 8.8.1).
pub(crate) fn weaken_etag(headers: &mut HeaderMap) {
    if let Some(tag) = headers.get_mut(ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/"))
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())
    {
        *tag = weak;
    }
}

/// What makes a body of another.
pub(crate) trait Transcoder: Send + 'static {
    /// Takes from the front of `input` and gives what is ready. A step is bounded: it takes and gives some 100 kB at most.
    fn step(&mut self, input: &mut Bytes, goal: Goal) -> Result<Step, BodyError>;
}

/// What a step should lead to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// To take the input; output may be kept back for a better result
    Take,
    /// To give out everything that was taken
    Flush,
    /// To end: no input comes after this
    End,
}

/// The outcome of a step.
pub(crate) struct Step {
    /// What is ready; it may be empty.
    pub(crate) output: Bytes,
    /// Whether the goal is not reached yet, and another step should follow.
    pub(crate) more: bool,
}

/// The body that comes out.
pub(crate) struct Transcoded<T> {
    body: Body,
    state: State<T>,
    input: Bytes,
    goal: Goal,
    /// Whether every frame goes out at once: its source may pause behind it for as long as it likes.
    flush: bool,
    trailers: Option<HeaderMap>,
}

enum State<T> {
    /// Nothing to do until the next frame.
    Hungry(Box<T>),
    /// A step is to be made; the first on a piece may be made in place.
    Ready(Box<T>, bool),
    /// A step is being made elsewhere.
    Away(JoinHandle<(Box<T>, Bytes, Result<Step, BodyError>)>),
    /// Nothing comes any more but the trailers.
    Ended,
}

impl<T: Transcoder> Transcoded<T> {
    /// Makes a body of `body`; with `flush`, no frame waits for the next.
    pub(crate) fn new(body: Body, transcoder: T, flush: bool) -> Self {
        let state = State::Hungry(Box::new(transcoder));
        Self { body, state, input: Bytes::new(), goal: Goal::Take, flush, trailers: None }
    }

    /// Takes the next frame of the body inside.
    fn fill(&mut self, frame: Option<Result<Frame<Bytes>, BodyError>>) -> Result<(), BodyError> {
        self.goal = if self.flush { Goal::Flush } else { Goal::Take };
        match frame.transpose()?.map(Frame::into_data) {
            Some(Ok(data)) => self.input = data,
            Some(Err(other)) => {
                self.trailers = other.into_trailers().ok();
                self.goal = Goal::End;
            }
            None => self.goal = Goal::End,
        }
        Ok(())
    }

    fn after(&mut self, transcoder: Box<T>, step: &Step) {
        self.state = match (step.more, self.goal) {
            (true, _) => State::Ready(transcoder, false),
            (false, Goal::End) => State::Ended,
            (false, _) => State::Hungry(transcoder),
        };
    }

    /// Goes on until there is output; `None` when the data has ended.
    fn poll_output(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        loop {
            let (transcoder, step) = match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Poll::Ready(Ok(None)),
                State::Hungry(transcoder) => {
                    let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
                        self.state = State::Hungry(transcoder);
                        return Poll::Pending;
                    };
                    self.fill(frame)?;
                    self.state = State::Ready(transcoder, true);
                    continue;
                }
                State::Ready(mut transcoder, true) if self.input.len() <= IN_PLACE => {
                    let step = transcoder.step(&mut self.input, self.goal);
                    (transcoder, step)
                }
                State::Ready(mut transcoder, _) => {
                    let (mut input, goal) = (std::mem::take(&mut self.input), self.goal);
                    self.state = State::Away(tokio::task::spawn_blocking(move || {
                        let step = transcoder.step(&mut input, goal);
                        (transcoder, input, step)
                    }));
                    continue;
                }
                State::Away(mut step) => {
                    let Poll::Ready(made) = Pin::new(&mut step).poll(context) else {
                        self.state = State::Away(step);
                        return Poll::Pending;
                    };
                    let (transcoder, input, step) = made?;
                    self.input = input;
                    (transcoder, step)
                }
            };
            let step = step?;
            self.after(transcoder, &step);
            if !step.output.is_empty() {
                return Poll::Ready(Ok(Some(step.output)));
            }
        }
    }
}

impl<T: Transcoder> http_body::Body for Transcoded<T> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(match ready!(self.poll_output(context)) {
            Ok(Some(output)) => Some(Ok(Frame::data(output))),
            Ok(None) => self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))),
            // The state is `Ended`: nothing follows an error.
            Err(error) => Some(Err(error)),
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Ended) && self.trailers.is_none()
    }
}
