//! How long a request may wait for its answer.
//!
//! Nearly every request is answered long before, and a timer for each, made or only put off, would cost more than handing the
//! request over. So the requests of a runtime's thread are in one list, and one task looks after it: when the first time of
//! all is over, and then when that of those that are left is.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::time::{Instant, sleep_until};

thread_local! {
    static WATCH: RefCell<Option<(Id, Arc<Watch>)>> = const { RefCell::new(None) };
}

/// The end of a request's time.
pub(crate) struct Deadline {
    /// `None` where it is too far away to be told.
    until: Option<Instant>,
    /// From the first time on that somebody waits for it.
    place: Option<(Arc<Watch>, usize)>,
}

/// The requests of one runtime's thread.
struct Watch(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: Vec<Waiting>,
    /// The places in `waiting` that are nobody's.
    free: Vec<usize>,
    /// When the task looks next, if ever.
    look: Option<Instant>,
    /// The task's.
    waker: Option<Waker>,
}

struct Waiting {
    until: Instant,
    /// `None` when the time is over, or the place is nobody's.
    waker: Option<Waker>,
}

impl Deadline {
    /// It ends after this time.
    pub(crate) fn after(time: Duration) -> Self {
        Self { until: Instant::now().checked_add(time), place: None }
    }

    /// # Panics
    /// Outside of a tokio runtime that has its timers enabled.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(until) = self.until else { return Poll::Pending };
        if let Some((watch, place)) = &self.place {
            return watch.poll(*place, context.waker());
        }
        let watch = Watch::of_this_thread();
        let place = watch.enter(until, context.waker().clone());
        self.place = Some((watch, place));
        Poll::Pending
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        if let Some((watch, place)) = self.place.take() {
            watch.leave(place);
        }
    }
}

impl Watch {
    fn of_this_thread() -> Arc<Self> {
        let runtime = Handle::current();
        WATCH.with_borrow_mut(|known| match known {
            Some((id, watch)) if *id == runtime.id() => Arc::clone(watch),
            _ => {
                let watch = Arc::new(Self(Mutex::default()));
                runtime.spawn(Arc::clone(&watch).look_after());
                *known = Some((runtime.id(), Arc::clone(&watch)));
                watch
            }
        })
    }

    /// Ends with its runtime.
    async fn look_after(self: Arc<Self>) {
        loop {
            let look = poll_fn(|context| self.poll_look(context)).await;
            let mut time = pin!(sleep_until(look));
            // Until then, or until it is to look earlier.
            poll_fn(|context| {
                let is_other = self.poll_look(context) != Poll::Ready(look);
                if is_other { Poll::Ready(()) } else { time.as_mut().poll(context) }
            })
            .await;
            self.lock().end(Instant::now()).into_iter().for_each(Waker::wake);
        }
    }

    fn poll_look(&self, context: &Context<'_>) -> Poll<Instant> {
        let mut state = self.lock();
        state.waker = Some(context.waker().clone());
        state.look.map_or(Poll::Pending, Poll::Ready)
    }

    fn enter(&self, until: Instant, waker: Waker) -> usize {
        let mut state = self.lock();
        let waiting = Waiting { until, waker: Some(waker) };
        let place = state.free.pop().unwrap_or(state.waiting.len());
        if place < state.waiting.len() {
            state.waiting[place] = waiting;
        } else {
            state.waiting.push(waiting);
        }
        // Nearly always it looks earlier, for one that may have been answered since.
        if state.look.is_none_or(|look| until < look) {
            state.look = Some(until);
            let task = state.waker.take();
            drop(state);
            task.into_iter().for_each(Waker::wake);
        }
        place
    }

    fn poll(&self, place: usize, waker: &Waker) -> Poll<()> {
        let mut state = self.lock();
        let Some(known) = &mut state.waiting[place].waker else { return Poll::Ready(()) };
        let last = (!known.will_wake(waker)).then(|| std::mem::replace(known, waker.clone()));
        drop(state);
        // The end of a task may be that of a deadline: not under the lock.
        drop(last);
        Poll::Pending
    }

    fn leave(&self, place: usize) {
        let mut state = self.lock();
        state.free.push(place);
        let waker = state.waiting[place].waker.take();
        drop(state);
        drop(waker);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics with the state half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Ends what is over; gives whom to wake.
    fn end(&mut self, now: Instant) -> Vec<Waker> {
        let over = self.waiting.iter_mut().filter(|waiting| waiting.until <= now);
        let over = over.filter_map(|waiting| waiting.waker.take()).collect();
        let left = self.waiting.iter().filter(|waiting| waiting.waker.is_some());
        self.look = left.map(|waiting| waiting.until).min();
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(600);

    fn in_a_runtime<T>(run: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(run)
    }

    async fn begun(time: Duration) -> Deadline {
        let mut deadline = Deadline::after(time);
        assert!(poll_fn(|context| Poll::Ready(deadline.poll(context))).await.is_pending());
        deadline
    }

    async fn ends(deadline: &mut Deadline) {
        poll_fn(|context| deadline.poll(context)).await;
    }

    #[test]
    fn each_ends_after_its_own_time_whatever_others_wait() {
        in_a_runtime(async {
            let began = Instant::now();
            let mut long = begun(LONG).await;
            drop(begun(SHORT / 2).await);
            let (mut first, mut second) = (begun(SHORT).await, begun(2 * SHORT).await);
            ends(&mut second).await;
            assert!(began.elapsed() >= 2 * SHORT);
            ends(&mut first).await;
            assert!(tokio::time::timeout(SHORT, ends(&mut long)).await.is_err());
        });
    }

    #[test]
    fn a_place_is_used_again_by_a_deadline_of_its_own_time() {
        in_a_runtime(async {
            for (first, second) in [(LONG, SHORT), (SHORT, SHORT), (SHORT, LONG), (Duration::ZERO, SHORT)] {
                drop(begun(first).await);
                let began = Instant::now();
                let mut deadline = begun(second).await;
                let patience = if second == LONG { 5 * SHORT } else { LONG };
                let ended = tokio::time::timeout(patience, ends(&mut deadline)).await;
                assert_eq!(ended.is_ok(), second == SHORT);
                assert!(began.elapsed() >= SHORT);
            }
            let watch = Watch::of_this_thread();
            assert_eq!(watch.lock().waiting.len(), 1);
        });
    }

    #[test]
    fn when_nobody_waits_any_longer_nobody_looks() {
        in_a_runtime(async {
            drop(begun(SHORT).await);
            let mut last = begun(2 * SHORT).await;
            ends(&mut last).await;
            assert_eq!(Watch::of_this_thread().lock().look, None);
        });
    }

    #[test]
    fn a_time_that_is_too_long_to_be_told_has_no_end() {
        in_a_runtime(async {
            drop(begun(Duration::MAX).await);
        });
    }

    #[test]
    fn a_deadline_that_outlives_its_runtime_does_nothing_to_another_one() {
        let late = in_a_runtime(begun(Duration::ZERO));
        in_a_runtime(async {
            let mut deadline = begun(SHORT).await;
            drop(late);
            ends(&mut deadline).await;
        });
    }
}
