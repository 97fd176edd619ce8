//! The two sides of one answer: a thread gives it, and a task waits for it. Its place is in the hub of the task.
//!
//! No wake-up is lost: whether there is an answer, who is to be woken for it and whether anybody is, are one state under one
//! lock. Who asks before the answer is there is known to whoever brings it; who asks afterwards finds it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::hub::{Followed, Hub};
use crate::places::Lost;

/// The right, and the duty, to answer once; given up without a word, the answer is lost.
pub struct Reply<T: Send + 'static> {
    hub: &'static Hub<T>,
    /// Until it is used.
    place: Option<usize>,
    followed: Option<Followed>,
}

/// Waits for an answer.
pub struct Answer<T: Send + 'static> {
    hub: &'static Hub<T>,
    /// Until it has come, or nobody waits for it any longer.
    place: Option<usize>,
}

/// Both sides of a place.
pub(crate) fn sides<T: Send>(hub: &'static Hub<T>, place: usize) -> (Reply<T>, Answer<T>) {
    (Reply { hub, place: Some(place), followed: None }, Answer { hub, place: Some(place) })
}

impl<T: Send> Reply<T> {
    /// Answers; whoever waited may have left.
    pub fn send(mut self, answer: T) {
        if let Some(place) = self.place.take() {
            self.hub.deliver(place, answer, self.followed);
        }
    }

    /// Allows the hub to hold the answer back where more requests, `waiting`, wait for the thread that has taken this one
    /// at the time `taken`: for as long as `hold`, counted from the first one that is held back, or for as many requests
    /// as are few beside those that wait; while the next one takes longer, until the next look (after 1 ms at most, or as long as
    /// [`Queue::holding`](crate::Queue::holding) says).
    pub fn is_followed(&mut self, waiting: usize, taken: Instant, hold: Duration) {
        self.followed = (waiting > 0).then_some(Followed { taken, hold, waiting });
    }

    /// Forbids it again.
    pub fn is_urgent(&mut self) {
        self.followed = None;
    }

    /// Whether nobody waits for the answer any longer.
    pub fn is_abandoned(&self) -> bool {
        self.place.is_none_or(|place| self.hub.lock().places.is_closed(place))
    }
}

impl<T: Send> Drop for Reply<T> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.hub.give_up(place);
        }
    }
}

impl<T: Send> Answer<T> {
    /// Nobody waits any longer: what is answered from now on is dropped.
    pub fn close(&mut self) {
        if let Some(place) = self.place.take() {
            // What was there is dropped when the lock is open again.
            let _last = self.hub.lock().places.close(place);
        }
    }
}

impl<T: Send> Future for Answer<T> {
    type Output = Result<T, Lost>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(place) = self.place else { return Poll::Ready(Err(Lost::GivenUp)) };
        // The end of a waker may be that of a task: not under the lock.
        let (polled, _last) = self.hub.lock().places.poll(place, context.waker());
        if polled.is_ready() {
            self.place = None;
        }
        polled
    }
}

impl<T: Send> Drop for Answer<T> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<T: Send> fmt::Debug for Answer<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Answer")
    }
}
