//! The threads of all applications, as the end of the process sees them.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use handoff::Queue;

use crate::request::Job;

/// All queues, and how many threads still take from them.
#[derive(Default)]
pub(crate) struct Threads {
    queues: Vec<Arc<Queue<Job>>>,
    living: Living,
}

/// Counts threads that have not ended.
#[derive(Clone, Default)]
pub(crate) struct Living(Arc<Count>);

#[derive(Default)]
struct Count {
    number: Mutex<usize>,
    changed: Condvar,
}

/// A thread that has not ended.
pub(crate) struct Alive(Arc<Count>);

impl Threads {
    pub(crate) fn add(&mut self, queue: Arc<Queue<Job>>) {
        self.queues.push(queue);
    }

    pub(crate) fn living(&self) -> &Living {
        &self.living
    }

    /// Closes all queues and waits until the threads have served what waits; false where time passes first. What still
    /// waits then is dropped.
    pub(crate) fn end(&self, until: Instant) -> bool {
        self.queues.iter().for_each(|queue| queue.close());
        let number = self.living.0.number.lock().unwrap_or_else(PoisonError::into_inner);
        let time = until.saturating_duration_since(Instant::now());
        let waited = self.living.0.changed.wait_timeout_while(number, time, |number| *number > 0);
        let is_done =
            waited.map_or_else(|poisoned| *poisoned.into_inner().0 == 0, |(number, _)| *number == 0);
        self.queues.iter().for_each(|queue| queue.clear());
        is_done
    }
}

impl Living {
    pub(crate) fn begin(&self) -> Alive {
        *self.0.number.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Alive(Arc::clone(&self.0))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        *self.0.number.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.changed.notify_all();
    }
}
