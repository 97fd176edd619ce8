//! How long a request may wait for its answer.
//!
//! Nearly every request is answered long before, and making a timer for it, registering it and taking it out again would
//! cost more than handing the request over. So timers are used again: one that is given back stays registered, and for the
//! next request its time is only put off.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::time::{Instant, Sleep, sleep};

/// How many timers a thread keeps. Each may hold what is left of the task that it was for, until its time.
const KEPT: usize = 256;

thread_local! {
    static SPARE: RefCell<Option<Spare>> = const { RefCell::new(None) };
}

/// Timers of one runtime that nobody waits for.
struct Spare {
    runtime: Id,
    timers: Vec<Timer>,
}

type Timer = Pin<Box<Sleep>>;

/// The end of a request's time.
pub(crate) struct Deadline {
    /// Until it is given back.
    timer: Option<Timer>,
    runtime: Id,
}

impl Deadline {
    /// It ends after this time.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(crate) fn after(time: Duration) -> Self {
        let runtime = Handle::current().id();
        let timer = match spare(runtime) {
            // As `sleep` does it with a time that is too long to be told.
            Some(timer) => Instant::now().checked_add(time).map(|until| put_off(timer, until)),
            None => None,
        };
        Self { timer: Some(timer.unwrap_or_else(|| Box::pin(sleep(time)))), runtime }
    }

    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.timer.as_mut().map_or(Poll::Ready(()), |timer| timer.as_mut().poll(context))
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let (Some(timer), runtime) = (self.timer.take(), self.runtime) else { return };
        // A thread that ends keeps nothing any longer.
        let unwanted = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            let spare = spare.get_or_insert_with(|| Spare { runtime, timers: Vec::new() });
            if spare.runtime != runtime || spare.timers.len() >= KEPT {
                return Some(timer);
            }
            spare.timers.push(timer);
            None
        });
        drop(unwanted);
    }
}

/// A timer of this runtime, where this thread has one.
fn spare(runtime: Id) -> Option<Timer> {
    let (timer, others) = SPARE.with_borrow_mut(|spare| match spare {
        Some(spare) if spare.runtime == runtime => (spare.timers.pop(), None),
        // The thread has come to another runtime.
        other => (None, other.take()),
    });
    drop(others);
    timer
}

fn put_off(mut timer: Timer, until: Instant) -> Timer {
    timer.as_mut().reset(until);
    timer
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn kept() -> usize {
        SPARE.with_borrow(|spare| spare.as_ref().map_or(0, |spare| spare.timers.len()))
    }

    fn in_a_runtime<T>(run: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(run)
    }

    async fn ends(mut deadline: Deadline) {
        poll_fn(|context| deadline.poll(context)).await;
    }

    #[test]
    fn a_timer_that_is_used_again_ends_when_it_should() {
        let (short, long) = (Duration::from_millis(20), Duration::from_secs(600));
        in_a_runtime(async {
            for (first, second) in [(long, short), (short, short), (short, long), (short, short)] {
                let mut deadline = Deadline::after(first);
                assert!(poll_fn(|context| Poll::Ready(deadline.poll(context))).await.is_pending());
                drop(deadline);
                assert_eq!(kept(), 1);
                let began = Instant::now();
                let deadline = Deadline::after(second);
                assert_eq!(kept(), 0, "it is used again");
                let ended = tokio::time::timeout(short * 5, ends(deadline)).await;
                assert_eq!(ended.is_ok(), second == short);
                assert!(began.elapsed() >= short);
            }
        });
    }

    #[test]
    fn a_timer_does_not_outlive_its_runtime_into_another_one() {
        let mut late = None;
        in_a_runtime(async {
            drop(Deadline::after(Duration::ZERO));
            late = Some(Deadline::after(Duration::ZERO));
            drop(Deadline::after(Duration::ZERO));
            assert_eq!(kept(), 1);
        });
        in_a_runtime(async {
            let deadline = Deadline::after(Duration::ZERO);
            assert_eq!(kept(), 0);
            drop(deadline);
            drop(late.take());
            assert_eq!(kept(), 1, "only this runtime's own");
            ends(Deadline::after(Duration::ZERO)).await;
        });
    }
}
