//! The places of a hub's answers: a thread leaves an answer in its place, and the task that waits for it takes it away.
//!
//! A place is given to both sides at once, and is free again when both are done with it. All that is done here is done under
//! the lock of the hub; so what may have a `Drop` of its own is never dropped here, but handed out.

use std::task::{Poll, Waker};
use std::time::Instant;

/// They, and when the first of those that wait is late.
pub(crate) struct Places<T> {
    all: Vec<Place<T>>,
    /// Those of them that are nobody's.
    free: Vec<usize>,
    first: Option<Instant>,
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

/// Who waits, and until when.
#[derive(Default)]
pub(crate) struct Waiting {
    pub(crate) waker: Option<Waker>,
    pub(crate) until: Option<Instant>,
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
        Self { all: Vec::new(), free: Vec::new(), first: None }
    }

    /// When the first of those that wait is late, if not before: it may have got its answer since.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.first
    }

    /// A place for one answer; true where it is late before all others.
    pub(crate) fn open(&mut self, waiting: Waiting) -> (usize, bool) {
        let is_first = waiting.until.is_some_and(|until| self.first.is_none_or(|first| until < first));
        if is_first {
            self.first = waiting.until;
        }
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

    /// Gives whom to wake because they are late.
    pub(crate) fn end_late(&mut self, now: Instant) -> Vec<Waker> {
        let (mut late, mut first) = (Vec::new(), None);
        for place in &mut self.all {
            let Place::Open(Waiting { until: Some(until), waker }) = place else { continue };
            if *until <= now {
                late.extend(waker.take());
                *place = Place::Late;
            } else if first.is_none_or(|first| *until < first) {
                first = Some(*until);
            }
        }
        self.first = first;
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
