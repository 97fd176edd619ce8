//! The body of a request, as it comes from the web server.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;

/// The body of a request.
#[derive(Debug)]
pub struct Body {
    pieces: Option<Receiver<Bytes>>,
    left: u64,
    /// Is told when the body is first read.
    ask: Option<oneshot::Sender<()>>,
}

/// A body ended before its `CONTENT_LENGTH`, or came to more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request body does not have its CONTENT_LENGTH")]
pub struct BodyEnded;

impl Body {
    /// No body.
    pub fn empty() -> Self {
        Self { pieces: None, left: 0, ask: None }
    }

    /// A body of so many bytes, which come in pieces. `ask` is told when somebody reads it.
    pub fn new(pieces: Receiver<Bytes>, length: u64, ask: Option<oneshot::Sender<()>>) -> Self {
        Self { pieces: Some(pieces), left: length, ask }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyEnded;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyEnded>>> {
        if let Some(ask) = self.ask.take() {
            // Where nobody listens, the answer has begun: the body will not come.
            let _ = ask.send(());
        }
        let Some(pieces) = &mut self.pieces else { return Poll::Ready(None) };
        let piece = ready!(pieces.poll_recv(cx));
        let left = self.left.checked_sub(piece.as_ref().map_or(0, Bytes::len) as u64);
        let is_over = piece.is_none();
        match left {
            Some(left) if !is_over || left == 0 => self.left = left,
            _ => {
                self.pieces = None;
                return Poll::Ready(Some(Err(BodyEnded)));
            }
        }
        if is_over || self.left == 0 {
            self.pieces = None;
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(if self.pieces.is_some() { self.left } else { 0 })
    }
}
