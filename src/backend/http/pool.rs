//! Kept connections, per core, and whose turn it is.
//!
//! A connection goes back as soon as its answer has begun. A short answer has been read to its end by then; the
//! connection of a longer one is looked at again when no other is free. So nothing happens when a body ends, and bodies
//! need no wrapper.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::connection::Connection;
use crate::runtime;

/// How long a server that took no connection is passed over while there are others.
const AVOIDED: Duration = Duration::from_secs(10);

/// The kept connections to all servers of one backend.
pub(super) struct Pool {
    /// Each is locked by its own core only: the lock is always free.
    cores: Box<[Mutex<Core>]>,
}

struct Core {
    servers: Vec<Kept>,
    /// The server whose turn it is.
    next: usize,
}

/// The connections of one core to one server.
struct Kept {
    /// Those that take a request; the one that was used last is taken first, so that the others grow old and end.
    idle: Vec<Connection>,
    /// Those whose answers were still on their way when last looked at.
    answering: Vec<Connection>,
    /// The length of `answering` at which it is looked through even though others are free.
    look_at: usize,
    max_idle: usize,
    avoided_until: Option<Instant>,
}

impl Pool {
    /// An empty pool. `max_idle` counts per core and server.
    pub(super) fn new(cores: usize, servers: usize, max_idle: usize) -> Self {
        let core = |at: usize| {
            let servers: Vec<_> = (0..servers).map(|_| Kept::new(max_idle)).collect();
            // Cores begin at different servers.
            Mutex::new(Core { next: at % servers.len().max(1), servers })
        };
        Self { cores: (0..cores.max(1)).map(core).collect() }
    }

    /// The server whose turn it is, without those in `tried`, and a connection to it if one is free.
    pub(super) fn checkout(&self, tried: &[usize]) -> Option<(usize, Option<Connection>)> {
        let mut core = self.core();
        let at = core.turn(tried)?;
        Some((at, core.servers[at].take()))
    }

    /// Gives a connection back whose answer has begun.
    pub(super) fn put(&self, server: usize, connection: Connection) {
        self.core().servers[server].put(connection);
    }

    /// Notes that a server took no connection.
    pub(super) fn avoid(&self, server: usize) {
        self.core().servers[server].avoided_until = Some(Instant::now() + AVOIDED);
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        let core = &self.cores[runtime::core() % self.cores.len()];
        // Nothing in here is left half done by a panic.
        core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    /// Round robin; servers to avoid are taken only where no other is left.
    fn turn(&mut self, tried: &[usize]) -> Option<usize> {
        let count = self.servers.len();
        let start = self.next;
        let mut order = (0..count).map(|step| (start + step) % count).filter(|at| !tried.contains(at));
        let at = order.clone().find(|at| !self.servers[*at].is_avoided()).or_else(|| order.next())?;
        self.next = (at + 1) % count;
        Some(at)
    }
}

impl Kept {
    /// `answering` is not looked through below this length.
    const FEW: usize = 64;

    fn new(max_idle: usize) -> Self {
        Self { idle: Vec::new(), answering: Vec::new(), look_at: Self::FEW, max_idle, avoided_until: None }
    }

    fn is_avoided(&self) -> bool {
        self.avoided_until.is_some_and(|until| Instant::now() < until)
    }

    fn take(&mut self) -> Option<Connection> {
        self.take_idle().or_else(|| {
            self.look_through();
            self.take_idle()
        })
    }

    /// Connections that have ended are dropped on the way.
    fn take_idle(&mut self) -> Option<Connection> {
        std::iter::from_fn(|| self.idle.pop()).find(Connection::is_ready)
    }

    fn put(&mut self, connection: Connection) {
        self.avoided_until = None;
        if connection.is_ready() {
            self.keep(connection);
        } else if !connection.is_closed() {
            self.answering.push(connection);
            if self.answering.len() >= self.look_at {
                self.look_through();
                // Looked through again only at twice the length: the cost stays constant for each connection.
                self.look_at = Self::FEW.max(self.answering.len() * 2);
            }
        }
    }

    fn look_through(&mut self) {
        let is_done = |connection: &mut Connection| connection.is_ready() || connection.is_closed();
        let done: Vec<_> = self.answering.extract_if(.., is_done).collect();
        done.into_iter().filter(Connection::is_ready).for_each(|connection| self.keep(connection));
    }

    fn keep(&mut self, connection: Connection) {
        if self.idle.len() < self.max_idle {
            connection.rest();
            self.idle.push(connection);
        }
    }
}
