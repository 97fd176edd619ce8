//! The body of an answer, read from the connection as it is asked for.
//!
//! One that came whole with its head is in memory, and the connection free at once. Another holds the connection, which goes
//! back to its pool at the end, and is closed where the body is dropped before.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use vestibule_layers::Body;
use vestibule_layers::rescue::BrokenOff;

use super::answer_head::{Length, Nonsense};
use super::failure::Failure;
use super::pool::Pool;
use crate::backend::upstream::exchange::Exchange;
use crate::backend::upstream::failure::Failure as Wire;
use crate::chunks::Chunks;

/// An exchange whose answer's head was read.
pub(super) struct Answering {
    pub(super) exchange: Exchange,
    /// What was received behind the head.
    pub(super) received: Bytes,
    pub(super) length: Length,
    /// How many bytes trailers may have.
    pub(super) most_trailers: usize,
}

/// The body; the connection goes `home` where it can be used again.
pub(super) fn body(answering: Answering, home: Option<&Arc<Pool>>) -> Body {
    let Answering { exchange, mut received, length, most_trailers } = answering;
    if let Length::Known(length) = length
        && let Some(rest) = received.len().checked_sub(usize::try_from(length).unwrap_or(usize::MAX))
    {
        let whole = received.split_to(received.len() - rest);
        // What follows unasked would be taken for the next answer.
        if let Some(home) = home.filter(|_| rest == 0)
            && let Some(connection) = exchange.finish()
        {
            home.put(connection);
        }
        return whole.into();
    }
    let left = match length {
        Length::Known(length) => Left::Length(length),
        Length::Chunks => Left::Chunks(Chunks::new(most_trailers)),
        Length::Unknown => Left::All,
    };
    let home = home.map(Arc::clone);
    Body::boxed(AnswerBody { exchange: Some(exchange), received, left, home })
}

/// What is still to come.
enum Left {
    Length(u64),
    Chunks(Chunks),
    All,
}

/// A body under way.
struct AnswerBody {
    /// Where more comes from, until the end.
    exchange: Option<Exchange>,
    /// What was received and is not passed on yet.
    received: Bytes,
    left: Left,
    home: Option<Arc<Pool>>,
}

impl AnswerBody {
    /// What was received of the body; at its end, the connection is free.
    fn take(&mut self) -> Result<Option<Frame<Bytes>>, Nonsense> {
        let frame = match &mut self.left {
            Left::Length(left) => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX);
                let piece = self.received.split_to(self.received.len().min(most));
                *left -= piece.len() as u64;
                (!piece.is_empty()).then(|| Frame::data(piece))
            }
            Left::Chunks(chunks) => chunks.next(&mut self.received)?,
            Left::All => (!self.received.is_empty()).then(|| Frame::data(std::mem::take(&mut self.received))),
        };
        if self.left.is_nothing() {
            self.end();
        }
        Ok(frame)
    }

    /// Gives the connection back, unless more came than was asked for.
    fn end(&mut self) {
        if let Some(connection) = self.exchange.take().and_then(Exchange::finish)
            && self.received.is_empty()
            && let Some(home) = self.home.take()
        {
            home.put(connection);
        }
    }

    /// What is wrong where the connection fails before the end of the body, or ends, which may be the end.
    fn failed(&self, failure: Wire) -> Option<Failure> {
        match (failure, &self.left) {
            (Wire::Ended, Left::All) => None,
            (Wire::Ended, Left::Length(missing)) => Some(Wire::Truncated { missing: *missing }.into()),
            (failure, _) => Some(failure.into()),
        }
    }
}

impl Left {
    fn is_nothing(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunks(chunks) => chunks.is_over(),
            Self::All => false,
        }
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        loop {
            let failure = match self.take() {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Err(nonsense) => Some(Failure::Nonsense(nonsense)),
                Ok(None) => {
                    let Some(exchange) = &mut self.exchange else { return Poll::Ready(None) };
                    match ready!(exchange.poll_read(cx)) {
                        Ok(()) => {
                            self.received = exchange.received().split().freeze();
                            continue;
                        }
                        Err(failure) => self.failed(failure),
                    }
                }
            };
            // What is left is no part of the body: whoever asks for more gets nothing.
            (self.exchange, self.received) = (None, Bytes::new());
            return Poll::Ready(failure.map(|failure| Err(BrokenOff::new(failure.cause(), failure))));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.exchange.is_none() && self.received.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self.left {
            Left::Length(left) => SizeHint::with_exact(left),
            _ => SizeHint::default(),
        }
    }
}
