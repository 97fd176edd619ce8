//! The task of a runtime that wakes others for their answers and looks after queues.
//!
//! A thread that is woken takes the processor at once, and would serve one request and sleep again. So the dispatcher wakes it:
//! after the tasks that were ready, when all their requests are in the queue. As long as
//! requests wait, it looks again every [`PATIENCE`] (seldomer while no thread is idle, see [`Queue::holding`]): for them, and
//! for answers that were held back.
//!
//! It looks, too, when an answer is late: not one timer for each request, which would cost more than handing it over, but one
//! for the first of all; then for the first of those that are left.
//!
//! [`Queue::holding`]: crate::Queue::holding

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::hub::{Hub, Hubs, Phase};
use crate::queue::PATIENCE;

/// A queue, as a hub looks after it.
pub(crate) trait Watched: Send + Sync {
    /// Whether several jobs have come since this was asked last: then more may be about to come.
    fn is_busy(&self) -> bool;

    /// Wakes a thread where one is needed now. True where it must be looked after from now on.
    fn attend(&self) -> bool;

    /// Wakes another thread where jobs have waited since the last look. True where jobs wait still.
    fn look(&self) -> bool;

    /// When to look again.
    fn patience(&self) -> Duration;

    /// Nobody looks after it any longer.
    fn leave(&self);
}

/// What the dispatcher is to do.
#[derive(Default)]
pub(crate) struct Work {
    /// Tasks whose answers are there.
    pub(crate) ready: Vec<Waker>,
    /// Queues that are to be attended to.
    pub(crate) told: Vec<Told>,
}

/// A queue that is to be attended to, and will tell nobody else meanwhile: so it is left to others where nobody comes to that any
/// more, wherever the promise lies when its runtime ends.
pub(crate) struct Told(Option<Arc<dyn Watched>>);

/// The state of the task; it ends with its runtime, or when its hub is retired.
pub(crate) struct Dispatcher<T: Send + 'static> {
    hub: &'static Hub<T>,
    hubs: &'static Hubs<T>,
    /// What was taken from the hub; the room in it goes back there for the next.
    work: Work,
    /// Ends with the next look; there is one while there is something to look after.
    look: Option<Pin<Box<Sleep>>>,
    watched: Vec<Arc<dyn Watched>>,
    /// Ends when the first answer is late; and when that is.
    late: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Work {
    fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.told.is_empty()
    }
}

impl Told {
    pub(crate) fn new(queue: Arc<dyn Watched>) -> Self {
        Self(Some(queue))
    }

    fn is_busy(&self) -> bool {
        self.0.as_ref().is_some_and(|queue| queue.is_busy())
    }

    fn into_queue(mut self) -> Option<Arc<dyn Watched>> {
        self.0.take()
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if let Some(queue) = self.0.take() {
            queue.leave();
        }
    }
}

impl<T: Send> Dispatcher<T> {
    pub(crate) fn new(hub: &'static Hub<T>, hubs: &'static Hubs<T>) -> Self {
        Self { hub, hubs, work: Work::default(), look: None, watched: Vec::new(), late: None }
    }

    pub(crate) async fn run(mut self) {
        while poll_fn(|context| self.poll_work(context)).await {
            // Whoever waited may have left.
            self.work.ready.drain(..).for_each(Waker::wake);
            if self.work.told.iter().any(Told::is_busy) {
                // Requests that have reached their sockets by now get into the queue first.
                tokio::task::yield_now().await;
            }
            while let Some(told) = self.work.told.pop() {
                told.into_queue().into_iter().for_each(|queue| self.attend(queue));
            }
        }
    }

    /// Waits for work; false when the hub is retired, and all is done.
    fn poll_work(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        // Where nothing waits any longer, there is no need of a timer.
        self.watched.retain(|queue| queue.attend());
        self.poll_look(context);
        loop {
            let is_late = self.late.take_if(|(_, late)| late.is_elapsed()).is_some();
            let mut state = self.hub.lock();
            if is_late {
                let late = state.places.end_late(Instant::now());
                state.work.ready.extend(late);
            }
            if state.places.first() != self.late.as_ref().map(|(first, _)| *first) {
                let first = state.places.first();
                drop(state);
                self.late = first.map(|first| (first, woken_at(first, context)));
                continue;
            }
            state.held = None;
            // Nobody else would look after what still waits, or tell who waits that it is late.
            let is_done = self.watched.is_empty() && state.places.first().is_none();
            if state.phase == Phase::Retired && is_done {
                return Poll::Ready(false);
            }
            if state.work.is_empty() {
                state.waker = Some(context.waker().clone());
                state.is_looking = !self.watched.is_empty();
                return Poll::Pending;
            }
            state.waker = None;
            std::mem::swap(&mut state.work, &mut self.work);
            return Poll::Ready(true);
        }
    }

    fn poll_look(&mut self, context: &mut Context<'_>) {
        while !self.watched.is_empty() {
            let patience = || self.watched.iter().map(|queue| queue.patience()).min().unwrap_or(PATIENCE);
            let look = self.look.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience())));
            if look.as_mut().poll(context).is_pending() {
                return;
            }
            self.look = None;
            self.watched.retain(|queue| queue.look());
        }
        self.look = None;
    }

    fn attend(&mut self, queue: Arc<dyn Watched>) {
        if queue.attend() && !self.watched.iter().any(|watched| Arc::ptr_eq(watched, &queue)) {
            self.watched.push(queue);
            // It may have less patience than the others.
            self.look = None;
        }
    }
}

/// A timer that has been asked once, and so wakes this task: asking it each time the task wakes would register it anew.
fn woken_at(time: Instant, context: &mut Context<'_>) -> Pin<Box<Sleep>> {
    let mut sleep = Box::pin(tokio::time::sleep_until(time));
    // Whether it has ended is asked otherwise.
    let (Poll::Ready(()) | Poll::Pending) = sleep.as_mut().poll(context);
    sleep
}

impl<T: Send> Drop for Dispatcher<T> {
    fn drop(&mut self) {
        self.watched.iter().for_each(|queue| queue.leave());
        let mut state = self.hub.lock();
        state.phase = Phase::Closed;
        (state.is_looking, state.held) = (false, None);
        let (work, waker) = (std::mem::take(&mut state.work), state.waker.take());
        drop(state);
        drop(waker);
        work.ready.into_iter().for_each(Waker::wake);
        drop(work.told);
        self.hubs.give_back(self.hub);
    }
}
