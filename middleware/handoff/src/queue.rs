//! The bounded queue between a service and the threads that do its work.
//!
//! Waking a thread is dear, and a second running thread helps little with jobs that are done at once, or that hold one
//! lock all the time (Python's GIL). So one thread is woken for the first job, and it takes whatever has come in the
//! meantime. As long as jobs wait, the hub of a runtime looks after them every [`PATIENCE`]: another thread joins in as
//! soon as one has waited that long, or at once where the running threads are known to be held up.
//!
//! Threads join in one by one, each when the one before has got what it needs to run (the GIL). Where that takes long, and
//! the others take jobs all the same, they compute and do not wait for anything: one more could only take turns with
//! them, at the price of the switches. So it goes to rest again for a while.

mod attended;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::coming::Coming;

/// How long a job waits for a running thread before another thread takes it.
pub(crate) const PATIENCE: Duration = Duration::from_millis(1);

/// A bounded queue of jobs. The threads that serve it are its owner's: each calls [`wait`](Self::wait), then
/// [`next`](Self::next) until there is no job, then [`rest`](Self::rest), in a loop.
pub struct Queue<T> {
    state: Mutex<State<T>>,
    capacity: usize,
    hold: Duration,
}

struct State<T> {
    jobs: VecDeque<Numbered<T>>,
    /// The number of the last job that came: they are counted from 1 on.
    last: u64,
    /// Threads that are not needed. The last one sleeps for the shortest time, and its memory is still at hand.
    idle: Vec<Thread>,
    /// Threads between being woken and [`Queue::rest`].
    running: usize,
    /// Those of them that have not asked for a job yet.
    coming: Coming,
    /// Somebody was told, and will [`attend`](Watched::attend).
    is_told: bool,
    /// Somebody [`looks`](Watched::look) from time to time.
    is_watched: bool,
    is_closed: bool,
    /// How many jobs were taken so far.
    taken: u64,
    /// How many jobs had come so far, at the last look.
    seen: u64,
    /// How many jobs had come so far, when it was last asked whether there are many.
    counted: u64,
    /// When a job was taken, or a thread woken for one.
    progress: Instant,
}

struct Numbered<T> {
    number: u64,
    job: T,
}

/// A job was taken into the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) struct Pushed {
    pub(crate) number: u64,
    /// The queue must be attended to, soon.
    pub(crate) is_to_be_told: bool,
}

/// A job for a thread that was needed.
#[derive(Debug)]
pub struct Taken<T> {
    /// The job.
    pub job: T,
    /// When it was taken.
    pub at: Instant,
    /// How many more jobs wait.
    pub waiting: usize,
}

/// Why a job was not taken into the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// As many jobs wait as may wait.
    Full,
    /// It takes no more jobs.
    Closed,
}

impl<T> Queue<T> {
    /// As many jobs may wait for a thread.
    pub fn new(capacity: usize) -> Self {
        let state = State {
            // It grows with what waits: a ring of all places would pass through the caches, however little waits.
            jobs: VecDeque::new(),
            last: 0,
            idle: Vec::new(),
            running: 0,
            coming: Coming::default(),
            is_told: false,
            is_watched: false,
            is_closed: false,
            taken: 0,
            seen: 0,
            counted: 0,
            progress: Instant::now(),
        };
        Self { state: Mutex::new(state), capacity, hold: PATIENCE }
    }

    /// While all threads are at work, and jobs wait all the same, nobody could be woken: the hub looks only so often then, and so
    /// answers may be held back for so long ([`Reply::is_followed`](crate::Reply::is_followed)). The default is 1 ms.
    #[must_use]
    pub fn holding(mut self, hold: Duration) -> Self {
        self.hold = hold;
        self
    }

    /// Adds a job. Who pushes may be about to push more: so it is left to it when to attend to the queue.
    pub(crate) fn push(&self, job: T) -> Result<Pushed, Refused> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(Refused::Closed);
        }
        if state.jobs.len() >= self.capacity + state.free() {
            return Err(Refused::Full);
        }
        state.last += 1;
        let number = state.last;
        state.jobs.push_back(Numbered { number, job });
        let is_to_be_told = !(state.is_told || (state.is_watched && state.running > 0));
        state.is_told |= is_to_be_told;
        Ok(Pushed { number, is_to_be_told })
    }

    /// Waits until this thread is needed: true; or until the queue is closed and empty: false.
    pub fn wait(&self) -> bool {
        let mut state = self.lock();
        let this = thread::current();
        if state.is_needed() || (state.is_closed && !state.jobs.is_empty()) {
            state.call(&this);
            state.coming.is_up(this.id());
            return true;
        }
        if state.is_closed {
            return false;
        }
        state.idle.push(this.clone());
        // Whoever wakes it takes it off the list.
        while state.idle.iter().any(|idle| idle.id() == this.id()) {
            drop(state);
            thread::park();
            state = self.lock();
        }
        state.coming.is_up(this.id());
        true
    }

    /// The next job, for a thread that was needed; none where it is needed no longer.
    pub fn next(&self) -> Option<Taken<T>> {
        self.begin_next(|_| ())
    }

    /// The same; `begin` is told the job's number: whoever finds that it [waits no longer](Self::take_back) finds that done.
    pub fn begin_next(&self, begin: impl FnOnce(u64)) -> Option<Taken<T>> {
        let mut state = self.lock();
        let taken = state.taken;
        if state.coming.arrive(taken) && !state.is_closed {
            return None;
        }
        let Numbered { number, job } = state.jobs.pop_front()?;
        begin(number);
        state.taken += 1;
        state.progress = Instant::now();
        Some(Taken { job, at: state.progress, waiting: state.jobs.len() })
    }

    /// A thread that found no more job is no longer running.
    pub fn rest(&self) {
        let mut state = self.lock();
        state.running -= 1;
        state.coming.leave();
    }

    /// A thread that has taken a job waits for something, until what is given is dropped: it does not count as running, and
    /// another thread takes what waits.
    pub fn block(&self) -> Blocked<'_, T> {
        let mut state = self.lock();
        state.running -= 1;
        if state.is_needed() {
            wake(state);
        }
        Blocked(self)
    }

    /// How many jobs wait.
    pub fn len(&self) -> usize {
        self.lock().jobs.len()
    }

    /// Whether no job waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the job of this number out of the queue, where it still waits.
    pub fn take_back(&self, number: u64) -> Option<T> {
        let mut state = self.lock();
        let at = state.jobs.binary_search_by_key(&number, |waiting| waiting.number).ok()?;
        state.jobs.remove(at).map(|waiting| waiting.job)
    }

    /// Where it is full, drops the jobs that nobody wants any longer.
    pub fn make_room(&self, mut is_unwanted: impl FnMut(&T) -> bool) {
        let mut state = self.lock();
        if state.jobs.len() < self.capacity {
            return;
        }
        let jobs = std::mem::take(&mut state.jobs).into_iter();
        let (unwanted, wanted) = jobs.partition(|waiting| is_unwanted(&waiting.job));
        state.jobs = wanted;
        drop(state);
        // Not under the lock: what a job is made of may have a `Drop` of its own.
        drop::<VecDeque<Numbered<T>>>(unwanted);
    }

    /// Takes no more jobs; what waits is still served.
    pub fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        while let Some(thread) = state.idle.pop() {
            state.call(&thread);
            thread.unpark();
        }
    }

    /// Drops what still waits.
    pub fn clear(&self) {
        let jobs = std::mem::take(&mut self.lock().jobs);
        drop(jobs);
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing in here panics with the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that is blocked; see [`Queue::block`].
#[derive(Debug)]
pub struct Blocked<'a, T>(&'a Queue<T>);

impl<T> Drop for Blocked<'_, T> {
    fn drop(&mut self) {
        self.0.lock().running += 1;
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Queue").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

/// Wakes a thread, where one is idle.
fn wake<T>(mut state: MutexGuard<'_, State<T>>) {
    if let Some(thread) = state.idle.pop() {
        state.call(&thread);
        state.progress = Instant::now();
        drop(state);
        thread.unpark();
    }
}

impl<T> State<T> {
    /// How many jobs have come so far, but for those that were dropped.
    fn come(&self) -> u64 {
        self.taken + self.jobs.len() as u64
    }

    /// Threads that are about to take a job each: those jobs do not wait, they are only on their way.
    fn free(&self) -> usize {
        self.idle.len() + self.coming.len()
    }

    /// Whether jobs wait and nobody who runs is about to take them.
    fn is_needed(&self) -> bool {
        !self.jobs.is_empty()
            && self.coming.is_empty()
            && (self.running == 0 || self.progress.elapsed() >= PATIENCE)
    }

    /// This thread is needed.
    fn call(&mut self, thread: &Thread) {
        self.running += 1;
        self.coming.call(thread.id(), self.taken);
    }
}

#[cfg(test)]
mod tests;
