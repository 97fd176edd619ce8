//! Whose turn it is: the servers one after another, those that took no connection left out for a while.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::runtime;

/// How long a server that took no connection is passed over while there are others.
const AVOIDED: Duration = Duration::from_secs(10);

/// The turns of one backend.
pub(super) struct Turns {
    /// Each is locked by its own core only: the lock is always free.
    cores: Box<[Mutex<Core>]>,
    servers: usize,
}

struct Core {
    /// The server whose turn it is.
    next: usize,
    avoided_until: Box<[Option<Instant>]>,
}

impl Turns {
    /// The turns of so many servers, on so many cores.
    pub(super) fn new(cores: usize, servers: usize) -> Self {
        // Cores begin at different servers.
        let core = |at: usize| {
            Mutex::new(Core { next: at % servers.max(1), avoided_until: vec![None; servers].into() })
        };
        Self { cores: (0..cores.max(1)).map(core).collect(), servers }
    }

    /// The server whose turn it is, without those in `tried`. One to avoid is taken only where no other is left.
    pub(super) fn next(&self, tried: &[usize]) -> Option<usize> {
        if self.servers == 1 {
            return tried.is_empty().then_some(0);
        }
        let mut core = self.core();
        let start = core.next;
        let mut order =
            (0..self.servers).map(|step| (start + step) % self.servers).filter(|at| !tried.contains(at));
        let at = order.clone().find(|at| !core.is_avoided(*at)).or_else(|| order.next())?;
        core.next = (at + 1) % self.servers;
        Some(at)
    }

    /// Notes whether a server took a connection, or answered.
    pub(super) fn note(&self, at: usize, serves: bool) {
        if self.servers > 1 {
            self.core().avoided_until[at] = (!serves).then(|| Instant::now() + AVOIDED);
        }
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        let core = &self.cores[runtime::core() % self.cores.len()];
        // Nothing in here is left half done by a panic.
        core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    fn is_avoided(&self, server: usize) -> bool {
        self.avoided_until[server].is_some_and(|until| Instant::now() < until)
    }
}
