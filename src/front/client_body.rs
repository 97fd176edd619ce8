//! The body of a client's request: no larger than `limits.body_bytes`, never waited for longer than `limits.body_time` at once,
//! nor on the whole for longer than that and what it takes at `limits.body_rate`.
//!
//! Layers and routes may set lower limits (`body_limit`); this one holds for every request, so that no stranger fills a
//! disk or holds a thread for ever.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};
use vestibule_config::Limits;
use vestibule_layers::rescue::BrokenOff;
use vestibule_layers::{Body, BodyError, Cause};

/// Why a body is broken off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// It is too large
    #[error("the body is larger than {0} bytes (limits.body_bytes)")]
    TooLarge(u64),
    /// Nothing more came of it
    #[error("nothing came of the body for {0:?} (limits.body_time)")]
    StandsStill(Duration),
    /// It comes, but trickles
    #[error("less than {0} bytes a second came of the body (limits.body_rate)")]
    TooSlow(u64),
}

/// Guards the body of a request; what has none costs nothing.
pub(crate) fn guard<B>(incoming: B, limits: &Limits) -> Body
where
    B: http_body::Body<Data = Bytes, Error: Into<BodyError>> + Send + Unpin + 'static,
{
    if incoming.is_end_stream() {
        return Body::Empty;
    }
    Body::boxed(ClientBody {
        incoming,
        limit: limits.body_bytes,
        left: limits.body_bytes,
        patience: limits.body_time,
        rate: limits.body_rate,
        waited: Duration::ZERO,
        waiting: None,
        // Made here because it may be polled by a thread that has no runtime; it runs from when it is first armed.
        timer: Box::pin(sleep(limits.body_time)),
    })
}

struct ClientBody<B> {
    incoming: B,
    limit: u64,
    left: u64,
    patience: Duration,
    /// Bytes a second; 0 for no such limit.
    rate: u64,
    /// How long it was waited for before the last piece.
    waited: Duration,
    /// Since when the next piece is waited for.
    waiting: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl<B> ClientBody<B> {
    /// Counts the time only while the body is waited for: whoever does not read it is not the client's fault.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let since = if let Some(since) = self.waiting {
            since
        } else {
            let (now, left) = (Instant::now(), self.patience.min(self.left_by_rate()));
            self.timer.as_mut().reset(now + left);
            *self.waiting.insert(now)
        };
        ready!(self.timer.as_mut().poll(cx));
        let refusal = if since.elapsed() >= self.patience {
            Refusal::StandsStill(self.patience)
        } else {
            Refusal::TooSlow(self.rate)
        };
        Poll::Ready(Some(Err(broken_off(Cause::RequestTimeout, refusal))))
    }

    /// How long it may be waited for, by what has come.
    fn left_by_rate(&self) -> Duration {
        match (self.limit - self.left).checked_div(self.rate) {
            Some(seconds) => (self.patience + Duration::from_secs(seconds)).saturating_sub(self.waited),
            None => Duration::MAX,
        }
    }
}

fn broken_off(cause: Cause, refusal: Refusal) -> BodyError {
    Box::new(BrokenOff::new(cause, refusal))
}

impl<B: http_body::Body<Data = Bytes, Error: Into<BodyError>> + Unpin> http_body::Body for ClientBody<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            return self.poll_timer(cx);
        };
        if let Some(since) = self.waiting.take() {
            self.waited += since.elapsed();
        }
        let frame = frame.transpose().map_err(Into::into)?;
        let size = frame.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len) as u64;
        let Some(left) = self.left.checked_sub(size) else {
            return Poll::Ready(Some(Err(broken_off(Cause::BodyTooLarge, Refusal::TooLarge(self.limit)))));
        };
        self.left = left;
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
