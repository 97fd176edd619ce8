//! The places of a hub's answers: a thread leaves an answer in its place, and the task that waits for it takes it away.
//!
//! A place is given to both sides at once, and is free again when both are done with it. All that is done here is done under
//! the lock of the hub; so what may have a `Drop` of its own is never dropped here, but handed out.

use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

/// How much later than its time, at most, an answer is found to be late. A reading of the clock for each request would cost
/// more than to look that often.
const TICK: Duration = Duration::from_millis(20);

/// They, and when the first of those that wait is late.
pub(crate) struct Places<T> {
    all: Vec<Place<T>>,
    /// Those of them that are nobody's.
    free: Vec<usize>,
    first: Option<Instant>,
    /// Some wait for whom nobody has looked at the clock yet.
    has_new: bool,
}

pub(crate) enum Place<T> {
    Free,
    /// There is no answer yet.
    Open(Waiting),
    /// The same, and the time for it is over.
    Late,
    Answered(T),
    /// Whoever was to answer has given up.
    Lost,
    /// Nobody waits any longer.
    Closed,
}

/// Who waits, and how long.
#[derive(Default)]
pub(crate) struct Waiting {
    pub(crate) waker: Option<Waker>,
    pub(crate) time: Time,
}

#[derive(Default)]
pub(crate) enum Time {
    #[default]
    Endless,
    /// From the next look on.
    For(Duration),
    Until(Instant),
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// Whoever was to answer has given up, or the answer was taken away before.
    GivenUp,
    /// The time for it is over; what is answered from now on is dropped.
    Late,
}

impl<T> Places<T> {
    pub(crate) const fn new() -> Self {
        Self { all: Vec::new(), free: Vec::new(), first: None, has_new: false }
    }

    /// When to look for those that are late: the first of them may have got its answer since.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.first
    }

    /// A place for one answer; true where there is to be a look before all others for its sake.
    pub(crate) fn open(&mut self, waiting: Waiting) -> (usize, bool) {
        let is_first = !matches!(waiting.time, Time::Endless) && !self.has_new && self.look_soon();
        let place = Place::Open(waiting);
        let at = self.free.pop().unwrap_or(self.all.len());
        if at < self.all.len() {
            self.all[at] = place;
        } else {
            self.all.push(place);
        }
        (at, is_first)
    }

    /// Takes the answer away. Where there is none yet, it is this one that waits for it; gives who has waited before.
    pub(crate) fn poll(&mut self, at: usize, waker: &Waker) -> (Poll<Result<T, Lost>>, Option<Waker>) {
        let place = &mut self.all[at];
        if let Place::Open(Waiting { waker: known, .. }) = place {
            let is_known = known.as_ref().is_some_and(|known| known.will_wake(waker));
            let last = if is_known { None } else { known.replace(waker.clone()) };
            return (Poll::Pending, last);
        }
        if matches!(place, Place::Late) {
            *place = Place::Closed;
            return (Poll::Ready(Err(Lost::Late)), None);
        }
        match self.end(at) {
            Place::Answered(answer) => (Poll::Ready(Ok(answer)), None),
            _ => (Poll::Ready(Err(Lost::GivenUp)), None),
        }
    }

    /// Nobody waits any longer. Gives what was there.
    pub(crate) fn close(&mut self, at: usize) -> Place<T> {
        match &self.all[at] {
            Place::Open(_) | Place::Late => std::mem::replace(&mut self.all[at], Place::Closed),
            _ => self.end(at),
        }
    }

    /// Leaves the answer, and gives whom to wake for it; or gives it back where nobody waits for it.
    pub(crate) fn answer(&mut self, at: usize, answer: T) -> Result<Option<Waker>, T> {
        match &self.all[at] {
            Place::Open(_) | Place::Late => Ok(self.settle(at, Place::Answered(answer))),
            _ => {
                self.end(at);
                Err(answer)
            }
        }
    }

    /// There will be no answer. Gives whom to wake for that.
    pub(crate) fn give_up(&mut self, at: usize) -> Option<Waker> {
        match &self.all[at] {
            Place::Open(_) | Place::Late => self.settle(at, Place::Lost),
            _ => {
                self.end(at);
                None
            }
        }
    }

    pub(crate) fn is_closed(&self, at: usize) -> bool {
        matches!(self.all[at], Place::Closed)
    }

    /// There will be a look within a tick; true where there would have been none.
    fn look_soon(&mut self) -> bool {
        self.has_new = true;
        let soon = Instant::now() + TICK;
        let is_first = self.first.is_none_or(|first| soon < first);
        if is_first {
            self.first = Some(soon);
        }
        is_first
    }

    /// Looks for those that are late; gives whom to wake for that.
    pub(crate) fn end_late(&mut self, now: Instant) -> Vec<Waker> {
        let (mut late, mut first) = (Vec::new(), None);
        for place in &mut self.all {
            let Place::Open(Waiting { time, waker }) = place else { continue };
            if let Time::For(length) = time {
                // What is too long to be told has no end.
                *time = now.checked_add(*length).map_or(Time::Endless, Time::Until);
            }
            match time {
                Time::Until(until) if *until <= now => {
                    late.extend(waker.take());
                    *place = Place::Late;
                }
                Time::Until(until) if first.is_none_or(|first| *until < first) => first = Some(*until),
                _ => {}
            }
        }
        (self.first, self.has_new) = (first, false);
        late
    }

    fn settle(&mut self, at: usize, settled: Place<T>) -> Option<Waker> {
        let place = &mut self.all[at];
        let waker = if let Place::Open(waiting) = place { waiting.waker.take() } else { None };
        *place = settled;
        waker
    }

    /// Both sides are done with it.
    fn end(&mut self, at: usize) -> Place<T> {
        self.free.push(at);
        std::mem::replace(&mut self.all[at], Place::Free)
    }
}
