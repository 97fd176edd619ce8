//! Kept connections of one core to one server.
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

/// The kept connections of one core to one server.
pub(super) struct Pool {
    /// Locked by its own core only: the lock is always free.
    idle: Mutex<Idle>,
    max_idle: usize,
    idle_timeout: Duration,
}

#[derive(Default)]
struct Idle {
    /// The one that was used last is taken first, so that the others grow old.
    kept: Vec<Kept>,
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
    /// An empty pool.
    pub(super) fn new(max_idle: usize, idle_timeout: Duration) -> Self {
        Self { idle: Mutex::default(), max_idle, idle_timeout }
    }

    /// A connection that can be used.
    pub(super) fn take(&self) -> Option<Box<Connection>> {
        let mut idle = self.idle();
        let kept = std::iter::from_fn(|| idle.kept.pop());
        kept.map(|kept| kept.connection).find(|connection| connection.seems_usable())
    }

    /// Takes a connection back, unless it is one too many.
    pub(super) fn put(self: &Arc<Self>, connection: Box<Connection>) {
        let mut idle = self.idle();
        if idle.kept.len() >= self.max_idle {
            return;
        }
        if !idle.is_swept {
            // Whoever reads an answer elsewhere than on a core has no use for its connection.
            let Ok(runtime) = Handle::try_current() else { return };
            runtime.spawn(sweep(Arc::downgrade(self), self.idle_timeout / ROUNDS));
            idle.is_swept = true;
        }
        let since = idle.round;
        idle.kept.push(Kept { connection, since });
    }

    /// Closes what is old, or was closed; whether some are left.
    fn close_old(&self) -> bool {
        let mut idle = self.idle();
        idle.round = idle.round.wrapping_add(1);
        let round = idle.round;
        idle.kept.retain(|kept| round.wrapping_sub(kept.since) < ROUNDS && kept.connection.seems_usable());
        idle.is_swept = !idle.kept.is_empty();
        idle.is_swept
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        // Nothing in here is left half done by a panic.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes old connections, until none is left or the pool is gone.
async fn sweep(pool: Weak<Pool>, round: Duration) {
    loop {
        time::sleep(round).await;
        if !pool.upgrade().is_some_and(|pool| pool.close_old()) {
            return;
        }
    }
}
