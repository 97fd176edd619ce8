//! Threads that were called and have not asked for a job yet: they wake up, and wait for what else they need to run (the GIL).

use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// After this time Python takes the GIL away from who computes (`sys.setswitchinterval`); who waits for anything gives it back
/// earlier.
const TURN: Duration = Duration::from_millis(5);

/// How long no further thread is called after one has come too late, unless no job is taken at all.
const RELIEF: Duration = Duration::from_millis(20);

/// They, nearly always none or one.
#[derive(Default)]
pub(crate) struct Coming {
    called: Vec<Called>,
    /// When one has come too late.
    crowded: Option<Instant>,
}

struct Called {
    thread: ThreadId,
    /// How many jobs had been taken when it was called.
    taken: u64,
    /// When it was up.
    up: Option<Instant>,
}

impl Coming {
    pub(crate) fn call(&mut self, thread: ThreadId, taken: u64) {
        self.called.push(Called { thread, taken, up: None });
    }

    /// The thread runs; from now on it waits for something else, if for anything.
    pub(crate) fn is_up(&mut self, thread: ThreadId) {
        if let Some(called) = self.called.iter_mut().find(|called| called.thread == thread) {
            called.up = Some(Instant::now());
        }
    }

    /// The calling thread asks for a job, where `taken` were taken so far. True where it comes too late: it had to wait for as
    /// long as a turn takes, while others took jobs. So they compute with what it waited for, and all that it could do is to
    /// take turns with them.
    pub(crate) fn arrive(&mut self, taken: u64) -> bool {
        let is_late = self
            .take()
            .is_some_and(|called| called.taken < taken && called.up.is_some_and(|up| up.elapsed() >= TURN));
        if is_late {
            self.crowded = Some(Instant::now());
        }
        is_late
    }

    /// Whether one has come too late a short time ago.
    pub(crate) fn is_crowded(&self) -> bool {
        self.crowded.is_some_and(|crowded| crowded.elapsed() < RELIEF)
    }

    /// The calling thread comes no longer, if it has not arrived.
    pub(crate) fn leave(&mut self) {
        self.take();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.called.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.called.len()
    }

    fn take(&mut self) -> Option<Called> {
        // For every job but the first of a thread, that is all there is to do.
        if self.called.is_empty() {
            return None;
        }
        let this = thread::current().id();
        let at = self.called.iter().position(|called| called.thread == this)?;
        Some(self.called.swap_remove(at))
    }
}
