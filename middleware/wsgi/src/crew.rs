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

/// The threads of one application and what they share: it lasts as long as the process, since Python code cannot be unloaded.
pub(crate) struct Crew {
    pub(crate) host: Host,
    pub(crate) queue: Arc<Queue<Job>>,
    pub(crate) allowance: Allowance,
    interpreter: Interpreter,
    living: Living,
    roll: Mutex<Roll>,
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

/// Which threads there are. A request is given up, and its thread counted as lost, in one hold of the lock: the thread may come
/// back at any moment, and is then to be found among the lost ones.
#[derive(Default)]
struct Roll {
    /// One for each thread that has not ended.
    slots: Vec<Arc<Slot>>,
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
        Self { host, queue, allowance, interpreter, living, roll: Mutex::default() }
    }

    /// Starts one more thread.
    pub(crate) fn start_thread(&'static self) -> std::io::Result<()> {
        let slot = Arc::new(Slot::default());
        let alive = self.living.begin();
        self.roll().slots.push(Arc::clone(&slot));
        let name = &self.host.name;
        let started = self.interpreter.spawn(name, move |thread| {
            worker::run(self, &slot, thread);
            self.roll().slots.retain(|other| !Arc::ptr_eq(other, &slot));
            drop(alive);
        });
        started.map(drop)
    }

    /// This is the number of a request that has come. The worker wears out with the last one that it may serve.
    pub(crate) fn count_request(&self, number: u64) {
        if self.allowance.max_requests == Some(number) {
            worn::out(format!(
                "the application {} has got its {number} requests (max_requests)",
                self.host.name
            ));
        }
    }

    /// Nobody waits for this request any longer, which a thread has taken. Where it works on it still, it tells where it stands,
    /// is interrupted if that is wanted, and is replaced.
    pub(crate) fn give_up(&'static self, request: u64, id: RequestId) {
        let given_up = self.roll().give_up(request, self.allowance.spare_threads);
        let Some((slot, loss)) = given_up else { return };
        match loss {
            Loss::Replaced => self.replace(),
            Loss::Lasting { lost } => worn::out(format!(
                "the application {} has lost threads to requests that do not end: {lost}",
                self.host.name
            )),
        }
        self.interpreter.post(move |py| self.tell_stack(py, &slot, request, &id));
    }

    /// A thread has come back from a request that was given up. True where it is one too many.
    pub(crate) fn comes_back(&self, py: Python<'_>, slot: &Slot) -> bool {
        // An exception that has not met its request shall not meet the next one.
        interrupt(py, slot.thread.load(Ordering::Relaxed), None);
        self.roll().comes_back()
    }

    fn replace(&'static self) {
        if let Err(error) = self.start_thread() {
            let mut roll = self.roll();
            roll.replaced = roll.replaced.saturating_sub(1);
            drop(roll);
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
            let exception = bootstrap.method("RequestTimeout")?;
            // Telling gives the GIL back now and then: by now the thread may serve somebody else.
            if self.allowance.interrupt && slot.is_lost_in(request) {
                interrupt(py, thread, Some(&exception));
            }
            Ok(())
        })();
        if let Err(error) = told {
            tracing::error!(%application, request_id = %id, "where its thread stands is unknown\n{}", error.traceback());
        }
    }

    fn roll(&self) -> MutexGuard<'_, Roll> {
        self.roll.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What becomes of the place of a lost thread.
enum Loss {
    /// Another one is to be started.
    Replaced,
    /// It stays empty, as so many were lost.
    Lasting { lost: usize },
}

impl Roll {
    /// Gives a request up where a thread works on it: that is lost now.
    fn give_up(&mut self, request: u64, spare: usize) -> Option<(Arc<Slot>, Loss)> {
        let slot = self.slots.iter().find(|slot| slot.give_up(request)).map(Arc::clone)?;
        self.lost += 1;
        if self.replaced >= spare {
            return Some((slot, Loss::Lasting { lost: self.lost }));
        }
        self.replaced += 1;
        Some((slot, Loss::Replaced))
    }

    /// A lost thread has come back: whether it is one too many.
    fn comes_back(&mut self) -> bool {
        self.lost -= 1;
        let is_surplus = self.replaced > self.lost;
        self.replaced -= usize::from(is_surplus);
        is_surplus
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

    #[test]
    fn a_thread_that_comes_back_at_the_very_moment_is_found_among_the_lost() {
        const REQUESTS: u64 = 20_000;
        let slot = Arc::new(Slot::default());
        let roll = Mutex::new(Roll { slots: vec![Arc::clone(&slot)], lost: 0, replaced: 0 });
        let done = AtomicU64::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for request in 1..=REQUESTS {
                    slot.begin(request);
                    std::thread::yield_now();
                    if slot.end() {
                        roll.lock().unwrap().comes_back();
                    }
                    done.store(request, Ordering::Relaxed);
                }
            });
            while done.load(Ordering::Relaxed) < REQUESTS {
                let request = done.load(Ordering::Relaxed) + 1;
                drop(roll.lock().unwrap().give_up(request, usize::MAX));
                // Both are to go on where there is one core for them.
                std::thread::yield_now();
            }
        });
        let roll = roll.into_inner().unwrap();
        assert_eq!((roll.lost, roll.replaced), (0, 0));
    }
}
