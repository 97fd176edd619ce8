//! What a connection becomes after 101: bytes in both directions, which nobody here understands (WebSocket and the like).
//!
//! A backend leaves the [`Tunnel`] to its server in the extensions of its answer, and the front enters it when the head of
//! that answer has been sent. It runs in the task of the client's connection: it is counted, and ends, as any connection.

use std::any::Any;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time;

/// How much is held for each direction: what one side does not take stays with the other.
const BUFFER: usize = 16 << 10;

/// In how many looks a silence is found to be too long.
const LOOKS: u32 = 8;

/// Among the extensions of a request whose connection may become a tunnel: its client has asked for another protocol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MayBegin;

/// A socket to a server.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// The way to a server that has switched to another protocol. It can be entered once, by whichever clone.
#[derive(Clone)]
pub(crate) struct Tunnel(Arc<Mutex<Option<End>>>);

struct End {
    socket: Box<dyn Socket>,
    /// What the server has sent behind its answer.
    received: Bytes,
    /// How long both sides may be silent.
    timeout: Duration,
    /// What is kept until the end.
    held: Box<dyn Any + Send>,
}

impl Tunnel {
    /// A tunnel to a server that has sent `received` already. `held` is kept until its end.
    pub(crate) fn new(
        socket: impl Socket + 'static,
        received: Bytes,
        timeout: Duration,
        held: impl Send + 'static,
    ) -> Self {
        let end = End { socket: Box::new(socket), received, timeout, held: Box::new(held) };
        Self(Arc::new(Mutex::new(Some(end))))
    }

    /// Carries bytes until both sides have ended, one fails, or both are silent for too long. `sent` has come from the
    /// client already.
    pub(crate) async fn carry(
        &self,
        client: impl AsyncRead + AsyncWrite + Unpin,
        sent: Bytes,
    ) -> io::Result<()> {
        let end = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(End { socket, received, timeout, held: _held }) = end else { return Ok(()) };
        let moves = AtomicU64::new(0);
        let mut client = Noted { io: client, moves: &moves };
        let mut server = Noted { io: socket, moves: &moves };
        let both = async {
            server.write_all(&sent).await?;
            client.write_all(&received).await?;
            drop((sent, received));
            tokio::io::copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER, BUFFER).await
        };
        tokio::select! {
            ended = both => ended.map(drop),
            () = silence(&moves, timeout) => {
                Err(io::Error::new(io::ErrorKind::TimedOut, format!("both sides were silent for {timeout:?}")))
            }
        }
    }
}

/// Ends when nothing has moved for that long.
async fn silence(moves: &AtomicU64, timeout: Duration) {
    let (mut seen, mut silent) = (moves.load(Ordering::Relaxed), 0);
    while silent < LOOKS {
        time::sleep(timeout / LOOKS).await;
        let now = moves.load(Ordering::Relaxed);
        silent = if now == seen { silent + 1 } else { 0 };
        seen = now;
    }
}

/// A socket whose reads and writes are counted.
struct Noted<'a, I> {
    io: I,
    moves: &'a AtomicU64,
}

impl<I> Noted<'_, I> {
    fn note<T>(&self, moved: Poll<T>) -> Poll<T> {
        if moved.is_ready() {
            self.moves.fetch_add(1, Ordering::Relaxed);
        }
        moved
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Noted<'_, I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        self.note(read)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Noted<'_, I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.note(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
