//! Ends waits that are too long: for an answer, for its next piece, or for the other side to take the request.
//!
//! The limits lie on the connection's reads, so that one timer serves a connection for its whole life, whatever requests
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

/// How long the other side may be silent.
#[derive(Clone, Copy, Debug)]
pub(in crate::backend) struct Limits {
    /// While it has what was written, and is to answer.
    pub(in crate::backend) read: Duration,
    /// While it takes nothing of what is to be written.
    pub(in crate::backend) write: Duration,
}

impl From<Duration> for Limits {
    fn from(both: Duration) -> Self {
        Self { read: both, write: both }
    }
}

/// A stream whose reads fail with [`io::ErrorKind::TimedOut`] where they wait too long.
pub(in crate::backend) struct Deadline<S> {
    stream: S,
    turn: Turn,
    limits: Limits,
    /// Whether it has not taken what was to be written last.
    is_stuck: bool,
    /// Since when a read has waited without any progress, in reading or writing; `None` while none waits.
    since: Option<Instant>,
    /// Never farther away than the end of a wait: most waits find it as the one before has left it.
    timer: Pin<Box<Sleep>>,
}

impl<S> Deadline<S> {
    pub(in crate::backend) fn new(stream: S, limits: Limits) -> Self {
        let timer = Box::pin(tokio::time::sleep(limits.read.min(limits.write)));
        Self { stream, turn: Turn::Server, limits, is_stuck: false, since: None, timer }
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
            let Limits { read, write } = self.limits;
            let (limit, what) = if self.is_stuck { (write, "was taken") } else { (read, "came") };
            let end = *since + limit;
            if end <= now {
                let message = format!("nothing {what} for {limit:?}");
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)));
            }
            // The next wait may have the other limit.
            self.timer.as_mut().reset(end.min(now + read.min(write)));
        }
        Poll::Pending
    }

    fn written<T>(&mut self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let was_stuck = std::mem::replace(&mut self.is_stuck, written.is_pending());
        if !(was_stuck && self.is_stuck)
            && let Some(since) = &mut self.since
        {
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::DuplexStream;

    use super::*;

    const LIMITS: Limits = Limits { read: Duration::from_secs(60), write: Duration::from_secs(5) };

    /// One that nobody reads, with its other end.
    fn unread() -> (Deadline<DuplexStream>, DuplexStream) {
        let (near, far) = tokio::io::duplex(4);
        (Deadline::new(near, LIMITS), far)
    }

    async fn read(stream: &mut Deadline<DuplexStream>) -> io::Error {
        let mut room = [0; 8];
        let mut room = ReadBuf::new(&mut room);
        poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut room)).await.expect_err("nobody answers")
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_has_its_own_limit() {
        let (mut stream, _far) = unread();
        let start = Instant::now();
        assert_eq!(read(&mut stream).await.to_string(), "nothing came for 60s");
        assert_eq!(start.elapsed().as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_taken_has_its_own_limit_from_then_on() {
        let (mut stream, _far) = unread();
        let start = Instant::now();
        let waited = tokio::time::timeout(Duration::from_secs(7), read(&mut stream)).await;
        assert!(waited.is_err(), "it is the other side's turn");
        let mut nobody = Context::from_waker(std::task::Waker::noop());
        assert!(Pin::new(&mut stream).poll_write(&mut nobody, b"some").is_ready());
        assert!(Pin::new(&mut stream).poll_write(&mut nobody, b"more").is_pending());
        assert_eq!(read(&mut stream).await.to_string(), "nothing was taken for 5s");
        assert_eq!(start.elapsed().as_secs(), 12);
    }
}
