//! Makes a request's body ready before its application is called: small ones are buffered, long ones are streamed, and
//! those of unknown length are spooled, so that `CONTENT_LENGTH` is always known.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use handoff::Reply;
use http::header::{CONTENT_LENGTH, EXPECT};
use http::request::Parts;
use http_body::Body;
use tokio::task::JoinHandle;

use crate::input::{BoxError, Input, RequestBody, Streamed};
use crate::outgoing::Outcome;

/// Bodies up to this size are buffered.
const BUFFERED: u64 = 64 << 10;

/// A request on its way to an application's thread.
pub(crate) struct Job {
    pub(crate) parts: Parts,
    pub(crate) input: Input,
    /// `CONTENT_LENGTH`
    pub(crate) length: Option<u64>,
    pub(crate) reply: Reply<Outcome>,
}

/// How a request's body is brought to the application.
pub(crate) enum Plan {
    /// The application can be called now.
    Ready(Input, Option<u64>),
    /// It waits for the body.
    Wait(Gather),
}

impl Plan {
    pub(crate) fn new<B>(parts: &Parts, body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let length = parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if body.is_end_stream() {
            return Self::Ready(Input::empty(), length);
        }
        let body = RequestBody::new(http_body_util::BodyExt::map_err(body, Into::into));
        match length {
            // A client that expects 100 Continue gets it when the application reads (RFC 9110 section 10.1.1).
            Some(length) if length > BUFFERED || parts.headers.contains_key(EXPECT) => {
                Self::Ready(Input::streamed(body, length), Some(length))
            }
            _ => Self::Wait(Gather::Buffer { body, pieces: VecDeque::new(), size: 0, length }),
        }
    }
}

/// A body that is being buffered, and spooled where it turns out to be long.
pub(crate) enum Gather {
    Buffer { body: RequestBody, pieces: VecDeque<Bytes>, size: u64, length: Option<u64> },
    Spool(JoinHandle<Result<(File, u64), GatherError>>),
}

/// A request's body could not be had.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// The client broke off, or a layer outside refused the body.
    #[error("failed to read the request body")]
    Body(#[source] BoxError),
    /// The body cannot be kept in a temporary file.
    #[error("failed to spool the request body")]
    Spool(#[source] io::Error),
}

impl Gather {
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(Input, u64), GatherError>> {
        loop {
            match self {
                Self::Buffer { body, pieces, size, length } => {
                    let frame = ready!(Pin::new(&mut *body).poll_frame(context));
                    let Some(frame) = frame.transpose().map_err(GatherError::Body)? else {
                        if length.is_some_and(|length| length != *size) {
                            return Poll::Ready(Err(GatherError::Body(NotItsLength.into())));
                        }
                        return Poll::Ready(Ok((Input::buffered(std::mem::take(pieces)), *size)));
                    };
                    let Ok(piece) = frame.into_data() else { continue };
                    *size += piece.len() as u64;
                    pieces.push_back(piece);
                    if *size > BUFFERED {
                        let body = std::mem::take(body);
                        let pieces = std::mem::take(pieces);
                        // Files block: they are written by a thread of tokio's pool.
                        let streamed = Streamed::new(body);
                        *self = Self::Spool(tokio::task::spawn_blocking(|| spool(streamed, pieces)));
                    }
                }
                Self::Spool(task) => {
                    let spooled = match ready!(Pin::new(task).poll(context)) {
                        Ok(spooled) => spooled,
                        Err(lost) => Err(GatherError::Spool(io::Error::other(lost))),
                    };
                    return Poll::Ready(spooled.map(|(file, size)| (Input::spooled(file, size), size)));
                }
            }
        }
    }
}

/// A body that ended without an error, and yet too early or too late.
#[derive(Debug, thiserror::Error)]
#[error("the request body does not have its Content-Length")]
struct NotItsLength;

/// Writes a body into a file that has no name.
fn spool(mut body: Streamed, pieces: VecDeque<Bytes>) -> Result<(File, u64), GatherError> {
    let mut file = tempfile::tempfile().map_err(GatherError::Spool)?;
    let mut size = 0;
    let mut pieces = pieces.into_iter();
    loop {
        let piece = match pieces.next() {
            Some(piece) => Some(piece),
            None => body.next().map_err(|error| GatherError::Body(error.into()))?,
        };
        let Some(piece) = piece else { break };
        file.write_all(&piece).map_err(GatherError::Spool)?;
        size += piece.len() as u64;
    }
    file.rewind().map_err(GatherError::Spool)?;
    Ok((file, size))
}
