//! A connection of which somebody looks at what is read, before whoever speaks on it does, and at what becomes of writes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Up to how many bytes are copied, to be sent as one piece.
const SMALL: usize = 512;

/// Whoever looks at what is read.
pub(super) trait Look {
    /// Reads from the connection, or gives what it has held back.
    fn read<I: AsyncRead + Unpin>(
        &mut self,
        io: &mut I,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>>;

    /// Learns what has become of a write.
    fn wrote(&mut self, _written: &Poll<io::Result<usize>>) {}
}

/// The connection, and who looks.
pub(super) struct Reading<L, I> {
    look: L,
    io: I,
}

impl<L, I> Reading<L, I> {
    pub(super) fn new(look: L, io: I) -> Self {
        Self { look, io }
    }

    /// Who looks, to be told of something.
    pub(super) fn look_mut(&mut self) -> &mut L {
        &mut self.look
    }
}

impl<L: Look + Unpin, I: AsyncRead + Unpin> AsyncRead for Reading<L, I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { look, io } = &mut *self;
        look.read(io, cx, buf)
    }
}

impl<L: Look + Unpin, I: AsyncWrite + Unpin> AsyncWrite for Reading<L, I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.look.wrote(&written);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A small head with its small body costs the kernel less as one piece than as two.
        let mut piece = [0; SMALL];
        let written = match joined(bufs, &mut piece) {
            Some(piece) => Pin::new(&mut self.io).poll_write(cx, piece),
            None => Pin::new(&mut self.io).poll_write_vectored(cx, bufs),
        };
        self.look.wrote(&written);
        written
    }
}

/// Copies pieces into one, where it has room for all of them.
fn joined<'a>(bufs: &[io::IoSlice<'_>], piece: &'a mut [u8; SMALL]) -> Option<&'a [u8]> {
    let mut end = 0;
    for buf in bufs {
        piece.get_mut(end..end + buf.len())?.copy_from_slice(buf);
        end += buf.len();
    }
    Some(&piece[..end])
}
