//! From what an application sends to an answer: its head, then its body as it comes, until its length or the end.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Method, Response as HttpResponse};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use http_environ::answer::{self, Head, HeadError};
use vestibule_layers::{Body, told_length};

use crate::backend::upstream::connection::Line;
use crate::backend::upstream::exchange::Exchange;
use crate::backend::upstream::failure::Failure;
use crate::backend::upstream::{Reply, UNWANTED, has_body, keep_reason};

/// Reads a head, with the empty line at its end.
pub(in crate::backend) type ReadHead = fn(&[u8]) -> Result<Head, HeadError>;

/// Waits for the head. What follows of the body stays with the exchange.
pub(in crate::backend) async fn head<S: Line>(
    exchange: &mut Exchange<S>,
    read: ReadHead,
    limit: usize,
) -> Result<Head, Failure> {
    let mut searched = 0;
    loop {
        poll_fn(|cx| exchange.poll_read(cx)).await?;
        let received = exchange.received();
        match answer::end_of_head(received, searched) {
            Some(end) if end <= limit => return Ok(read(&received.split_to(end))?),
            None if received.len() <= limit => searched = received.len(),
            _ => return Err(Failure::HeadTooLarge(limit)),
        }
    }
}

/// The answer with its body, which keeps the connection until its end.
pub(in crate::backend) async fn reply<S: Line>(head: Head, exchange: Exchange<S>, method: &Method) -> Reply {
    let (status, reason, headers) = match head {
        Head::Answer { status, reason, headers } => (status, reason, headers),
        Head::Local(target) => {
            discard(exchange).await;
            return Reply::Local(target);
        }
    };
    let body = if has_body(method, status) {
        let mut body = AnswerBody { exchange: Some(exchange), left: told_length(&headers) };
        body.release_if_whole();
        Body::boxed(body.map_err(Failure::break_off))
    } else {
        discard(exchange).await;
        Body::Empty
    };
    let mut response = HttpResponse::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    keep_reason(&mut response, reason);
    Reply::Answer(response)
}

/// Waits for the end of an answer whose body nobody gets, so that the application is not cut off in its work. A long one is
/// given up; whatever happens to it, the head was whole.
async fn discard<S: Line>(mut exchange: Exchange<S>) {
    let mut unwanted = 0;
    while unwanted <= UNWANTED && poll_fn(|cx| exchange.poll_read(cx)).await.is_ok() {
        unwanted += exchange.received().split().len();
    }
}

/// A body under way.
struct AnswerBody<S> {
    /// Where more comes from, until the end.
    exchange: Option<Exchange<S>>,
    /// How much is missing, where the answer has told it.
    left: Option<u64>,
}

impl<S: Line> AnswerBody<S> {
    /// What was read and belongs to the body: what is beyond its length is left.
    fn take(&mut self) -> Bytes {
        let Some(exchange) = &mut self.exchange else { return Bytes::new() };
        let received = exchange.received();
        let most = self.left.and_then(|left| usize::try_from(left).ok()).unwrap_or(usize::MAX);
        let piece = received.split_to(received.len().min(most)).freeze();
        if let Some(left) = &mut self.left {
            *left -= piece.len() as u64;
        }
        self.release_if_whole();
        piece
    }

    /// Nothing is missing any more.
    fn release_if_whole(&mut self) {
        if self.left == Some(0)
            && let Some(exchange) = self.exchange.take()
        {
            exchange.release();
        }
    }
}

impl<S: Line> http_body::Body for AnswerBody<S> {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        loop {
            let piece = self.take();
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            let Some(exchange) = &mut self.exchange else { return Poll::Ready(None) };
            let Err(failure) = ready!(exchange.poll_read(cx)) else { continue };
            self.exchange = None;
            return Poll::Ready(match (failure, self.left) {
                (Failure::Ended, None) => None,
                (Failure::Ended, Some(missing)) => Some(Err(Failure::Truncated { missing })),
                (failure, _) => Some(Err(failure)),
            });
        }
    }

    fn is_end_stream(&self) -> bool {
        self.exchange.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
