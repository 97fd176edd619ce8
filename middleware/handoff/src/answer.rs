//! The place of one answer: a thread leaves it there, and the task that waits for it takes it away.
//!
//! Leaving it and waking the task are two steps: the second is cheap only on the task's own thread.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Waits for an answer.
pub struct Answer<T>(Arc<Place<T>>);

/// Whoever was to answer has given up, or nobody waits any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost;

/// The right to answer once; given up without a word, the answer is lost.
pub(crate) struct Promise<T>(Option<Arc<Place<T>>>);

struct Place<T>(Mutex<State<T>>);

enum State<T> {
    /// There is no answer yet; and who waits for it.
    Open(Option<Waker>),
    Answered(T),
    /// The answer was taken away or is lost, or nobody waits for it any longer.
    Over,
}

/// A place, from both sides.
pub(crate) fn place<T>() -> (Promise<T>, Answer<T>) {
    let place = Arc::new(Place(Mutex::new(State::Open(None))));
    (Promise(Some(Arc::clone(&place))), Answer(place))
}

impl<T> Answer<T> {
    /// Nobody waits any longer: what is left from now on is dropped.
    pub fn close(&mut self) {
        self.0.end();
    }
}

impl<T> Future for Answer<T> {
    type Output = Result<T, Lost>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.lock();
        if let State::Open(waker) = &mut *state {
            match waker {
                Some(waker) => waker.clone_from(context.waker()),
                None => *waker = Some(context.waker().clone()),
            }
            return Poll::Pending;
        }
        match std::mem::replace(&mut *state, State::Over) {
            State::Answered(answer) => Poll::Ready(Ok(answer)),
            State::Open(_) | State::Over => Poll::Ready(Err(Lost)),
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl<T> fmt::Debug for Answer<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Answer")
    }
}

impl<T> Promise<T> {
    /// Leaves the answer, and gives whom to wake for it, where somebody waits for it.
    pub(crate) fn leave(mut self, answer: T) -> Option<Waker> {
        let place = self.0.take()?;
        let mut state = place.lock();
        let State::Open(waker) = &mut *state else { return None };
        let waker = waker.take();
        *state = State::Answered(answer);
        waker
    }

    /// Whether nobody waits any longer.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.0.as_ref().is_none_or(|place| matches!(*place.lock(), State::Over))
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        if let Some(State::Open(Some(waker))) = self.0.take().and_then(|place| place.end()) {
            waker.wake();
        }
    }
}

impl<T> Place<T> {
    /// Ends it; gives what was there, to be dropped when the lock is open again: it may have a `Drop` of its own.
    fn end(&self) -> Option<State<T>> {
        let mut state = self.lock();
        // Most are over by then, and what an answer is made of is large.
        if matches!(*state, State::Over) { None } else { Some(std::mem::replace(&mut *state, State::Over)) }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing in here panics with the state half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll<T>(answer: &mut Answer<T>, woken: &Arc<Woken>) -> Poll<Result<T, Lost>> {
        Pin::new(answer).poll(&mut Context::from_waker(&Arc::clone(woken).into()))
    }

    #[test]
    fn who_waits_is_to_be_woken_and_finds_the_answer() {
        let (promise, mut answer) = place();
        let woken = Arc::new(Woken::default());
        assert!(poll(&mut answer, &woken).is_pending() && poll(&mut answer, &woken).is_pending());
        promise.leave(1).expect("somebody waits").wake();
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert_eq!(poll(&mut answer, &woken), Poll::Ready(Ok(1)));
        assert_eq!(poll(&mut answer, &woken), Poll::Ready(Err(Lost)), "it is taken away only once");
    }

    #[test]
    fn an_answer_may_be_there_before_anybody_asks() {
        let (promise, mut answer) = place();
        assert!(promise.leave(1).is_none());
        assert_eq!(poll(&mut answer, &Arc::default()), Poll::Ready(Ok(1)));
    }

    #[test]
    fn a_promise_that_is_given_up_wakes_who_waits() {
        let (promise, mut answer) = place::<u8>();
        let woken = Arc::new(Woken::default());
        assert!(poll(&mut answer, &woken).is_pending());
        drop(promise);
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert_eq!(poll(&mut answer, &woken), Poll::Ready(Err(Lost)));
    }

    #[test]
    fn what_nobody_waits_for_is_dropped_at_once_whoever_comes_first() {
        let held = Arc::new(());
        let (promise, mut answer) = place();
        answer.close();
        assert!(promise.is_abandoned());
        promise.leave(Arc::clone(&held));
        assert_eq!(Arc::strong_count(&held), 1);
        let (promise, answer) = place();
        assert!(!promise.is_abandoned());
        promise.leave(Arc::clone(&held));
        drop(answer);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
