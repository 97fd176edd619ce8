//! Kept connections, for each core.
//!
//! An application such as php-fpm serves a connection by a process, and has few: a connection that is kept without need
//! holds one. So a connection of another core is taken over before a new one is opened; none is kept while a new one has
//! waited for a while for its first answer, perhaps for a process to be free; and unused ones are closed soon.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{self, Instant};

use crate::backend::upstream::connection::Connection;
use crate::runtime;

/// So long a new connection may wait for its first answer before those that are free are given up for it. Most answers are
/// there before.
pub(in crate::backend) const PATIENCE: Duration = Duration::from_millis(50);

/// The kept connections to one application.
pub(in crate::backend) struct Pool {
    /// Each is locked by its own core, and seldom by another: the lock is nearly always free.
    cores: Box<[Mutex<Core>]>,
    max_idle: usize,
    idle_timeout: Duration,
    waiting: Arc<Waiting>,
}

#[derive(Default)]
struct Core {
    /// The one that was used last is taken first, so that the others grow old and end.
    idle: Vec<Kept>,
    /// Whether a task looks for old ones.
    is_swept: bool,
}

struct Kept {
    // Boxed, so that it goes from hand to hand with little to copy.
    connection: Box<Connection>,
    since: Instant,
}

/// New connections that wait for their first answer, on all cores: since when, the oldest first.
#[derive(Default)]
struct Waiting(Mutex<VecDeque<Instant>>);

/// A new connection that waits for its first answer.
pub(in crate::backend) struct Opening {
    waiting: Arc<Waiting>,
    since: Instant,
}

impl Waiting {
    fn is_long(&self) -> bool {
        self.all().front().is_some_and(|since| since.elapsed() > PATIENCE)
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<Instant>> {
        // Nothing in here is left half done by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        let mut all = self.waiting.all();
        if let Some(at) = all.iter().position(|since| *since == self.since) {
            all.remove(at);
        }
    }
}

impl Pool {
    /// An empty pool. `max_idle` counts per core.
    pub(in crate::backend) fn new(cores: usize, max_idle: usize, idle_timeout: Duration) -> Self {
        let cores = (0..cores.max(1)).map(|_| Mutex::default()).collect();
        Self { cores, max_idle, idle_timeout, waiting: Arc::default() }
    }

    /// A connection that can be used. For a request that is `repeatable` it is enough that nothing was heard of its end, as such a
    /// request can be sent once more: asking the system costs as much as any read.
    pub(in crate::backend) fn take(&self, repeatable: bool) -> Option<Box<Connection>> {
        let own = runtime::core() % self.cores.len();
        let mut kept = std::iter::from_fn(|| self.core(own).idle.pop()).map(|kept| kept.connection);
        kept.find(|kept| if repeatable { kept.seems_usable() } else { kept.is_usable() })
            .or_else(|| self.take_over(own))
    }

    /// One of another core, which may have heard of it what this one has not.
    fn take_over(&self, own: usize) -> Option<Box<Connection>> {
        (0..self.cores.len()).filter(|core| *core != own).find_map(|core| {
            let kept = std::iter::from_fn(|| self.core(core).idle.pop()).map(|kept| kept.connection);
            let mut usable = kept.filter(|connection| connection.is_usable());
            usable.find_map(|connection| connection.moved_here().ok())
        })
    }

    /// Counts a connection that is being opened.
    pub(in crate::backend) fn opening(&self) -> Opening {
        let mut all = self.waiting.all();
        let since = Instant::now();
        all.push_back(since);
        Opening { waiting: Arc::clone(&self.waiting), since }
    }

    /// Takes a connection back, unless it is one too many.
    pub(in crate::backend) fn put(self: &Arc<Self>, connection: Box<Connection>) {
        let number = connection.core % self.cores.len();
        let mut core = self.core(number);
        if self.waiting.is_long() || core.idle.len() >= self.max_idle {
            return;
        }
        if !core.is_swept {
            // Whoever reads an answer elsewhere than on a core has no use for its connection.
            let Ok(runtime) = Handle::try_current() else { return };
            runtime.spawn(sweep(Arc::downgrade(self), number, self.idle_timeout));
            core.is_swept = true;
        }
        core.idle.push(Kept { connection, since: Instant::now() });
    }

    /// Closes what is free, on all cores: a new connection has waited for long.
    pub(in crate::backend) fn give_up(&self) {
        for number in 0..self.cores.len() {
            let idle = std::mem::take(&mut self.core(number).idle);
            drop(idle);
        }
    }

    /// Closes what was not used for so long; whether some are left.
    fn close_old(&self, number: usize) -> bool {
        let now = Instant::now();
        let mut core = self.core(number);
        core.idle.retain(|kept| now.duration_since(kept.since) < self.idle_timeout);
        core.is_swept = !core.idle.is_empty();
        core.is_swept
    }

    fn core(&self, number: usize) -> MutexGuard<'_, Core> {
        // Nothing in here is left half done by a panic.
        self.cores[number].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes old connections of a core, until none is left or the pool is gone.
async fn sweep(pool: Weak<Pool>, core: usize, idle_timeout: Duration) {
    loop {
        time::sleep(idle_timeout).await;
        if !pool.upgrade().is_some_and(|pool| pool.close_old(core)) {
            return;
        }
    }
}
