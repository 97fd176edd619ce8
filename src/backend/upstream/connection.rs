//! A connection to an application: a socket whose reads do not wait for ever, and what has been read.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};

use super::address::{Address, Stream};
use super::deadline::{Deadline, Phase};
use super::failure::Failure;
use super::fastcgi::pool::Opening;
use crate::runtime;

/// How much is read at once.
const BUFFER: usize = 64 << 10;

/// With less room than this, a new buffer is better than a short read.
const LEAST: usize = 4 << 10;

/// A connection.
pub(super) struct Connection {
    io: Deadline<Stream>,
    pub(super) phase: Phase,
    /// What was read and is not used yet.
    pub(super) received: BytesMut,
    timeout: Duration,
    /// The core whose pool it belongs to.
    pub(super) core: usize,
    /// One for a pool counts as waiting until its first answer begins.
    opening: Option<Opening>,
}

impl Connection {
    /// Opens one, within a time. `timeout` is how long the application may be silent.
    pub(super) async fn open(
        address: &Address,
        within: Duration,
        timeout: Duration,
        opening: Option<Opening>,
    ) -> Result<Self, Failure> {
        let stream = match tokio::time::timeout(within, address.connect()).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(source)) => return Err(Failure::Connect { address: address.to_string(), source }),
            Err(_) => return Err(Failure::ConnectTimeout { address: address.to_string(), within }),
        };
        Ok(Self::on(stream, timeout, opening))
    }

    fn on(stream: Stream, timeout: Duration, opening: Option<Opening>) -> Self {
        let phase = Phase::idle();
        let io = Deadline::new(stream, phase.clone(), timeout, timeout);
        Self { io, phase, received: BytesMut::new(), timeout, core: runtime::core(), opening }
    }

    /// Whether it can be used again: the other side has neither closed it nor said what nobody asked for.
    pub(super) fn is_usable(&self) -> bool {
        self.io.stream().is_silent()
    }

    /// The same connection, on the core of the calling thread.
    pub(super) fn moved_here(self) -> io::Result<Self> {
        if self.core == runtime::core() {
            return Ok(self);
        }
        Ok(Self::on(self.io.into_stream().moved_here()?, self.timeout, None))
    }

    /// Reads more; the end is an error.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        if self.received.capacity() - self.received.len() < LEAST {
            self.received.reserve(BUFFER);
        }
        // Nothing is lost with the future: it reads at once or not at all.
        let read = pin!(self.io.read_buf(&mut self.received)).poll(cx);
        read.map(|read| match read {
            Ok(0) => Err(Failure::Ended),
            Ok(_) => {
                self.opening = None;
                Ok(())
            }
            Err(error) => Err(Failure::Io(error)),
        })
    }

    /// Writes some of two pieces that follow each other.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        second: &[u8],
    ) -> Poll<io::Result<usize>> {
        let pieces = [io::IoSlice::new(first), io::IoSlice::new(second)];
        let pieces = match (first.is_empty(), second.is_empty()) {
            (true, _) => &pieces[1..],
            (false, true) => &pieces[..1],
            (false, false) => &pieces,
        };
        match Pin::new(&mut self.io).poll_write_vectored(cx, pieces) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            written => written,
        }
    }

    /// Writes what fits at once.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.io.stream().try_write(bytes)
    }
}
