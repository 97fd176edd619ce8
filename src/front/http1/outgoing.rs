//! An answer, written as it comes.

use std::future::poll_fn;
use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame};
use tokio::io::AsyncWrite;
use vestibule_layers::Cause;

use crate::chunks::may_trail;
use crate::front::patience::Patience;
use crate::front::under_way::Sending;
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
    visit: &'a Visit,
}

impl<'a, W: AsyncWrite + Unpin> Outgoing<'a, W> {
    pub(super) fn new(write: W, out: &'a mut Vec<u8>, visit: &'a Visit) -> Self {
        Self { write, out, visit }
    }

    /// What is to be written next.
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// Writes what there is, and then the body. What is ready is gathered, and written before anything is waited for.
    pub(super) async fn send(&mut self, mut body: Sending, mut framing: Framing) -> Result<(), Broken> {
        while framing != Framing::Length(0) {
            let ready = poll_fn(|cx| match Pin::new(&mut body).poll_frame(cx) {
                Poll::Pending => Poll::Ready(None),
                Poll::Ready(frame) => Poll::Ready(Some(frame)),
            });
            let frame = if let Some(frame) = ready.await {
                frame
            } else {
                self.flush().await?;
                poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await
            };
            match frame.transpose().map(|frame| frame.map(Frame::into_data)) {
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
        let written = write(&mut self.write, &self.visit.patience, [self.out, piece, trail]).await;
        self.out.clear();
        written.map_err(|error| {
            // Before what is under way is dropped, so that it knows why.
            self.visit.talk.end(Cause::ClientGone, || format!("the connection broke: {error}"));
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
    let mut slices = pieces.map(IoSlice::new);
    let mut left = &mut slices[..];
    // Empty ones are none.
    IoSlice::advance_slices(&mut left, 0);
    let mut is_stuck = false;
    while !left.is_empty() {
        let written = poll_fn(|cx| {
            let written = Pin::new(&mut *io).poll_write_vectored(cx, left);
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
