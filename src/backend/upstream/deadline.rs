//! Ends waits that are too long: for an answer, for its next piece, or for the next request.
//!
//! The limit lies on the connection's reads, so that one timer serves a connection for its whole life, whatever requests
//! it carries, and bodies need no wrapper. A connection is read only where something is wanted: a client that takes its answer
//! slowly stops the reading, and with it the clock.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::runtime::seldom::Seldom;

/// What a connection waits for, told by whoever knows it. A clone is the same phase.
#[derive(Clone, Debug)]
pub(in crate::backend) struct Phase(Arc<AtomicU8>);

const IDLE: u8 = 0;
const SERVER: u8 = 1;
const CLIENT: u8 = 2;

impl Phase {
    /// The phase of a new connection: nothing was asked yet.
    pub(in crate::backend) fn idle() -> Self {
        Self(Arc::new(AtomicU8::new(IDLE)))
    }

    /// It waits for a request.
    pub(in crate::backend) fn wait_for_request(&self) {
        self.0.store(IDLE, Relaxed);
    }

    /// It waits for the server, to take the request or to answer.
    pub(in crate::backend) fn wait_for_server(&self) {
        self.0.store(SERVER, Relaxed);
    }

    /// It waits for the client's next piece of the request's body: not the server's fault.
    pub(in crate::backend) fn wait_for_client(&self) {
        self.0.store(CLIENT, Relaxed);
    }
}

/// A stream whose reads fail with [`io::ErrorKind::TimedOut`] where they wait too long.
pub(in crate::backend) struct Deadline<S> {
    stream: S,
    phase: Phase,
    timeout: Duration,
    idle_timeout: Duration,
    /// Since when a read has waited without any progress, in reading or writing; `None` while none waits.
    since: Option<Instant>,
    /// Never farther away than the shorter limit: then a new phase needs no reset of the timer.
    timer: Pin<Box<Sleep>>,
    reads: Seldom,
    looks: Seldom,
}

impl<S> Deadline<S> {
    pub(in crate::backend) fn new(
        stream: S,
        phase: Phase,
        timeout: Duration,
        idle_timeout: Duration,
    ) -> Self {
        let timer = Box::pin(tokio::time::sleep(timeout.min(idle_timeout)));
        let (reads, looks) = Default::default();
        Self { stream, phase, timeout, idle_timeout, since: None, timer, reads, looks }
    }

    /// The stream itself.
    pub(in crate::backend) fn stream(&self) -> &S {
        &self.stream
    }

    /// The stream itself, without limits.
    pub(in crate::backend) fn into_stream(self) -> S {
        self.stream
    }

    /// Registers the waiting read with the timer, or ends it.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { phase, timeout, idle_timeout, since, timer, looks, .. } = self;
        let since = since.get_or_insert_with(Instant::now);
        looks.poll(cx, |cx| {
            while timer.as_mut().poll(cx).is_ready() {
                let now = Instant::now();
                let limit = match phase.0.load(Relaxed) {
                    IDLE => *idle_timeout,
                    SERVER => *timeout,
                    _ => {
                        *since = now;
                        *timeout
                    }
                };
                let end = *since + limit;
                if end <= now {
                    let message = format!("nothing came for {limit:?}");
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)));
                }
                timer.as_mut().reset(end.min(now + (*timeout).min(*idle_timeout)));
            }
            Poll::Pending
        })
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
        let Self { stream, reads, .. } = &mut *self;
        let read = reads.poll(cx, |cx| Pin::new(stream).poll_read(cx, buf));
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
