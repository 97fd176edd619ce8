//! An answer, written as it comes.

use std::future::poll_fn;
use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::BodyExt as _;
use tokio::io::AsyncWrite;
use vestibule_layers::Cause;

use crate::chunks::may_trail;
use crate::front::patience::Patience;
use crate::front::under_way::{Sending, Talk};
use crate::front::visit::Visit;

/// A longer piece is written from where it is, and not copied.
const COPIED: usize = 4 << 10;

/// So much is gathered before it is written.
const GATHERED: usize = 16 << 10;

/// How the client learns where the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// By its length, of which this much is still to come
    Length(u64),
    /// By a chunk of no size (RFC 9112 section 7.1)
    Chunks { takes_trailers: bool },
    /// By the end of the connection
    Close,
}

/// Why an answer does not arrive.
#[derive(Debug)]
pub(super) enum Broken {
    /// Its body broke off. The log knows why.
    Body,
    /// The connection broke. What is under way was told why.
    Connection,
}

/// The writing side of a connection.
pub(super) struct Outgoing<'a, W> {
    write: W,
    /// What is to be written.
    out: &'a mut Vec<u8>,
    patience: &'a Patience,
    talk: &'a Talk,
}

impl<'a, W: AsyncWrite + Unpin> Outgoing<'a, W> {
    pub(super) fn new(write: W, out: &'a mut Vec<u8>, visit: &'a Visit) -> Self {
        Self { write, out, patience: &visit.patience, talk: &visit.talk }
    }

    /// What is to be written next.
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// Writes what there is, and then the body. What is ready is gathered, and written before anything is waited for.
    pub(super) async fn send(
        &mut self,
        mut body: Sending<&Talk>,
        mut framing: Framing,
    ) -> Result<(), Broken> {
        while framing != Framing::Length(0) {
            let next = if let Some(next) = body.at_hand().await {
                next
            } else {
                self.flush().await?;
                body.frame().await
            };
            match next.transpose().map(|frame| frame.map(Frame::into_data)) {
                Ok(Some(Ok(piece))) => self.put(piece, &mut framing).await?,
                // Trailers need chunks to come behind.
                Ok(Some(Err(frame))) if matches!(framing, Framing::Chunks { .. }) => {
                    self.end(framing, frame.into_trailers().ok());
                    break;
                }
                Ok(Some(Err(_))) => {}
                Ok(None) => {
                    self.end(framing, None);
                    break;
                }
                // What there is of the answer arrives, and then the connection breaks.
                Err(_) => {
                    self.flush().await?;
                    return Err(Broken::Body);
                }
            }
        }
        // Before the body is dropped: until then, the log can name what does not arrive.
        self.flush().await
    }

    /// Writes all there is.
    pub(super) async fn flush(&mut self) -> Result<(), Broken> {
        if self.out.is_empty() { Ok(()) } else { self.write(&[], &[]).await }
    }

    /// Writes what there is, and two pieces behind it.
    async fn write(&mut self, piece: &[u8], trail: &[u8]) -> Result<(), Broken> {
        let written = write(&mut self.write, self.patience, [self.out, piece, trail]).await;
        self.out.clear();
        written.map_err(|error| {
            // Before what is under way is dropped, so that it knows why.
            self.talk.end(Cause::ClientGone, || format!("the connection broke: {error}"));
            Broken::Connection
        })
    }

    /// Takes a piece of the body.
    async fn put(&mut self, mut piece: Bytes, framing: &mut Framing) -> Result<(), Broken> {
        let mut trail: &[u8] = b"";
        match framing {
            Framing::Length(left) => {
                piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= piece.len() as u64;
            }
            Framing::Chunks { .. } if piece.is_empty() => {}
            Framing::Chunks { .. } => {
                write!(self.out, "{:x}\r\n", piece.len()).expect("memory takes all that is written");
                trail = b"\r\n";
            }
            Framing::Close => {}
        }
        if piece.len() <= COPIED {
            self.out.extend_from_slice(&piece);
            self.out.extend_from_slice(trail);
            if self.out.len() < GATHERED {
                return Ok(());
            }
            return self.flush().await;
        }
        self.write(&piece, trail).await
    }

    /// The end of a body.
    fn end(&mut self, framing: Framing, trailers: Option<HeaderMap>) {
        let Framing::Chunks { takes_trailers } = framing else { return };
        self.out.extend_from_slice(b"0\r\n");
        for (name, value) in trailers.iter().flatten().filter(|(name, _)| takes_trailers && may_trail(name)) {
            put_field(self.out, name.as_str(), value.as_bytes());
        }
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Writes a header.
pub(super) fn put_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Writes all of three pieces that follow each other.
async fn write(
    io: &mut (impl AsyncWrite + Unpin),
    patience: &Patience,
    pieces: [&[u8]; 3],
) -> io::Result<()> {
    let mut slices = [IoSlice::new(&[]); 3];
    let mut count = 0;
    for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
        slices[count] = IoSlice::new(piece);
        count += 1;
    }
    let mut left = &mut slices[..count];
    let mut is_stuck = false;
    while !left.is_empty() {
        let written = poll_fn(|cx| {
            let io = Pin::new(&mut *io);
            // send(2) is cheaper than writev(2).
            let written = if let [piece] = &*left {
                io.poll_write(cx, piece)
            } else {
                io.poll_write_vectored(cx, left)
            };
            if written.is_pending() != is_stuck {
                is_stuck = !is_stuck;
                patience.stuck(is_stuck);
            }
            written
        });
        match written.await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => IoSlice::advance_slices(&mut left, count),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Arc;
    use std::task::{Context, Poll};

    use http_environ::RequestId;
    use tokio::io::{AsyncReadExt as _, duplex};
    use vestibule_config::Limits;
    use vestibule_layers::{Body, BodyError};

    use super::*;
    use crate::front::under_way::UnderWay;

    /// A body that comes so; each piece is waited for.
    struct Pieces(VecDeque<Piece>, bool);

    enum Piece {
        Data(Bytes),
        Trailers(HeaderMap),
        Failure,
    }

    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            self.1 = !self.1;
            if self.1 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(self.0.pop_front().map(|piece| match piece {
                Piece::Data(data) => Ok(Frame::data(data)),
                Piece::Trailers(trailers) => Ok(Frame::trailers(trailers)),
                Piece::Failure => Err("the body failed".into()),
            }))
        }
    }

    /// Everything that arrives, and whether it was sent to its end.
    async fn sent(
        pieces: impl IntoIterator<Item = Piece>,
        framing: Framing,
    ) -> (Vec<u8>, Result<(), Broken>) {
        let (mut client, server) = duplex(64);
        let (patience, talk) = (Patience::new(&Limits::default()), Arc::new(Talk::default()));
        let body = Body::boxed(Pieces(pieces.into_iter().collect(), false));
        let missing = if let Framing::Length(length) = framing { Some(length) } else { None };
        let under_way = UnderWay::new(&*talk, RequestId::Serial(1));
        let body = under_way.sending(http::Response::new(body), missing).into_body();
        let mut out = b"head ".to_vec();
        let sending = async {
            let mut outgoing = Outgoing { write: server, out: &mut out, patience: &patience, talk: &talk };
            outgoing.send(body, framing).await
        };
        let mut arrived = Vec::new();
        let (sent, read) = tokio::join!(sending, client.read_to_end(&mut arrived));
        read.unwrap();
        (arrived, sent)
    }

    fn data(piece: &'static str) -> Piece {
        Piece::Data(Bytes::from_static(piece.as_bytes()))
    }

    #[tokio::test]
    async fn a_body_is_framed_as_was_told() {
        let takes = |takes_trailers| Framing::Chunks { takes_trailers };
        let trailers = || {
            let fields = [("x-sum", "5"), ("content-length", "7")];
            let fields = fields.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            Piece::Trailers(HeaderMap::from_iter(fields))
        };
        for (pieces, framing, expected) in [
            (vec![data("ab"), data("cde")], Framing::Length(5), "head abcde"),
            (vec![data("ab"), data("cde"), data("more")], Framing::Length(4), "head abcd"),
            (vec![data("ab"), data("cde")], Framing::Close, "head abcde"),
            (vec![data("ab"), data(""), data("cde")], takes(false), "head 2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"),
            (vec![data("ab"), trailers()], takes(true), "head 2\r\nab\r\n0\r\nx-sum: 5\r\n\r\n"),
            (vec![data("ab"), trailers()], takes(false), "head 2\r\nab\r\n0\r\n\r\n"),
            (vec![trailers(), data("ab")], Framing::Length(2), "head ab"),
            (vec![], takes(true), "head 0\r\n\r\n"),
        ] {
            let (arrived, sent) = sent(pieces, framing).await;
            assert_eq!(String::from_utf8(arrived).unwrap(), expected);
            assert!(sent.is_ok(), "{expected}");
        }
    }

    #[tokio::test]
    async fn long_pieces_arrive_as_they_are() {
        for size in [COPIED, COPIED + 1, GATHERED, 100_000] {
            let piece = || Piece::Data(vec![b'x'; size].into());
            let (arrived, sent) = sent([piece(), piece()], Framing::Length(2 * size as u64)).await;
            assert!(sent.is_ok() && arrived.len() == 5 + 2 * size, "{size}");
            let (arrived, _) = self::sent([piece()], Framing::Chunks { takes_trailers: false }).await;
            let expected = format!("head {size:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(size));
            assert!(arrived == expected.as_bytes(), "{size}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_never_looks_whole() {
        for (pieces, framing, expected) in [
            (vec![data("ab")], Framing::Length(5), "head ab"),
            (vec![data("ab"), Piece::Failure], Framing::Length(5), "head ab"),
            (vec![data("ab"), Piece::Failure], Framing::Chunks { takes_trailers: true }, "head 2\r\nab\r\n"),
            (vec![data("ab"), Piece::Failure], Framing::Close, "head ab"),
        ] {
            let (arrived, sent) = sent(pieces, framing).await;
            assert_eq!(String::from_utf8(arrived).unwrap(), expected);
            assert!(matches!(sent, Err(Broken::Body)), "{expected}");
        }
    }

    #[tokio::test]
    async fn a_client_that_is_gone_is_why() {
        let (client, server) = duplex(64);
        drop(client);
        let (patience, talk) = (Patience::new(&Limits::default()), Talk::default());
        let mut out = b"head".to_vec();
        let mut outgoing = Outgoing { write: server, out: &mut out, patience: &patience, talk: &talk };
        assert!(matches!(outgoing.flush().await, Err(Broken::Connection)));
    }
}
