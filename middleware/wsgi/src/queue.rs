//! The bounded queue between a service and the threads that run its application.
//!
//! Waking a thread is dear, and with one GIL a second running thread only helps while the first one waits for something
//! else. So one thread is woken for the first job, and it takes whatever has come in the meantime. As long as jobs wait,
//! one other thread is on *standby*: it looks after them every [`PATIENCE`] and joins in as soon as one has waited
//! that long, or at once where the running threads are known to be held up.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Wake;
use std::time::{Duration, Instant};

/// How long a job waits for a running thread before another thread takes it.
const PATIENCE: Duration = Duration::from_millis(1);

pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    /// Idle threads wait here.
    idle: Condvar,
    /// The thread on standby waits here.
    standby: Condvar,
    capacity: usize,
}

struct State<T> {
    jobs: VecDeque<(T, Instant)>,
    idle: usize,
    /// Threads between [`Queue::wait`] and [`Queue::rest`].
    running: usize,
    /// An idle thread was woken and is not up yet.
    is_waking: bool,
    has_standby: bool,
    is_closed: bool,
    last_taken: Instant,
}

/// What is left to do for a job that was taken into the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Pushed {
    /// Nothing.
    Quietly,
    /// The queue must be woken, soon.
    WakeLater,
}

impl<T: Send> Wake for Queue<T> {
    fn wake(self: Arc<Self>) {
        let mut state = self.lock();
        if state.jobs.is_empty() {
            // A thread that was running has taken them.
            state.is_waking = false;
            return;
        }
        drop(state);
        self.idle.notify_one();
    }
}

/// Why a job was not taken into the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Full,
    Closed,
}

impl<T> Queue<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        let state = State {
            jobs: VecDeque::with_capacity(capacity),
            idle: 0,
            running: 0,
            is_waking: false,
            has_standby: false,
            is_closed: false,
            last_taken: Instant::now(),
        };
        Self { state: Mutex::new(state), idle: Condvar::new(), standby: Condvar::new(), capacity }
    }

    /// Adds a job. Who pushes may be about to push more: so it is left to it when to wake a thread, where one is needed.
    pub(crate) fn push(&self, job: T) -> Result<Pushed, Refused> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(Refused::Closed);
        }
        if state.jobs.len() >= self.capacity + state.free() {
            return Err(Refused::Full);
        }
        state.jobs.push_back((job, Instant::now()));
        if state.needs_waking() {
            state.is_waking = true;
            return Ok(Pushed::WakeLater);
        }
        Ok(Pushed::Quietly)
    }

    /// Waits until this thread is needed: true; or until the queue is closed and empty: false.
    pub(crate) fn wait(&self) -> bool {
        let mut state = self.lock();
        loop {
            if state.is_needed() {
                state.running += 1;
                self.wake_if_needed(state);
                return true;
            }
            if state.jobs.is_empty() && state.is_closed {
                return false;
            }
            if !state.jobs.is_empty() && !state.has_standby {
                state = self.stand_by(state);
            } else {
                state.idle += 1;
                state = self.idle.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
                state.is_waking = false;
            }
        }
    }

    /// Looks after the queue from time to time, until this thread is needed or nothing happens there any more.
    fn stand_by<'a>(&self, mut state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        state.has_standby = true;
        loop {
            let seen = state.last_taken;
            state = match self.standby.wait_timeout(state, PATIENCE) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
            let is_quiet = state.jobs.is_empty() && (state.last_taken == seen || state.is_closed);
            // Under load it is cheaper to stay than to be woken for the next request that has to wait.
            if is_quiet || state.is_needed() {
                state.has_standby = false;
                return state;
            }
        }
    }

    /// The next job and how long it has waited, for a thread that was needed.
    pub(crate) fn next(&self) -> Option<(T, Duration)> {
        let mut state = self.lock();
        let (job, since) = state.jobs.pop_front()?;
        state.last_taken = Instant::now();
        let waited = state.last_taken - since;
        self.wake_if_needed(state);
        Some((job, waited))
    }

    /// A thread that found no more job is no longer running.
    pub(crate) fn rest(&self) {
        self.lock().running -= 1;
    }

    /// Takes no more jobs; what waits is still served.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.idle.notify_all();
        self.standby.notify_all();
    }

    /// Drops what still waits.
    pub(crate) fn clear(&self) {
        let jobs = std::mem::take(&mut self.lock().jobs);
        drop(jobs);
    }

    /// Wakes a thread to run, or to be on standby, where jobs wait and nobody is there for it.
    fn wake_if_needed(&self, mut state: MutexGuard<'_, State<T>>) {
        if state.needs_waking() {
            state.is_waking = true;
            drop(state);
            self.idle.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing in here panics with the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn needs_waking(&self) -> bool {
        let has_someone = self.is_waking || (self.running > 0 && self.has_standby);
        !self.jobs.is_empty() && self.idle > 0 && !has_someone
    }

    /// Threads that are about to take a job each: those jobs do not wait, they are only on their way.
    fn free(&self) -> usize {
        self.idle + usize::from(self.has_standby)
    }

    fn is_needed(&self) -> bool {
        let Some((_, since)) = self.jobs.front() else { return false };
        self.running == 0 || since.elapsed() >= PATIENCE || self.last_taken.elapsed() >= PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pushes and wakes at once.
    fn push<T: Send>(queue: &Arc<Queue<T>>, job: T) -> Result<(), Refused> {
        queue.push(job).map(|pushed| {
            if pushed == Pushed::WakeLater {
                Arc::clone(queue).wake();
            }
        })
    }

    #[test]
    fn a_full_queue_refuses() {
        let queue = Arc::new(Queue::new(2));
        assert_eq!([push(&queue, 1), push(&queue, 2), push(&queue, 3)], [Ok(()), Ok(()), Err(Refused::Full)]);
    }

    #[test]
    fn a_job_for_an_idle_thread_takes_no_place_of_those_that_wait() {
        let queue = Arc::new(Queue::new(1));
        let (taken, jobs) = std::sync::mpsc::channel();
        for _ in 0..2 {
            let (queue, taken) = (Arc::clone(&queue), taken.clone());
            std::thread::spawn(move || {
                while queue.wait() {
                    taken.send(queue.next()).unwrap();
                    // Held for ever: never at rest.
                    std::thread::park();
                }
            });
        }
        while queue.lock().idle < 2 {
            std::thread::yield_now();
        }
        // At once, before a thread has been able to wake up.
        assert_eq!([push(&queue, 1), push(&queue, 2)], [Ok(()), Ok(())]);
        for _ in 0..2 {
            assert!(jobs.recv_timeout(Duration::from_secs(10)).unwrap().is_some());
        }
        assert_eq!([push(&queue, 3), push(&queue, 4)], [Ok(()), Err(Refused::Full)]);
    }

    #[test]
    fn a_closed_queue_serves_what_waits_and_then_ends() {
        let queue = Arc::new(Queue::new(2));
        push(&queue, 1).unwrap();
        queue.close();
        assert_eq!(push(&queue, 2), Err(Refused::Closed));
        assert!(queue.wait());
        assert_eq!(queue.next().unwrap().0, 1);
        queue.rest();
        assert!(!queue.wait());
    }

    #[test]
    fn a_job_is_taken_while_another_thread_is_held_up() {
        let queue = Arc::new(Queue::new(8));
        // This thread runs and takes a job that never ends.
        push(&queue, 0).unwrap();
        assert!(queue.wait());
        assert_eq!(queue.next().unwrap().0, 0);
        let (taken, jobs) = std::sync::mpsc::channel();
        for _ in 0..3 {
            let (queue, taken) = (Arc::clone(&queue), taken.clone());
            std::thread::spawn(move || {
                while queue.wait() {
                    while let Some((job, _)) = queue.next() {
                        taken.send(job).unwrap();
                    }
                    queue.rest();
                }
            });
        }
        for job in 1..100 {
            push(&queue, job).unwrap();
            assert_eq!(jobs.recv_timeout(Duration::from_secs(10)), Ok(job));
        }
        queue.close();
    }

    #[test]
    fn all_threads_join_in_when_each_job_blocks() {
        let queue = Arc::new(Queue::new(8));
        let all = Arc::new(std::sync::Barrier::new(5));
        for job in 0..4 {
            push(&queue, job).unwrap();
            let (queue, all) = (Arc::clone(&queue), Arc::clone(&all));
            std::thread::spawn(move || {
                while queue.wait() {
                    while queue.next().is_some() {
                        all.wait();
                    }
                    queue.rest();
                }
            });
        }
        // Reached only if four threads hold one job each.
        all.wait();
        queue.close();
    }
}
