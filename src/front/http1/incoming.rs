//! What a client sends while it is answered: the body of its request, and the end of its connection.

use std::future::{pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::oneshot;
use vestibule_layers::Cause;
use vestibule_layers::rescue::BrokenOff;

use super::head::Length;
use crate::chunks::{Chunks, Malformed};
use crate::runtime::room;

/// How much is read at once: this much where little is expected.
const FIRST: usize = room::WHOLE;

/// With less room than this, a new buffer is better than a short read.
const LEAST: usize = 1 << 10;

/// So much where more is. With more, a long body leaves the processor's cache on its way.
const MOST: usize = 64 << 10;

/// The reading side of a connection, while a request is answered.
pub(super) struct Incoming<'a, R> {
    read: R,
    /// What was received, and is not used yet.
    received: &'a mut BytesMut,
    left: Left,
    /// Where the body goes, until its end.
    to: Option<Sender<Piece>>,
    /// What there is no room for yet.
    held: Option<Piece>,
    /// Whether the last read has filled its room.
    is_fast: bool,
}

/// A piece of the body, or the end of one whose length is not known.
type Piece = Result<Option<Frame<Bytes>>, Malformed>;

/// What is still to come.
#[derive(Debug)]
enum Left {
    Length(u64),
    /// Chunks, and what was received and is not used yet.
    Chunks(Chunks, Bytes),
    /// Nobody knows where it ends.
    Malformed,
}

impl<'a, R: AsyncRead + Unpin> Incoming<'a, R> {
    /// Will read the body of a request, whose trailers may have so many bytes.
    pub(super) fn new(read: R, received: &'a mut BytesMut, length: Length, most_trailers: usize) -> Self {
        let left = match length {
            Length::Known(length) => Left::Length(length),
            Length::Chunks => Left::Chunks(Chunks::new(most_trailers), Bytes::new()),
        };
        Self { read, received, left, to: None, held: None, is_fast: false }
    }

    /// The body, if all of it has come with the head.
    pub(super) fn whole(&mut self) -> Option<Bytes> {
        let Left::Length(length) = self.left else { return None };
        let length = usize::try_from(length).ok().filter(|length| *length <= self.received.len())?;
        self.left = Left::Length(0);
        Some(if length == 0 { Bytes::new() } else { self.received.split_to(length).freeze() })
    }

    /// The body, of which more comes as [`Self::pump`] reads it. `ask` is told when somebody wants it.
    pub(super) fn body(&mut self, ask: Option<oneshot::Sender<()>>) -> ClientPieces {
        // One is read while another is used.
        let (to, pieces) = mpsc::channel(1);
        let left = if let Left::Length(left) = self.left { Some(left) } else { None };
        // What has come with the head may go on with the head.
        if left.is_some()
            && let Ok(Some(first)) = self.next()
        {
            to.try_send(Ok(Some(first))).expect("there is room for one");
        }
        self.to = Some(to);
        ClientPieces { pieces: Some(pieces), left, ask }
    }

    /// Reads the body, and then waits for the end of the connection: why it has ended. Without the end of a body, whoever reads
    /// that decides. Given up, it may be begun again.
    pub(super) async fn pump(&mut self) -> io::Error {
        // Boxed: most requests have none, and shall not carry the room for it.
        let is_to_come = self.to.is_some() || self.held.is_some() || !self.left.is_nothing();
        if is_to_come && Box::pin(self.read_body()).await.is_err() {
            // Whoever reads the body learns that there is no more of it, and may answer that.
            self.to = None;
            return pending().await;
        }
        // What comes now is the next request: it waits for its turn, and for as long nobody knows what comes behind it.
        while self.received.is_empty() {
            match receive(&mut self.read, self.received).await {
                Ok(0) => return io::ErrorKind::ConnectionAborted.into(),
                Ok(_) => {}
                Err(error) => return error,
            }
        }
        pending().await
    }

    /// Whether the end of the body may be found: somebody reads it, or there is nothing more to come.
    pub(super) fn may_end(&mut self) -> bool {
        self.to.as_ref().is_some_and(|to| !to.is_closed()) || self.is_over()
    }

    /// Whether all of the body has come, so that a request may follow, whoever has read it.
    pub(super) fn is_over(&mut self) -> bool {
        // Many clients send a body behind its head: it may be there, and nobody has looked.
        self.skip() || (self.read_now() && self.skip())
    }

    /// Skips what has come of a body that nobody reads: whether it is over.
    fn skip(&mut self) -> bool {
        self.to = None;
        while !self.left.is_nothing() {
            if !matches!(self.next(), Ok(Some(_))) {
                break;
            }
        }
        self.left.is_nothing()
    }

    async fn read_body(&mut self) -> io::Result<()> {
        loop {
            let piece = match self.held.take().unwrap_or_else(|| self.next()) {
                Ok(None) if matches!(self.left, Left::Malformed) => return pending().await,
                Ok(None) if !self.left.is_nothing() => {
                    self.read().await?;
                    continue;
                }
                Ok(None) if matches!(self.left, Left::Length(_)) => break,
                piece => piece,
            };
            let is_over = matches!(piece, Ok(None));
            let may_go_on = piece.is_ok();
            let is_sent = self.pass(piece).await;
            if is_over {
                break;
            }
            if !may_go_on || (!is_sent && !self.skip()) {
                // The connection ends with the answer. Until then, what is not read slows the client down.
                return pending().await;
            }
        }
        self.to = None;
        Ok(())
    }

    /// Passes a piece on: whether anybody wants it.
    async fn pass(&mut self, piece: Piece) -> bool {
        let Some(to) = &self.to else { return false };
        self.held = Some(piece);
        match (to.reserve().await, self.held.take()) {
            (Ok(room), Some(piece)) => {
                room.send(piece);
                true
            }
            _ => false,
        }
    }

    /// What was received of the body, and was not given yet.
    fn next(&mut self) -> Piece {
        match &mut self.left {
            Left::Length(left) => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX).min(self.received.len());
                *left -= most as u64;
                Ok((most > 0).then(|| Frame::data(self.received.split_to(most).freeze())))
            }
            Left::Chunks(chunks, rest) => {
                if rest.is_empty() {
                    *rest = self.received.split().freeze();
                }
                let next = chunks.next(rest);
                if chunks.is_over() && !rest.is_empty() {
                    // The next request.
                    *self.received = BytesMut::from(std::mem::take(rest));
                } else if next.is_err() {
                    self.left = Left::Malformed;
                }
                next
            }
            Left::Malformed => Ok(None),
        }
    }

    /// Reads what is there, once; whether anything was.
    fn read_now(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        matches!(pin!(self.read()).poll(&mut cx), Poll::Ready(Ok(())))
    }

    async fn read(&mut self) -> io::Result<()> {
        let room = match self.left {
            // One more than is left: a read that leaves room has found all there is, and need not be followed by another.
            Left::Length(left) => usize::try_from(left.saturating_add(1)).unwrap_or(MOST).clamp(FIRST, MOST),
            _ if self.is_fast => MOST,
            _ => FIRST,
        };
        // Half a buffer is used, too: a body in single bytes that somebody gathers shall not hold a buffer for each of them.
        if self.received.capacity() - self.received.len() < room / 2 {
            self.received.reserve(room);
        }
        let room = self.received.capacity() - self.received.len();
        let read = self.read.read_buf(self.received).await?;
        self.is_fast = read == room;
        if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

/// Reads what comes behind what was received; 0 at the end.
pub(super) async fn receive(
    read: &mut (impl AsyncRead + Unpin),
    received: &mut BytesMut,
) -> io::Result<usize> {
    if received.is_empty() {
        (*received, _) = poll_fn(|cx| room::poll_receive(read, cx)).await?;
        return Ok(received.len());
    }
    if received.capacity() - received.len() < LEAST {
        received.reserve(FIRST);
    }
    read.read_buf(received).await
}

impl Left {
    fn is_nothing(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunks(chunks, _) => chunks.is_over(),
            Self::Malformed => false,
        }
    }
}

/// The body of a request, piece by piece.
pub(super) struct ClientPieces {
    /// There until the end.
    pieces: Option<Receiver<Piece>>,
    /// How much is still to come, where that is known.
    left: Option<u64>,
    /// Is told when the body is first read.
    ask: Option<oneshot::Sender<()>>,
}

/// The connection ended, or broke.
#[derive(Debug, thiserror::Error)]
#[error("the client has left in the middle of its body")]
struct CutShort;

impl http_body::Body for ClientPieces {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if let Some(ask) = self.ask.take() {
            // Where nobody listens, the answer has begun: the body will not come.
            let _ = ask.send(());
        }
        let Some(pieces) = &mut self.pieces else { return Poll::Ready(None) };
        match ready!(pieces.poll_recv(cx)) {
            Some(Ok(Some(frame))) => {
                let size = frame.data_ref().map_or(0, Bytes::len) as u64;
                self.left = self.left.map(|left| left.saturating_sub(size));
                if self.left == Some(0) {
                    self.pieces = None;
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Ok(None)) => {
                self.pieces = None;
                Poll::Ready(None)
            }
            Some(Err(malformed)) => {
                self.pieces = None;
                Poll::Ready(Some(Err(BrokenOff::new(Cause::BadRequest, malformed))))
            }
            None => {
                self.pieces = None;
                Poll::Ready(Some(Err(BrokenOff::new(Cause::ClientGone, CutShort))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests;
