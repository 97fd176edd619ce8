//! The connection of one core to one server: opened when a request needs it, shared by all, left at its end.
//!
//! A task of its own reads and writes it, ends it where nobody has used it for a while, and asks now and then whether there is
//! still anybody at the other end. A server that lets a request wait too long may have gone without a word: the next
//! requests get another connection.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use h2::{Ping, PingPong};
use tokio::sync::Semaphore;
use tokio::time;
use vestibule_layers::rescue::chain;

use crate::backend::http::failure::Failure;
use crate::backend::http::server::Server;
use crate::backend::upstream::address::Stream;
use crate::backend::upstream::failure::Failure as Wire;

/// How much of an answer is received before its client takes it.
const WINDOW: u32 = 256 << 10;

/// The same for all answers together: the largest that there is, or a few clients who take nothing would stop all others.
const ALL_WINDOWS: u32 = (1 << 31) - 1;

/// How much of a request waits for its server to take it.
const UNSENT: usize = 64 << 10;

/// When the other end is asked for a sign of life. Servers of gRPC close connections that ask more often than every 5 minutes.
const PING: Duration = Duration::from_secs(330);

/// How long that sign may take.
const PONG: Duration = Duration::from_secs(20);

/// What holds for the connections of a backend.
#[derive(Clone, Copy, Debug)]
pub(in crate::backend::http) struct Terms {
    /// How long a connection may take to open.
    pub(in crate::backend::http) connect_timeout: Duration,
    /// How long one is kept without a request.
    pub(in crate::backend::http) idle_timeout: Duration,
    /// The largest head of an answer.
    pub(in crate::backend::http) header_bytes: usize,
}

/// The connection of one core to one server, if there is one.
pub(in crate::backend::http) struct Shared {
    /// Locked by its own core only: the lock is always free.
    line: Mutex<Option<Line>>,
    /// One request opens it, others wait.
    opening: Semaphore,
    terms: Terms,
}

/// A connection, as a request has it.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) sender: SendRequest<Bytes>,
    usage: Arc<Usage>,
}

/// Held by each request, by its [`Shared`] and by the task of the connection.
#[derive(Default)]
struct Usage {
    /// How many requests there were.
    requests: AtomicUsize,
    /// Whether it gets no further ones.
    is_left: AtomicBool,
}

impl Line {
    /// Has the next requests go by another connection.
    pub(super) fn leave(&self) {
        self.usage.is_left.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    /// Without a connection.
    pub(in crate::backend::http) fn new(terms: Terms) -> Self {
        Self { line: Mutex::default(), opening: Semaphore::new(1), terms }
    }

    /// The connection for a request, and whether it was there already.
    pub(super) async fn line(self: &Arc<Self>, server: &Server) -> Result<(Line, bool), Failure> {
        if let Some(line) = self.usable() {
            return Ok((line, true));
        }
        let within = self.terms.connect_timeout;
        // Boxed, so that requests that need no new connection do not carry the room for opening one.
        match time::timeout(within, Box::pin(self.open(server))).await {
            Ok(opened) => opened,
            Err(_) => Err(Wire::ConnectTimeout { address: server.to_string(), within }.into()),
        }
    }

    async fn open(self: &Arc<Self>, server: &Server) -> Result<(Line, bool), Failure> {
        let _turn = self.opening.acquire().await.expect("the semaphore is never closed");
        // Another request has opened it meanwhile.
        if let Some(line) = self.usable() {
            return Ok((line, true));
        }
        let (sender, connection) = shake_hands(server.socket().await?, self.terms.header_bytes).await?;
        let line = Line { sender, usage: Arc::default() };
        line.usage.requests.fetch_add(1, Ordering::Relaxed);
        let usage = Arc::clone(&line.usage);
        tokio::spawn(keep(connection, usage, Arc::downgrade(self), self.terms.idle_timeout));
        *self.lock() = Some(line.clone());
        Ok((line, false))
    }

    /// The connection, where there is one that takes requests.
    fn usable(&self) -> Option<Line> {
        let mut line = self.lock();
        if line.as_ref()?.usage.is_left.load(Ordering::Relaxed) {
            *line = None;
        }
        let line = line.clone()?;
        line.usage.requests.fetch_add(1, Ordering::Relaxed);
        Some(line)
    }

    /// Drops a connection; it ends with its last request.
    fn forget(&self, usage: &Arc<Usage>) {
        let mut line = self.lock();
        if line.as_ref().is_some_and(|line| Arc::ptr_eq(&line.usage, usage)) {
            *line = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Line>> {
        // Nothing in here is left half done by a panic.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins HTTP/2 on a socket. `header_bytes` is the largest head of an answer.
pub(super) async fn shake_hands(
    stream: Stream,
    header_bytes: usize,
) -> Result<(SendRequest<Bytes>, Connection<Stream>), Failure> {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(WINDOW)
        .initial_connection_window_size(ALL_WINDOWS)
        .max_send_buffer_size(UNSENT)
        // The settings allow no more than 16 MiB.
        .max_header_list_size(u32::try_from(header_bytes).unwrap_or(u32::MAX));
    builder.handshake(stream).await.map_err(Failure::Stream)
}

/// Reads and writes a connection, until it ends.
async fn keep(
    mut connection: Connection<Stream>,
    usage: Arc<Usage>,
    shared: Weak<Shared>,
    idle_timeout: Duration,
) {
    let ping = connection.ping_pong().expect("asked for once");
    let unused = async {
        unused(&usage, idle_timeout).await;
        if let Some(shared) = shared.upgrade() {
            shared.forget(&usage);
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ended = connection => if let Err(error) = ended {
            tracing::debug!("a connection to a server has ended: {}", chain(&error));
        },
        () = silent(ping) => tracing::warn!("a connection to a server is dead: no answer to a ping within {PONG:?}"),
        () = unused => {}
    }
    usage.is_left.store(true, Ordering::Relaxed);
}

/// Ends when no request has used the connection for this time, or all are to use another one and none is left.
async fn unused(usage: &Arc<Usage>, idle_timeout: Duration) {
    /// [`Shared`] and the task of the connection have one.
    const OTHERS: usize = 2;
    let mut known = usage.requests.load(Ordering::Relaxed);
    loop {
        time::sleep(idle_timeout).await;
        let requests = usage.requests.load(Ordering::Relaxed);
        let is_idle = Arc::strong_count(usage) <= OTHERS && requests == known;
        if is_idle || usage.is_left.load(Ordering::Relaxed) {
            return;
        }
        known = requests;
    }
}

/// Ends when nobody answers any longer.
async fn silent(mut ping: PingPong) {
    loop {
        time::sleep(PING).await;
        if !matches!(time::timeout(PONG, ping.ping(Ping::opaque())).await, Ok(Ok(_))) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// A connection, and the other end of it.
    async fn connected() -> (PingPong, tokio::task::JoinHandle<()>, tokio::io::DuplexStream) {
        let (near, far) = tokio::io::duplex(1 << 10);
        let (sender, mut connection) = h2::client::handshake(near).await.unwrap();
        let ping = connection.ping_pong().unwrap();
        let keeping = tokio::spawn(async move {
            // Without a sender, the connection would end.
            let _sender: SendRequest<Bytes> = sender;
            drop(connection.await);
        });
        (ping, keeping, far)
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_answers_no_ping_is_dead() {
        let (ping, keeping, _far) = connected().await;
        let start = time::Instant::now();
        silent(ping).await;
        assert_eq!(start.elapsed().as_secs(), (PING + PONG).as_secs());
        keeping.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_rests_and_answers_pings_is_alive() {
        let (ping, keeping, far) = connected().await;
        let mut server = h2::server::handshake(far).await.unwrap();
        let serving =
            tokio::spawn(async move { while poll_fn(|cx| server.poll_accept(cx)).await.is_some() {} });
        assert!(time::timeout(PING * 20, silent(ping)).await.is_err());
        keeping.abort();
        serving.abort();
    }
}
