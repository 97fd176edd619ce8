//! The threads of one application: started with it, and replaced where one does not come back from a request.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use handoff::Queue;
use http_environ::RequestId;

use crate::python::{Interpreter, PyResult, Python, frame_of, interrupt};
use crate::request::Job;
use crate::threads::Living;
use crate::worker::{self, Host};
use crate::worn;

/// What one application may take of this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    pub(crate) threads: usize,
    pub(crate) spare_threads: usize,
    pub(crate) timeout: Option<Duration>,
    pub(crate) interrupt: bool,
    pub(crate) max_requests: Option<u64>,
}

/// The threads of one application and what they share.
pub(crate) struct Crew {
    pub(crate) host: Host,
    pub(crate) queue: Arc<Queue<Job>>,
    pub(crate) allowance: Allowance,
    interpreter: Interpreter,
    living: Living,
    /// One for each thread that has not ended.
    slots: Mutex<Vec<Arc<Slot>>>,
    losses: Mutex<Losses>,
    /// How many requests have come.
    requests: AtomicU64,
}

/// What one thread works on, for those who look from outside.
#[derive(Default)]
pub(crate) struct Slot {
    /// Twice the number of its request, one more where it is given up; 0 where there is none.
    request: AtomicU64,
    /// Python's number of the thread.
    thread: AtomicUsize,
    /// What its frames are found by.
    key: AtomicUsize,
}

#[derive(Default)]
struct Losses {
    /// Threads whose requests are given up.
    lost: usize,
    /// Threads that were started in their place.
    replaced: usize,
}

impl Crew {
    pub(crate) fn new(
        host: Host,
        queue: Arc<Queue<Job>>,
        allowance: Allowance,
        interpreter: Interpreter,
        living: Living,
    ) -> Self {
        Self {
            host,
            queue,
            allowance,
            interpreter,
            living,
            slots: Mutex::default(),
            losses: Mutex::default(),
            requests: AtomicU64::new(0),
        }
    }

    /// Starts one more thread.
    pub(crate) fn start_thread(self: &Arc<Self>) -> std::io::Result<()> {
        let (crew, slot) = (Arc::clone(self), Arc::new(Slot::default()));
        let alive = self.living.begin();
        self.slots().push(Arc::clone(&slot));
        let name = &self.host.name;
        let started = self.interpreter.spawn(name, move |thread| {
            worker::run(&crew, &slot, thread);
            crew.slots().retain(|other| !Arc::ptr_eq(other, &slot));
            drop(alive);
        });
        started.map(drop)
    }

    /// A number for a request. The worker wears out with the last one that it may serve.
    pub(crate) fn number_request(&self) -> u64 {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        if self.allowance.max_requests == Some(number) {
            worn::out(format!(
                "the application {} has got its {number} requests (max_requests)",
                self.host.name
            ));
        }
        number
    }

    /// Nobody waits for this request any longer. Where a thread works on it, that tells where it stands, is interrupted if
    /// that is wanted, and is replaced. False where it still waits for a thread, and will never get one.
    pub(crate) fn give_up(self: &Arc<Self>, request: u64, id: RequestId) -> bool {
        let slot = self.slots().iter().find(|slot| slot.give_up(request)).map(Arc::clone);
        let Some(slot) = slot else { return false };
        self.replace();
        let crew = Arc::clone(self);
        self.interpreter.post(move |py| crew.tell_stack(py, &slot, request, &id));
        true
    }

    /// A thread has come back from a request that was given up. True where it is one too many.
    pub(crate) fn comes_back(&self, py: Python<'_>, slot: &Slot) -> bool {
        // An exception that has not met its request shall not meet the next one.
        interrupt(py, slot.thread.load(Ordering::Relaxed), None);
        let mut losses = self.losses();
        losses.lost -= 1;
        let is_surplus = losses.replaced > losses.lost;
        losses.replaced -= usize::from(is_surplus);
        is_surplus
    }

    fn replace(self: &Arc<Self>) {
        let mut losses = self.losses();
        losses.lost += 1;
        let lost = losses.lost;
        if losses.replaced >= self.allowance.spare_threads {
            drop(losses);
            worn::out(format!(
                "the application {} has lost threads to requests that do not end: {lost}",
                self.host.name
            ));
            return;
        }
        losses.replaced += 1;
        drop(losses);
        if let Err(error) = self.start_thread() {
            self.losses().replaced -= 1;
            tracing::error!(application = %self.host.name, "a lost thread cannot be replaced: {error}");
        }
    }

    /// Python's main thread does this: the one that is asked about cannot.
    fn tell_stack(&self, py: Python<'_>, slot: &Slot, request: u64, id: &RequestId) {
        if !slot.is_lost_in(request) {
            return;
        }
        let application = &self.host.name;
        let thread = slot.thread.load(Ordering::Relaxed);
        let told = (|| -> PyResult<'_, ()> {
            let bootstrap = self.host.bootstrap.get(py);
            let frame = frame_of(py, slot.key.load(Ordering::Relaxed)).unwrap_or_else(|| py.none());
            let stack = bootstrap.method("stack_of")?.call([&frame])?;
            tracing::error!(%application, request_id = %id, "the request is given up; its thread stands at\n{}", stack.display());
            if self.allowance.interrupt {
                interrupt(py, thread, Some(&bootstrap.method("RequestTimeout")?));
            }
            Ok(())
        })();
        if let Err(error) = told {
            tracing::error!(%application, request_id = %id, "where its thread stands is unknown\n{}", error.traceback());
        }
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn losses(&self) -> MutexGuard<'_, Losses> {
        self.losses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// This is the slot of a thread of that number.
    pub(crate) fn enter(&self, thread: usize, key: usize) {
        self.thread.store(thread, Ordering::Relaxed);
        self.key.store(key, Ordering::Relaxed);
    }

    pub(crate) fn begin(&self, request: u64) {
        self.request.store(request << 1, Ordering::Relaxed);
    }

    /// The request has ended: true where it was given up before.
    pub(crate) fn end(&self) -> bool {
        self.request.swap(0, Ordering::Relaxed) & 1 == 1
    }

    fn give_up(&self, request: u64) -> bool {
        let running = request << 1;
        self.request.compare_exchange(running, running | 1, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn is_lost_in(&self, request: u64) -> bool {
        self.request.load(Ordering::Relaxed) == request << 1 | 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_request_that_runs_can_be_given_up_and_only_once() {
        let slot = Slot::default();
        assert!(!slot.give_up(1));
        slot.begin(1);
        assert!(!slot.give_up(2) && slot.give_up(1) && !slot.give_up(1));
        assert!(slot.is_lost_in(1) && slot.end());
        slot.begin(2);
        assert!(!slot.is_lost_in(1) && !slot.give_up(1) && !slot.end());
    }
}
