//! A connection of which somebody looks at what is read, before whoever speaks on it does.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Whoever looks at what is read.
pub(super) trait Look {
    /// Reads from the connection, or gives what it has held back.
    fn read<I: AsyncRead + Unpin>(
        &mut self,
        io: &mut I,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>>;
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

impl<L: Unpin, I: AsyncWrite + Unpin> AsyncWrite for Reading<L, I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
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
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}
