//! Ends waits that are too long: for an answer, or for its next piece.
//!
//! The limit lies on the connection's reads, so that one timer serves a connection for its whole life, whatever requests
//! it carries, and bodies need no wrapper. A connection is read only where something is wanted: a client that takes its answer
//! slowly stops the reading, and with it the clock.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Whom a connection waits for, told by whoever knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::backend) enum Turn {
    /// The server, to take the request or to answer.
    Server,
    /// The client, for the next piece of the request's body: not the server's fault.
    Client,
}

/// A stream whose reads fail with [`io::ErrorKind::TimedOut`] where they wait too long.
pub(in crate::backend) struct Deadline<S> {
    stream: S,
    turn: Turn,
    timeout: Duration,
    /// Since when a read has waited without any progress, in reading or writing; `None` while none waits.
    since: Option<Instant>,
    /// Never farther away than the end of a wait: most waits find it as the one before has left it.
    timer: Pin<Box<Sleep>>,
}

impl<S> Deadline<S> {
    pub(in crate::backend) fn new(stream: S, timeout: Duration) -> Self {
        let timer = Box::pin(tokio::time::sleep(timeout));
        Self { stream, turn: Turn::Server, timeout, since: None, timer }
    }

    /// The stream itself.
    pub(in crate::backend) fn stream(&self) -> &S {
        &self.stream
    }

    /// The stream itself, without limits.
    pub(in crate::backend) fn into_stream(self) -> S {
        self.stream
    }

    /// Notes whom it waits for from now on.
    pub(in crate::backend) fn wait_for(&mut self, turn: Turn) {
        self.turn = turn;
    }

    /// Registers the waiting read with the timer, or ends it.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let since = self.since.get_or_insert_with(Instant::now);
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if self.turn == Turn::Client {
                *since = now;
            }
            let end = *since + self.timeout;
            if end <= now {
                let message = format!("nothing came for {:?}", self.timeout);
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)));
            }
            self.timer.as_mut().reset(end);
        }
        Poll::Pending
    }

    fn written<T>(&mut self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let (Poll::Ready(Ok(_)), Some(since)) = (&written, &mut self.since) {
            *since = Instant::now();
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Deadline<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_pending() {
            return self.poll_overdue(cx);
        }
        self.since = None;
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Deadline<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.written(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.written(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
