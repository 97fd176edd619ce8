//! A request on its way out: its head, then its body piece by piece, as fast as the other side takes them.

use std::io::Write as _;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http::HeaderMap;
use http_body::{Body as _, Frame};
use tokio::time::{Sleep, sleep};
use vestibule_layers::{Body, BodyError};

use super::connection::{Connection, Line};
use super::deadline::Turn;
use super::failure::Failure;
use crate::chunks::may_trail;

/// Up to how many bytes are copied, to be sent as one piece with what is around them: cheaper for the kernel than several.
const SMALL: usize = 512;

/// So long a body is held back for a server that does not say whether it wants it (RFC 9110 section 10.1.1).
const PATIENCE: Duration = Duration::from_secs(1);

/// How the other side learns where the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::backend) enum Framing {
    /// By its length, of which this much is still to come.
    Length(u64),
    /// By a chunk of no size (RFC 9112 section 7.1).
    Chunks,
}

/// What is sent.
pub(in crate::backend) struct Upload {
    /// What is written before the piece, and how much of it is written.
    lead: Vec<u8>,
    written: usize,
    /// The piece of the body that was copied there last.
    copied: Range<usize>,
    /// A piece of the body.
    piece: Bytes,
    /// What is written behind the piece.
    trail: &'static [u8],
    /// What has not come yet; `None` after its end.
    body: Option<Body>,
    framing: Framing,
    progress: Progress,
    /// The body is held back until the other side asks for it, or this time is over.
    held: Option<Pin<Box<Sleep>>>,
}

/// What would be lost if the request were sent once more.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// A part of it was sent.
    is_sent: bool,
    /// A piece of its body was taken.
    is_taken: bool,
    /// Its trailers were taken.
    is_over: bool,
}

impl Upload {
    /// A request that begins with `head`.
    pub(in crate::backend) fn new(head: Vec<u8>, body: Body, framing: Framing) -> Self {
        let is_empty = framing == Framing::Length(0);
        Self {
            lead: head,
            written: 0,
            copied: 0..0,
            piece: Bytes::new(),
            trail: &[],
            body: (!is_empty).then_some(body),
            framing,
            progress: Progress::default(),
            held: None,
        }
    }

    /// Holds the body back for a while, until [`Self::go_on`]: the client has asked whether it is wanted.
    pub(in crate::backend) fn hold(&mut self) {
        self.held = Some(Box::pin(sleep(PATIENCE)));
    }

    /// Sends the body, which is wanted.
    pub(super) fn go_on(&mut self) {
        self.held = None;
    }

    /// Whether the body is held back.
    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Whether all of it was written.
    pub(in crate::backend) fn is_done(&self) -> bool {
        self.body.is_none() && self.is_between_pieces()
    }

    /// The body, where another server may get the request: nothing was sent of it, or, if it `may_have_arrived`, nothing
    /// of a body.
    pub(in crate::backend) fn into_unsent(self, may_have_arrived: bool) -> Option<Body> {
        match self.progress {
            Progress { is_taken: false, is_sent, .. } if may_have_arrived || !is_sent => {
                Some(self.body.unwrap_or_default())
            }
            // No second piece is taken before something was sent.
            Progress { is_sent: false, is_over: false, .. } => {
                let copied = &self.lead[self.copied];
                let first = if copied.is_empty() { self.piece } else { Bytes::copy_from_slice(copied) };
                Some(match self.body {
                    Some(rest) => Body::boxed(Begun { first, rest }),
                    None => first.into(),
                })
            }
            Progress { .. } => None,
        }
    }

    /// Sends all that the other side and the client let it.
    pub(in crate::backend) fn poll<S: Line>(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection<S>,
    ) -> Poll<Result<(), Failure>> {
        loop {
            if self.takes_more() {
                match self.poll_piece(cx)? {
                    Poll::Ready(()) => connection.wait_for(Turn::Server),
                    Poll::Pending if self.is_between_pieces() => {
                        connection.wait_for(Turn::Client);
                        return Poll::Pending;
                    }
                    Poll::Pending => {}
                }
            }
            if self.is_between_pieces() {
                if self.body.is_none() {
                    return Poll::Ready(Ok(()));
                }
                if let Some(held) = &mut self.held {
                    ready!(held.as_mut().poll(cx));
                    self.held = None;
                }
                continue;
            }
            let pieces = [&self.lead[self.written..], &self.piece, self.trail];
            let written = ready!(connection.poll_write(cx, pieces)).map_err(Failure::Io)?;
            self.advance(written);
        }
    }

    /// Whether the next piece of the body is asked for. What is here already travels with the head, and no more with it: pieces
    /// that were copied for a server which takes none would pile up.
    fn takes_more(&self) -> bool {
        let has_room = self.is_between_pieces() || !self.progress.is_taken;
        self.body.is_some() && self.held.is_none() && has_room
    }

    fn is_between_pieces(&self) -> bool {
        self.written == self.lead.len() && self.piece.is_empty() && self.trail.is_empty()
    }

    fn advance(&mut self, written: usize) {
        self.progress.is_sent = true;
        let of_lead = written.min(self.lead.len() - self.written);
        self.written += of_lead;
        if self.written == self.lead.len() {
            self.lead.clear();
            self.written = 0;
        }
        let of_piece = (written - of_lead).min(self.piece.len());
        self.piece.advance(of_piece);
        self.trail = &self.trail[written - of_lead - of_piece..];
    }

    /// Takes the next piece of the body, or its end.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let Some(body) = &mut self.body else { return Poll::Ready(Ok(())) };
        let frame = ready!(Pin::new(body).poll_frame(cx)).transpose().map_err(Failure::Body)?;
        self.progress.is_taken = true;
        match frame.map(Frame::into_data) {
            Some(Ok(piece)) => self.put(piece),
            Some(Err(frame)) => {
                self.progress.is_over = true;
                self.end(frame.into_trailers().ok().as_ref())
            }
            None => self.end(None),
        }
    }

    fn put(&mut self, piece: Bytes) -> Poll<Result<(), Failure>> {
        match &mut self.framing {
            Framing::Length(left) => {
                *left = left.checked_sub(piece.len() as u64).ok_or(Failure::BodyLength)?;
                if *left == 0 {
                    self.body = None;
                }
            }
            Framing::Chunks if piece.is_empty() => return Poll::Ready(Ok(())),
            Framing::Chunks => {
                write!(self.lead, "{:x}\r\n", piece.len()).expect("memory takes all that is written");
                self.trail = b"\r\n";
            }
        }
        if piece.len() <= SMALL {
            self.copied = self.lead.len()..self.lead.len() + piece.len();
            self.lead.extend_from_slice(&piece);
            self.lead.extend_from_slice(std::mem::take(&mut self.trail));
        } else {
            self.piece = piece;
        }
        Poll::Ready(Ok(()))
    }

    /// The end of the body. Trailers need chunks to come behind.
    fn end(&mut self, trailers: Option<&HeaderMap>) -> Poll<Result<(), Failure>> {
        match self.framing {
            Framing::Length(0) => {}
            Framing::Length(_) => return Poll::Ready(Err(Failure::BodyLength)),
            Framing::Chunks => {
                self.lead.extend_from_slice(b"0\r\n");
                for (name, value) in trailers.into_iter().flatten().filter(|(name, _)| may_trail(name)) {
                    for piece in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                        self.lead.extend_from_slice(piece);
                    }
                }
                self.lead.extend_from_slice(b"\r\n");
            }
        }
        self.body = None;
        Poll::Ready(Ok(()))
    }
}

/// A body whose first piece was taken, and not sent.
struct Begun {
    first: Bytes,
    rest: Body,
}

impl http_body::Body for Begun {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.rest).poll_frame(cx);
        }
        Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.first)))))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Waker;
    use std::time::Duration;

    use http_body_util::BodyExt as _;
    use tokio::io::DuplexStream;

    use super::*;

    impl Line for DuplexStream {
        fn release(self) {}
    }

    /// A body of small pieces without end, which counts those that were taken.
    struct Endless(Arc<AtomicUsize>);

    impl http_body::Body for Endless {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; SMALL])))))
        }
    }

    #[tokio::test]
    async fn small_pieces_do_not_pile_up_for_a_server_that_takes_none() {
        const ROOM: usize = 64;
        let (near, _far) = tokio::io::duplex(ROOM);
        let mut connection = Connection::on(near, Duration::from_secs(60));
        let taken = Arc::new(AtomicUsize::new(0));
        let body = Body::boxed(Endless(Arc::clone(&taken)));
        let mut upload = Upload::new(b"POST / HTTP/1.1\r\n\r\n".to_vec(), body, Framing::Chunks);
        for _ in 0..100 {
            assert!(upload.poll(&mut Context::from_waker(Waker::noop()), &mut connection).is_pending());
        }
        assert_eq!(taken.load(Ordering::Relaxed), 1);
    }

    /// Pieces that are there at once, and then trailers, if any.
    struct Given(VecDeque<Frame<Bytes>>);

    impl http_body::Body for Given {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            Poll::Ready(self.0.pop_front().map(Ok))
        }
    }

    /// What is left of a body for another connection, where this one was closed before anything was sent.
    fn unsent(body: Body, framing: Framing) -> Option<Body> {
        let (near, far) = tokio::io::duplex(64);
        drop(far);
        let mut connection = Connection::on(near, Duration::from_secs(60));
        let mut upload = Upload::new(b"POST / HTTP/1.1\r\n\r\n".to_vec(), body, framing);
        let polled = upload.poll(&mut Context::from_waker(Waker::noop()), &mut connection);
        assert!(matches!(polled, Poll::Ready(Err(Failure::Io(_)))));
        upload.into_unsent(false)
    }

    #[tokio::test]
    async fn nothing_of_a_body_is_lost_with_a_connection_that_took_nothing() {
        for length in [0, 1, SMALL, SMALL + 1, 100_000] {
            let piece = Bytes::from(vec![b'x'; length]);
            let given = || Body::boxed(Given([piece.clone(), "y".into()].map(Frame::data).into()));
            for (body, framing, end) in [
                (Body::from(piece.clone()), Framing::Length(length as u64), ""),
                (given(), Framing::Length(length as u64 + 1), "y"),
                (given(), Framing::Chunks, "y"),
            ] {
                let mut left = unsent(body, framing).expect("nothing is lost");
                let mut again = Vec::new();
                while let Some(frame) = left.frame().await {
                    again.extend_from_slice(&frame.unwrap().into_data().unwrap());
                }
                assert_eq!(again, [&*piece, end.as_bytes()].concat(), "{length} {framing:?}");
            }
        }
    }

    #[tokio::test]
    async fn trailers_that_were_taken_are_not_sent_once_more() {
        let body = Body::boxed(Given(VecDeque::from([Frame::trailers(HeaderMap::new())])));
        assert!(unsent(body, Framing::Chunks).is_none());
    }
}
