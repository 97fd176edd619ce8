//! A request on its way to an application's thread, and how its body is brought there.
//!
//! Small bodies are buffered before the application is called. A long one costs no thread while its client takes its time:
//! by default only a client that sends quickly is read while the application runs, any other body is spooled first.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use handoff::Reply;
use http::header::{CONTENT_LENGTH, EXPECT};
use http::request::Parts;
use http_body::Body;

use crate::input::{BoxError, Input, RequestBody};
use crate::outgoing::Outcome;
use crate::spool::{next, spool};

/// Bodies up to this size are buffered.
pub(crate) const BUFFERED: u64 = 64 << 10;

/// A body whose rest is expected within this time, by the pace of its beginning, may be read while the application runs.
const SOON: Duration = Duration::from_secs(10);

/// How bodies of requests that are longer than 64 KiB, or of unknown length, are brought to the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InputMode {
    /// Streamed, where they have a Content-Length and their client sends quickly or waits for `100 Continue`; else spooled.
    #[default]
    Auto,
    /// Read from the client while the application runs: a slow client holds a thread. A body in chunks then has no
    /// `CONTENT_LENGTH`, and its end is the end of `wsgi.input`.
    Stream,
    /// Kept in a temporary file until they are complete, and only then given to the application.
    Spool,
}

/// A request on its way to an application's thread.
pub(crate) struct Job {
    pub(crate) call: Box<Call>,
    pub(crate) reply: Reply<Box<Call>>,
}

/// What a request brings, and its answer brings back: memory that another thread than its own frees costs both of them.
pub(crate) struct Call {
    pub(crate) parts: Parts,
    /// Where there is anything to be read.
    pub(crate) input: Option<Input>,
    /// `CONTENT_LENGTH`
    pub(crate) length: Option<u64>,
    /// When it came into the queue, where somebody wants to know.
    pub(crate) queued: Option<Instant>,
    /// In here, since it is large: a pointer is all that is handed over.
    pub(crate) outcome: Option<Outcome>,
}

impl Call {
    pub(crate) fn new(parts: Parts, input: Input, length: Option<u64>) -> Box<Self> {
        let input = Some(input).filter(|input| !input.is_empty());
        // Made where it stays: it is large.
        Box::write(Box::new_uninit(), Self { parts, input, length, queued: None, outcome: None })
    }
}

/// How a request's body is brought to the application.
pub(crate) enum Plan {
    /// The application can be called now.
    Ready(Input, Option<u64>),
    /// It waits for the body.
    Wait(Gather),
}

/// Gives the body and its length once the application can be called.
pub(crate) type Gather = Pin<Box<dyn Future<Output = Result<(Input, Option<u64>), GatherError>> + Send>>;

/// A request's body could not be had.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// The client broke off, or a layer outside refused the body.
    #[error("failed to read the request body")]
    Body(#[source] BoxError),
    /// The body cannot be kept in a temporary file.
    #[error("failed to spool the request body")]
    Spool(#[source] std::io::Error),
}

/// A body that ended without an error, and yet too early or too late.
#[derive(Debug, thiserror::Error)]
#[error("the request body does not have its Content-Length")]
struct NotItsLength;

impl Plan {
    pub(crate) fn new<B>(parts: &Parts, body: B, mode: InputMode) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let length = parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if body.is_end_stream() {
            return Self::Ready(Input::empty(), length);
        }
        let body = RequestBody::new(http_body_util::BodyExt::map_err(body, Into::into));
        let is_expecting = parts.headers.contains_key(EXPECT);
        let is_streamed = match (mode, length) {
            (InputMode::Spool, _) => false,
            (InputMode::Stream, None) => true,
            (InputMode::Stream, Some(length)) => is_expecting || length > BUFFERED,
            // A client that expects 100 Continue gets it when the application reads (RFC 9110 section 10.1.1).
            (InputMode::Auto, length) => is_expecting && length.is_some(),
        };
        if is_streamed {
            return Self::Ready(Input::streamed(VecDeque::new(), body, length), length);
        }
        Self::Wait(Box::pin(gather(body, length, mode)))
    }
}

/// Buffers a body; where it turns out to be long, it is streamed or spooled.
async fn gather(
    mut body: RequestBody,
    length: Option<u64>,
    mode: InputMode,
) -> Result<(Input, Option<u64>), GatherError> {
    let began = Instant::now();
    let (mut pieces, mut size) = (VecDeque::new(), 0);
    while let Some(piece) = next(&mut body).await.map_err(GatherError::Body)? {
        size += piece.len() as u64;
        pieces.push_back(piece);
        if size <= BUFFERED {
            continue;
        }
        if let Some(length) = length
            && mode == InputMode::Auto
            && is_soon_here(began.elapsed(), size, length)
        {
            return Ok((Input::streamed(pieces, body, Some(length)), Some(length)));
        }
        let (file, size) = spool(body, pieces).await?;
        return of_its_length(size, length).map(|length| (Input::spooled(file, size), length));
    }
    of_its_length(size, length).map(|length| (Input::buffered(pieces), length))
}

/// Whether the rest of a body comes soon, if it comes at the pace of what is here.
fn is_soon_here(elapsed: Duration, size: u64, length: u64) -> bool {
    let times = length.div_ceil(size.max(1));
    elapsed.checked_mul(u32::try_from(times).unwrap_or(u32::MAX)).is_some_and(|whole| whole <= SOON)
}

fn of_its_length(size: u64, length: Option<u64>) -> Result<Option<u64>, GatherError> {
    if length.is_some_and(|length| length != size) {
        return Err(GatherError::Body(NotItsLength.into()));
    }
    Ok(Some(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_of_the_beginning_tells_how_long_the_rest_takes() {
        for (milliseconds, size, length, expected) in [
            (1, 65_537, 1 << 30, false),
            (1, 65_537, 100 << 20, true),
            (0, 65_537, u64::MAX, true),
            (1, 1, u64::MAX, false),
            (9_999, 65_537, 65_538, false),
            (4_999, 65_537, 65_538, true),
        ] {
            let elapsed = Duration::from_millis(milliseconds);
            assert_eq!(is_soon_here(elapsed, size, length), expected, "{length} bytes, {elapsed:?}");
        }
    }
}
