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
            Left::Length(left) => usize::try_from(left).unwrap_or(MOST).clamp(FIRST, MOST),
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
mod tests {
    use std::time::Duration;

    use http_body::Body as _;
    use http_body_util::BodyExt as _;
    use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    const TRAILERS: usize = 100;

    /// What comes of a body, of which `here` has come with the head and `later` comes behind it, then the end of the
    /// connection; and what is left for the next request.
    async fn read(here: &[u8], later: &[u8], length: Length) -> (Result<Vec<u8>, String>, Vec<u8>) {
        let (mut client, server) = duplex(1 << 20);
        client.write_all(later).await.unwrap();
        drop(client);
        let mut received = BytesMut::from(here);
        let mut incoming = Incoming::new(server, &mut received, length, TRAILERS);
        let mut body = incoming.body(None);
        let reading = async {
            let mut bytes = Vec::new();
            while let Some(frame) = body.frame().await {
                match frame.map_err(|error| error.to_string())?.into_data() {
                    Ok(piece) => bytes.extend_from_slice(&piece),
                    Err(frame) => bytes.extend_from_slice(frame.into_trailers().unwrap()["x-sum"].as_bytes()),
                }
            }
            Ok(bytes)
        };
        let read = tokio::select! {
            biased;
            read = reading => read,
            // It ends with the connection, when the body has been given.
            () = async { incoming.pump().await; pending().await } => unreachable!(),
        };
        let _ = incoming.skip();
        (read, received.to_vec())
    }

    #[tokio::test]
    async fn a_body_comes_in_whatever_pieces() {
        let chunks = b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-Sum: 7\r\n\r\n";
        for at in 0..=chunks.len() {
            let (here, later) = chunks.split_at(at);
            assert_eq!(read(here, later, Length::Chunks).await, (Ok(b"abcdefg7".to_vec()), vec![]), "{at}");
        }
        let (body, next) = read(b"abcde", b"fgGET /", Length::Known(7)).await;
        assert_eq!(body.unwrap(), b"abcdefg");
        assert!(b"GET /".starts_with(&next), "{}", next.escape_ascii());
        let (body, next) = read(b"0\r\n\r\nGET /", b"", Length::Chunks).await;
        assert_eq!((body.unwrap(), &next[..]), (vec![], &b"GET /"[..]));
        let large = vec![b'x'; 300_000];
        let (here, later) = large.split_at(10);
        assert_eq!(read(here, later, Length::Known(300_000)).await.0.unwrap().len(), 300_000);
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_to_its_end_is_an_error() {
        let cut_short = "the client has left in the middle of its body";
        for (here, length, error) in [
            (&b"abc"[..], Length::Known(4), cut_short),
            (b"3\r\nab", Length::Chunks, cut_short),
            (b"3\r\nabc\r\n0\r\n", Length::Chunks, cut_short),
            (b"3\r\nabcd\r\n", Length::Chunks, "what should be a chunk is none"),
            (b"zz", Length::Chunks, "what should be a chunk is none"),
            (b"0\r\nX: ", Length::Chunks, cut_short),
        ] {
            let shown = here.escape_ascii();
            assert_eq!(read(here, b"", length).await.0.unwrap_err(), error, "{shown}");
        }
        let trailers = format!("0\r\nX: {}", "x".repeat(TRAILERS));
        let error = read(trailers.as_bytes(), b"", Length::Chunks).await.0.unwrap_err();
        assert_eq!(error, "its trailers are over 100 bytes");
    }

    fn incoming(received: &mut BytesMut, length: Length) -> Incoming<'_, DuplexStream> {
        Incoming::new(duplex(8).0, received, length, TRAILERS)
    }

    #[test]
    fn a_body_that_is_there_needs_no_pump() {
        let mut received = BytesMut::from("abcGET /");
        assert_eq!(incoming(&mut received, Length::Known(0)).whole().unwrap(), "");
        assert_eq!(incoming(&mut received, Length::Known(9)).whole(), None);
        let mut known = incoming(&mut received, Length::Known(3));
        assert_eq!(known.whole().unwrap(), "abc");
        assert!(known.skip());
        assert_eq!(incoming(&mut received, Length::Chunks).whole(), None);
        assert_eq!(received, "GET /");
    }

    #[test]
    fn what_nobody_has_read_is_skipped_as_far_as_it_has_come() {
        for (here, length, is_over, next) in [
            (&b"abcGET /"[..], Length::Known(3), true, &b"GET /"[..]),
            (b"ab", Length::Known(3), false, b""),
            (b"1\r\na\r\n0\r\n\r\nGET /", Length::Chunks, true, b"GET /"),
            (b"1\r\na\r\n0\r\nX-Sum: 1\r\n\r\nGET /", Length::Chunks, true, b"GET /"),
            (b"1\r\na\r\n", Length::Chunks, false, b""),
            (b"1\r\nzz", Length::Chunks, false, b""),
        ] {
            let mut received = BytesMut::from(here);
            let shown = here.escape_ascii();
            assert_eq!(incoming(&mut received, length).skip(), is_over, "{shown}");
            assert!(!is_over || received == next, "{shown}");
        }
    }

    #[tokio::test]
    async fn the_end_of_the_client_is_noticed_when_its_body_is_over() {
        let (mut client, server) = duplex(64);
        let mut received = BytesMut::new();
        let mut incoming = Incoming::new(server, &mut received, Length::Known(3), TRAILERS);
        let mut body = incoming.body(None);
        client.write_all(b"abc").await.unwrap();
        drop(client);
        assert_eq!(incoming.pump().await.kind(), io::ErrorKind::ConnectionAborted);
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "abc");
        assert!(body.is_end_stream());
    }

    #[tokio::test]
    async fn the_end_of_the_client_is_noticed_when_nobody_reads_its_body() {
        let chunks = b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n";
        for (here, length) in [(&b"ab"[..], Length::Known(2)), (chunks, Length::Chunks)] {
            let (client, server) = duplex(64);
            let mut received = BytesMut::from(here);
            let mut incoming = Incoming::new(server, &mut received, length, TRAILERS);
            drop((incoming.body(None), client));
            let noticed = tokio::time::timeout(Duration::from_secs(10), incoming.pump()).await;
            assert_eq!(noticed.unwrap().kind(), io::ErrorKind::ConnectionAborted, "{length:?}");
        }
    }

    #[tokio::test]
    async fn a_body_that_comes_behind_its_head_is_skipped_too() {
        for (later, length, is_over) in [
            (&b"abcGET /"[..], Length::Known(3), true),
            (b"1\r\na\r\n0\r\n\r\nGET /", Length::Chunks, true),
            (b"ab", Length::Known(3), false),
            (b"", Length::Known(3), false),
            (b"x", Length::Chunks, false),
        ] {
            let (mut client, server) = duplex(64);
            client.write_all(later).await.unwrap();
            let mut received = BytesMut::new();
            let mut incoming = Incoming::new(server, &mut received, length, TRAILERS);
            assert_eq!(incoming.is_over(), is_over, "{}", later.escape_ascii());
            assert!(!is_over || received == "GET /");
        }
    }

    #[tokio::test]
    async fn single_bytes_share_their_buffers() {
        const BYTES: usize = 1000;
        let (mut client, server) = duplex(1);
        let mut received = BytesMut::new();
        let mut incoming = Incoming::new(server, &mut received, Length::Known(1 << 20), TRAILERS);
        let mut body = incoming.body(None);
        let exchange = async {
            let mut pieces = Vec::new();
            while pieces.len() < BYTES {
                client.write_all(b"x").await.unwrap();
                pieces.push(body.frame().await.unwrap().unwrap().into_data().unwrap());
            }
            pieces
        };
        let pieces = tokio::select! {
            pieces = exchange => pieces,
            _ = incoming.pump() => unreachable!(),
        };
        let is_next = |pair: &[Bytes]| pair[0].as_ptr_range().end == pair[1].as_ptr();
        assert!(pieces.windows(2).all(is_next), "one buffer has room for all of them");
    }

    #[tokio::test]
    async fn what_there_is_no_room_for_is_not_lost_when_the_reading_begins_again() {
        let mut received = BytesMut::from("1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n");
        let mut incoming = incoming(&mut received, Length::Chunks);
        let mut body = incoming.body(None);
        let mut cx = Context::from_waker(Waker::noop());
        let mut read = Vec::new();
        loop {
            let _ = pin!(incoming.pump()).poll(&mut cx);
            let Poll::Ready(frame) = Pin::new(&mut body).poll_frame(&mut cx) else { panic!("{read:?}") };
            let Some(frame) = frame else { break };
            read.push(frame.unwrap().into_data().unwrap());
        }
        assert_eq!(read, ["a", "b", "c"]);
    }

    #[tokio::test]
    async fn a_body_may_end_while_somebody_reads_it_or_where_it_has_come() {
        for (length, ends) in [(3, true), (4, false)] {
            let (_client, server) = duplex(64);
            let mut received = BytesMut::from("a");
            let mut incoming = Incoming::new(server, &mut received, Length::Known(length), TRAILERS);
            let body = incoming.body(None);
            assert!(incoming.may_end());
            drop(body);
            assert!(!incoming.may_end());
            incoming.received.extend_from_slice(b"bc");
            assert_eq!(incoming.may_end(), ends);
        }
    }

    #[tokio::test]
    async fn what_has_come_with_the_head_is_there_before_anything_is_read() {
        let mut received = BytesMut::from("abc");
        let mut incoming = incoming(&mut received, Length::Known(4));
        let mut body = incoming.body(None);
        let first = std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut body).poll_frame(cx))).await;
        let Poll::Ready(Some(Ok(first))) = first else { panic!("nothing is waited for") };
        assert_eq!(first.into_data().unwrap(), "abc");
    }

    #[tokio::test]
    async fn the_client_is_asked_for_its_body_when_that_is_read() {
        let mut received = BytesMut::new();
        let mut incoming = incoming(&mut received, Length::Known(3));
        let (ask, mut asked) = oneshot::channel();
        let mut body = incoming.body(Some(ask));
        assert!(asked.try_recv().is_err());
        assert!(
            std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut body).poll_frame(cx).is_pending())).await
        );
        assert!(asked.try_recv().is_ok());
    }
}
