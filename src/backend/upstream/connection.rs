//! A connection to an application: a socket, or the pipes of a program, whose reads do not wait for ever, and what has been
//! read.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};

use super::address::{Address, Stream};
use super::deadline::{Deadline, Limits, Turn};
use super::failure::Failure;
use super::pool::Opening;
use crate::runtime::{self, room};

/// How much is read at once: at most this much first, which is room for most answers.
const FIRST: usize = room::WHOLE;

/// So much where a read has filled its room. With more, a long answer leaves the processor's cache on its way.
const MOST: usize = 64 << 10;

/// With less room than this, a new buffer is better than a short read.
const LEAST: usize = 4 << 10;

/// What a request and its answer travel on.
pub(in crate::backend) trait Line:
    AsyncRead + AsyncWrite + Send + Unpin + 'static
{
    /// The answer is here as a whole; whoever gave it may have more to do. Dropped without this, it has lost its client.
    fn release(self);
}

impl Line for Stream {
    fn release(self) {}
}

/// A connection.
pub(in crate::backend) struct Connection<S = Stream> {
    io: Deadline<S>,
    /// What was read and is not used yet.
    pub(in crate::backend) received: BytesMut,
    /// How much the next read may take.
    room: usize,
    limits: Limits,
    /// The core whose pool it belongs to.
    pub(in crate::backend) core: usize,
    /// One for the pool of FastCGI counts as waiting until its first answer begins.
    opening: Option<Opening>,
}

impl Connection {
    /// Opens one, within a time. `limits` are how long the application may be silent.
    pub(in crate::backend) async fn open(
        address: &Address,
        within: Duration,
        limits: impl Into<Limits>,
        opening: Option<Opening>,
    ) -> Result<Self, Failure> {
        let stream = match tokio::time::timeout(within, address.connect()).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(source)) => return Err(Failure::connect(address, source)),
            Err(_) => return Err(Failure::ConnectTimeout { address: address.to_string(), within }),
        };
        Ok(Self { opening, ..Self::on(stream, limits) })
    }

    /// Whether it can be used again: the other side has neither closed it nor said what nobody asked for.
    pub(super) fn is_usable(&self) -> bool {
        self.io.stream().is_silent()
    }

    /// The same, as far as the runtime has heard of it: cheap, and wrong only where the news is on its way.
    pub(in crate::backend) fn seems_usable(&self) -> bool {
        self.received.is_empty() && self.io.stream().seems_silent()
    }

    /// The same connection, on the core of the calling thread.
    pub(super) fn moved_here(self: Box<Self>) -> io::Result<Box<Self>> {
        if self.core == runtime::core() {
            return Ok(self);
        }
        let Self { io, limits, .. } = *self;
        Ok(Box::new(Self::on(io.into_stream().moved_here()?, limits)))
    }

    /// Writes what fits at once.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.io.stream().try_write(bytes)
    }
}

impl<S: Line> Connection<S> {
    /// A connection that is open. `limits` are how long the application may be silent.
    pub(in crate::backend) fn on(stream: S, limits: impl Into<Limits>) -> Self {
        let limits = limits.into();
        let io = Deadline::new(stream, limits);
        Self { io, received: BytesMut::new(), room: FIRST, limits, core: runtime::core(), opening: None }
    }

    /// What it travels on.
    pub(super) fn line(&self) -> &S {
        self.io.stream()
    }

    /// What it travels on, which has become something else.
    pub(super) fn into_line(self) -> S {
        self.io.into_stream()
    }

    /// The answer is here as a whole.
    pub(super) fn release(self) {
        self.io.into_stream().release();
    }

    /// Notes whom it waits for from now on.
    pub(in crate::backend) fn wait_for(&mut self, turn: Turn) {
        self.io.wait_for(turn);
    }

    /// Reads more; the end is an error.
    pub(in crate::backend) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        if self.received.is_empty() && self.room == FIRST {
            return room::poll_receive(&mut self.io, cx).map(|received| {
                let (received, is_full) = received.map_err(Failure::Io)?;
                self.received = received;
                self.has_read(self.received.len(), is_full)
            });
        }
        let free = self.received.capacity() - self.received.len();
        if free < LEAST || (self.received.is_empty() && free < self.room) {
            self.received.reserve(self.room);
        }
        let room = self.received.capacity() - self.received.len();
        // Nothing is lost with the future: it reads at once or not at all.
        let read = pin!(self.io.read_buf(&mut self.received)).poll(cx);
        read.map(|length| {
            let length = length.map_err(Failure::Io)?;
            self.has_read(length, length == room)
        })
    }

    fn has_read(&mut self, length: usize, is_full: bool) -> Result<(), Failure> {
        if length == 0 {
            return Err(Failure::Ended);
        }
        self.opening = None;
        // A short read that has filled what was left of the room tells of no long answer yet.
        if length < FIRST / 2 {
            self.room = FIRST;
        } else if is_full {
            self.room = MOST;
        }
        Ok(())
    }

    /// Writes some of three pieces that follow each other, of which one has something.
    pub(in crate::backend) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        pieces: [&[u8]; 3],
    ) -> Poll<io::Result<usize>> {
        let mut slices = [io::IoSlice::new(&[]); 3];
        let mut count = 0;
        for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
            slices[count] = io::IoSlice::new(piece);
            count += 1;
        }
        match Pin::new(&mut self.io).poll_write_vectored(cx, &slices[..count]) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            written => written,
        }
    }
}
