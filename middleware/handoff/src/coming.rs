//! Threads that were called and have not asked for a job yet: they wake up, and wait for what else they need to run (the GIL).

use std::thread::{self, ThreadId};
use std::time::Instant;

use crate::queue::PATIENCE;

/// They, nearly always none or one.
#[derive(Default)]
pub(crate) struct Coming(Vec<Called>);

struct Called {
    thread: ThreadId,
    /// How many jobs had been taken when it was called.
    taken: u64,
    /// When it was up.
    up: Option<Instant>,
}

impl Coming {
    pub(crate) fn call(&mut self, thread: ThreadId, taken: u64) {
        self.0.push(Called { thread, taken, up: None });
    }

    /// The thread runs; from now on it waits for something else, if for anything.
    pub(crate) fn is_up(&mut self, thread: ThreadId) {
        if let Some(called) = self.0.iter_mut().find(|called| called.thread == thread) {
            called.up = Some(Instant::now());
        }
    }

    /// The calling thread asks for a job, where `taken` were taken so far. True where it comes too late: it had to wait while
    /// others took jobs, so that they compute with what it waited for, and all that it can do is to take turns with them.
    pub(crate) fn arrive(&mut self, taken: u64) -> bool {
        let called = self.take();
        called.is_some_and(|called| {
            called.taken < taken && called.up.is_some_and(|up| up.elapsed() >= PATIENCE)
        })
    }

    /// The calling thread comes no longer, if it has not arrived.
    pub(crate) fn leave(&mut self) {
        self.take();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    fn take(&mut self) -> Option<Called> {
        // For every job but the first of a thread, that is all there is to do.
        if self.0.is_empty() {
            return None;
        }
        let this = thread::current().id();
        let at = self.0.iter().position(|called| called.thread == this)?;
        Some(self.0.swap_remove(at))
    }
}
