//! What a sheet has done since it was compiled.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a sheet has done since it was compiled, as numbers to be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Transforms, failed ones included
    pub runs: u64,
    /// What they took together, of the threads that ran them
    pub run_time: Duration,
    /// Results that were found in the cache
    pub hits: u64,
    /// Results that were looked for there in vain
    pub misses: u64,
    /// Answers without a result: who asked has it, by its tag
    pub not_modified: u64,
}

/// The same while they count.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    runs: AtomicU64,
    nanoseconds: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
    not_modified: AtomicU64,
}

impl Counting {
    pub(crate) fn run(&self, time: Duration) {
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.nanoseconds.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn looked_up(&self, is_hit: bool) {
        let counter = if is_hit { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn not_modified(&self) {
        self.not_modified.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            runs: read(&self.runs),
            run_time: Duration::from_nanos(read(&self.nanoseconds)),
            hits: read(&self.hits),
            misses: read(&self.misses),
            not_modified: read(&self.not_modified),
        }
    }
}
