//! Brings answers from threads to the tasks that wait for them, with one wake-up of the I/O thread for many.
//!
//! Waking a task from another thread costs a system call, and a change of threads more than a small request itself. So
//! each runtime thread has a hub: other threads leave their answers there and wake one task, the dispatcher,
//! unless it is awake already; the dispatcher wakes the others on the runtime's own thread, where that is cheap. While more
//! requests wait for the same thread, an answer may be held back for a moment
//! ([`Reply::is_followed`](crate::Reply::is_followed)).
//!
//! All of a hub is under one lock, and an answer passes it three times: when its request begins to wait, when it is left
//! there and when it is taken away. A place of its own for each answer would be another allocation, counted by both sides,
//! and as many locks.

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, Id};

use crate::answer::{Answer, Reply, sides};
use crate::dispatcher::{Dispatcher, Told, Work};
use crate::places::{Places, Time, Waiting};
use crate::queue::{Pushed, Queue, Refused};

/// Answers are held back while there are so many times more requests that wait: those wait much longer.
const FEW: usize = 2;

/// Where one runtime thread collects answers of one kind. It is never freed, so that nobody need count who refers to it, but
/// used again when its runtime has ended.
pub struct Hub<T: Send + 'static> {
    state: Mutex<State<T>>,
}

pub(crate) struct State<T> {
    pub(crate) places: Places<T>,
    pub(crate) work: Work,
    /// The dispatcher's, while it sleeps.
    pub(crate) waker: Option<Waker>,
    /// The dispatcher wakes by itself, with its next look.
    pub(crate) is_looking: bool,
    /// Since when an answer is held back.
    pub(crate) held: Option<Instant>,
    /// How often it was taken into use.
    pub(crate) uses: u64,
    pub(crate) phase: Phase,
}

#[derive(PartialEq, Eq)]
pub(crate) enum Phase {
    /// There is a dispatcher.
    Open,
    /// It is to end with what still waits: the thread has another hub now, or none.
    Retired,
    /// It has ended.
    Closed,
}

/// Other requests wait for the thread.
#[derive(Clone, Copy)]
pub(crate) struct Followed {
    /// When the thread began with this request.
    pub(crate) taken: Instant,
    /// How long the first of the answers may be held back.
    pub(crate) hold: Duration,
    /// How many requests wait.
    pub(crate) waiting: usize,
}

/// The hubs of all threads for answers of one kind: those that nobody uses.
pub struct Hubs<T: Send + 'static>(Mutex<Vec<&'static Hub<T>>>);

/// Where a thread keeps its hub.
pub struct Kept<T: Send + 'static> {
    hubs: &'static Hubs<T>,
    known: Cell<Option<Known<T>>>,
}

/// The hub of a runtime, and its how manieth use that is.
struct Known<T: Send + 'static> {
    runtime: Id,
    hub: &'static Hub<T>,
    uses: u64,
}

impl<T: Send> Hubs<T> {
    /// None yet.
    #[expect(clippy::new_without_default, reason = "it is for a static")]
    pub const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// One that nobody uses.
    fn take(&self) -> (&'static Hub<T>, u64) {
        let unused = self.lock().pop();
        let hub = unused.unwrap_or_else(|| Box::leak(Box::new(Hub { state: Mutex::new(State::new()) })));
        let mut state = hub.lock();
        state.phase = Phase::Open;
        state.uses += 1;
        (hub, state.uses)
    }

    pub(crate) fn give_back(&self, hub: &'static Hub<T>) {
        self.lock().push(hub);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<&'static Hub<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send> Kept<T> {
    /// None yet; it will be one of these.
    pub const fn of(hubs: &'static Hubs<T>) -> Self {
        Self { hubs, known: Cell::new(None) }
    }

    /// This thread's hub.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn hub(&self) -> &'static Hub<T> {
        let runtime = Handle::current();
        if let Some(known) = self.known.get()
            && known.runtime == runtime.id()
        {
            return known.hub;
        }
        let (hub, uses) = self.hubs.take();
        runtime.spawn(Dispatcher::new(hub, self.hubs).run());
        self.retire(Some(Known { runtime: runtime.id(), hub, uses }));
        hub
    }

    fn retire(&self, next: Option<Known<T>>) {
        if let Some(last) = self.known.replace(next) {
            last.hub.retire(last.uses);
        }
    }
}

impl<T: Send> Drop for Kept<T> {
    fn drop(&mut self) {
        self.retire(None);
    }
}

impl<T: Send> Clone for Known<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Send> Copy for Known<T> {}

impl<T: Send> Hub<T> {
    /// Both sides of one answer.
    pub fn reply(&'static self) -> (Reply<T>, Answer<T>) {
        self.open(Waiting::default())
    }

    /// Both sides of one answer, for which a task waits already: it need not ask before it is woken. Where there is none
    /// `within` this time, and up to 20 ms more, the task is woken and told so; the runtime must have its timers enabled.
    pub fn reply_to(&'static self, waker: &Waker, within: Option<Duration>) -> (Reply<T>, Answer<T>) {
        self.open(Waiting { waker: Some(waker.clone()), time: within.map_or(Time::Endless, Time::For) })
    }

    fn open(&'static self, waiting: Waiting) -> (Reply<T>, Answer<T>) {
        let mut state = self.lock();
        let (place, is_first) = state.places.open(waiting);
        if is_first {
            // It is to look in time.
            Self::wake_dispatcher(state);
        }
        sides(self, place)
    }

    /// Puts a job into a queue, and sees to it that a thread takes it when the tasks that are ready have had their turn. Gives
    /// the job's number.
    pub fn push<J: Send + 'static>(&self, queue: &Arc<Queue<J>>, job: J) -> Result<u64, Refused> {
        let Pushed { number, is_to_be_told } = queue.push(job)?;
        if is_to_be_told {
            self.attend_later(Told::new(Arc::clone(queue) as Arc<_>));
        }
        Ok(number)
    }

    fn attend_later(&self, told: Told) {
        let mut state = self.lock();
        if state.phase == Phase::Closed {
            // Dropped when the lock is open again, and so left to others.
            return;
        }
        state.work.told.push(told);
        Self::wake_dispatcher(state);
    }

    pub(crate) fn deliver(&self, place: usize, answer: T, followed: Option<Followed>) {
        let mut state = self.lock();
        match state.places.answer(place, answer) {
            Ok(Some(waker)) => Self::tell(state, waker, followed),
            // Who has not asked yet need not be woken.
            Ok(None) => {}
            Err(unwanted) => {
                // It may have a `Drop` of its own: not under the lock.
                drop(state);
                drop(unwanted);
            }
        }
    }

    pub(crate) fn give_up(&self, place: usize) {
        let mut state = self.lock();
        if let Some(waker) = state.places.give_up(place) {
            Self::tell(state, waker, None);
        }
    }

    fn tell(mut state: MutexGuard<'_, State<T>>, waker: Waker, followed: Option<Followed>) {
        if state.phase == Phase::Closed {
            drop(state);
            return waker.wake();
        }
        state.work.ready.push(waker);
        let held = state.work.ready.len();
        let may_wait =
            followed.filter(|_| state.is_looking).is_some_and(|Followed { taken, hold, waiting }| {
                let since = *state.held.get_or_insert(taken);
                held <= waiting / FEW || taken.saturating_duration_since(since) < hold
            });
        if !may_wait {
            Self::wake_dispatcher(state);
        }
    }

    /// Its thread has no use for it any longer.
    fn retire(&self, uses: u64) {
        let mut state = self.lock();
        if state.uses == uses && state.phase == Phase::Open {
            state.phase = Phase::Retired;
            Self::wake_dispatcher(state);
        }
    }

    fn wake_dispatcher(mut state: MutexGuard<'_, State<T>>) {
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing in here panics with the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send> fmt::Debug for Hub<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hub").finish_non_exhaustive()
    }
}

impl<T> State<T> {
    const fn new() -> Self {
        Self {
            places: Places::new(),
            work: Work { ready: Vec::new(), told: Vec::new() },
            waker: None,
            is_looking: false,
            held: None,
            uses: 0,
            phase: Phase::Closed,
        }
    }
}

#[cfg(test)]
mod tests;
