//! Kept connections, per core and server.
//!
//! Nothing watches a connection that waits: whether its server has closed it is asked when it is taken, and now and then by
//! a task that closes what is old, and ends when nothing is left. That task counts rounds, so that neither giving back nor
//! taking asks for the time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time;

use crate::backend::upstream::connection::Connection;

/// In how many rounds of its task a connection grows old.
const ROUNDS: u32 = 8;

/// The kept connections to all servers of one backend.
pub(super) struct Pool {
    /// Each is locked by its own core only: the lock is always free.
    cores: Box<[Mutex<Core>]>,
    max_idle: usize,
    idle_timeout: Duration,
}

struct Core {
    /// For each server. The one that was used last is taken first, so that the others grow old.
    idle: Box<[Vec<Kept>]>,
    round: u32,
    /// Whether a task looks for old ones.
    is_swept: bool,
}

struct Kept {
    connection: Box<Connection>,
    /// The round in which it was given back.
    since: u32,
}

impl Pool {
    /// An empty pool. `max_idle` counts per core and server.
    pub(super) fn new(cores: usize, servers: usize, max_idle: usize, idle_timeout: Duration) -> Self {
        let core = || {
            let idle = (0..servers).map(|_| Vec::new()).collect();
            Mutex::new(Core { idle, round: 0, is_swept: false })
        };
        Self { cores: (0..cores.max(1)).map(|_| core()).collect(), max_idle, idle_timeout }
    }

    /// A connection of the calling thread's core that can be used.
    pub(super) fn take(&self, server: usize) -> Option<Box<Connection>> {
        let mut core = self.core(crate::runtime::core());
        let kept = std::iter::from_fn(|| core.idle[server].pop());
        kept.map(|kept| kept.connection).find(|connection| connection.seems_usable())
    }

    /// Takes a connection back, unless it is one too many.
    pub(super) fn put(self: &Arc<Self>, server: usize, connection: Box<Connection>) {
        let number = connection.core;
        let mut core = self.core(number);
        if core.idle[server].len() >= self.max_idle {
            return;
        }
        if !core.is_swept {
            // Whoever reads an answer elsewhere than on a core has no use for its connection.
            let Ok(runtime) = Handle::try_current() else { return };
            runtime.spawn(sweep(Arc::downgrade(self), number, self.idle_timeout / ROUNDS));
            core.is_swept = true;
        }
        let since = core.round;
        core.idle[server].push(Kept { connection, since });
    }

    /// Closes what is old, or was closed; whether some are left.
    fn close_old(&self, number: usize) -> bool {
        let mut core = self.core(number);
        core.round = core.round.wrapping_add(1);
        let round = core.round;
        for idle in &mut core.idle {
            idle.retain(|kept| round.wrapping_sub(kept.since) < ROUNDS && kept.connection.seems_usable());
        }
        core.is_swept = core.idle.iter().any(|idle| !idle.is_empty());
        core.is_swept
    }

    fn core(&self, number: usize) -> MutexGuard<'_, Core> {
        let core = &self.cores[number % self.cores.len()];
        // Nothing in here is left half done by a panic.
        core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes old connections of a core, until none is left or the pool is gone.
async fn sweep(pool: Weak<Pool>, core: usize, round: Duration) {
    loop {
        time::sleep(round).await;
        if !pool.upgrade().is_some_and(|pool| pool.close_old(core)) {
            return;
        }
    }
}
