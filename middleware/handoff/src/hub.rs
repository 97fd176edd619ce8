//! Brings answers from threads to the tasks that wait for them, with one wake-up of the I/O thread for many.
//!
//! Waking a task from another thread costs a system call, and a change of threads more than a small request itself. So
//! each runtime thread has a hub: other threads leave word there of whom they have answered and wake one task, the dispatcher,
//! unless it is awake already; the dispatcher wakes the others on the runtime's own thread, where that is cheap. While more
//! requests wait for the same thread, an answer may be held back for a moment ([`Reply::is_followed`]).
//!
//! The other way round, a thread that is woken takes the processor at once, and would serve one request and sleep again.
//! So the dispatcher wakes it, too: after the tasks that were ready, when all their requests are in the queue. As long as
//! requests wait, it looks again every [`PATIENCE`] (seldomer while no thread is idle, see [`Queue::holding`]): for them, and
//! for answers that were held back.

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, Id};
use tokio::time::Sleep;

use crate::answer::{Answer, Promise, place};
use crate::queue::{PATIENCE, Pushed, Queue, Refused};

/// Answers are held back while there are so many times more requests that wait: those wait much longer.
const FEW: usize = 2;

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

/// Where one runtime thread collects what is ready.
pub struct Hub {
    state: Mutex<State>,
}

struct State {
    work: Work,
    /// The dispatcher's, while it sleeps.
    waker: Option<Waker>,
    /// The dispatcher wakes by itself, with its next look.
    is_looking: bool,
    /// Since when an answer is held back.
    held: Option<Instant>,
    is_closed: bool,
}

/// What the dispatcher is to do.
#[derive(Default)]
struct Work {
    /// Tasks whose answers are there.
    ready: Vec<Waker>,
    /// Queues that are to be attended to.
    told: Vec<Told>,
}

/// A queue that is to be attended to, and will tell nobody else meanwhile: so it is left to others where nobody comes to that any
/// more, wherever the promise lies when its runtime ends.
struct Told(Option<Arc<dyn Watched>>);

/// The right, and the duty, to answer once.
pub struct Reply<T> {
    hub: Arc<Hub>,
    promise: Promise<T>,
    followed: Option<Followed>,
}

/// Other requests wait for the thread.
#[derive(Clone, Copy)]
struct Followed {
    /// When the thread began with this request.
    taken: Instant,
    /// How long the first of the answers may be held back.
    hold: Duration,
    /// How many requests wait.
    waiting: usize,
}

impl<T> Reply<T> {
    /// Answers; whoever waited may have left.
    pub fn send(self, answer: T) {
        // Who has not asked yet need not be woken.
        if let Some(waker) = self.promise.leave(answer) {
            self.hub.deliver(waker, self.followed);
        }
    }

    /// Allows the hub to hold the answer back where more requests, `waiting`, wait for the thread that has taken this one
    /// at the time `taken`: for as long as `hold`, counted from the first one that is held back, or for as many requests
    /// as are few beside those that wait; while the next one takes longer, until the next look (after 1 ms at most, or as long as
    /// [`Queue::holding`] says).
    pub fn is_followed(&mut self, waiting: usize, taken: Instant, hold: Duration) {
        self.followed = (waiting > 0).then_some(Followed { taken, hold, waiting });
    }

    /// Forbids it again.
    pub fn is_urgent(&mut self) {
        self.followed = None;
    }

    /// Whether nobody waits for the answer any longer.
    pub fn is_abandoned(&self) -> bool {
        self.promise.is_abandoned()
    }
}

/// Where a thread keeps its hub.
pub type Kept = RefCell<Option<(Id, Arc<Hub>)>>;

impl Hub {
    /// This thread's hub.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn of_this_thread(kept: &Kept) -> Arc<Self> {
        let runtime = Handle::current();
        let mut kept = kept.borrow_mut();
        if let Some((id, hub)) = &*kept
            && *id == runtime.id()
        {
            return Arc::clone(hub);
        }
        let state =
            State { work: Work::default(), waker: None, is_looking: false, held: None, is_closed: false };
        let hub = Arc::new(Self { state: Mutex::new(state) });
        runtime.spawn(dispatch(Dispatcher {
            hub: Arc::downgrade(&hub),
            work: Work::default(),
            look: None,
            watched: Vec::new(),
        }));
        *kept = Some((runtime.id(), Arc::clone(&hub)));
        hub
    }

    /// A place for one answer.
    pub fn reply<T>(self: &Arc<Self>) -> (Reply<T>, Answer<T>) {
        let (promise, answer) = place();
        (Reply { hub: Arc::clone(self), promise, followed: None }, answer)
    }

    /// Puts a job into a queue, and sees to it that a thread takes it when the tasks that are ready have had their turn.
    pub fn push<J: Send + 'static>(&self, queue: &Arc<Queue<J>>, job: J) -> Result<(), Refused> {
        if queue.push(job)? == Pushed::Tell {
            self.attend_later(Arc::clone(queue) as Arc<dyn Watched>);
        }
        Ok(())
    }

    fn attend_later(&self, queue: Arc<dyn Watched>) {
        let told = Told(Some(queue));
        let mut state = self.lock();
        if state.is_closed {
            return;
        }
        state.work.told.push(told);
        Self::wake_dispatcher(state);
    }

    fn deliver(&self, waker: Waker, followed: Option<Followed>) {
        let mut state = self.lock();
        if state.is_closed {
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

    fn wake_dispatcher(mut state: MutexGuard<'_, State>) {
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hub").finish_non_exhaustive()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // The dispatcher finds its hub gone, and ends: nobody else would wake those whose answers are here.
        let State { work, waker, .. } = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        work.ready.drain(..).chain(waker.take()).for_each(Waker::wake);
    }
}

impl Work {
    fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.told.is_empty()
    }
}

impl Told {
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

/// The task that wakes others for their answers and looks after queues; it ends with its hub or its runtime.
async fn dispatch(mut dispatcher: Dispatcher) {
    while poll_fn(|context| dispatcher.poll_work(context)).await {
        // Whoever waited may have left.
        dispatcher.work.ready.drain(..).for_each(Waker::wake);
        if dispatcher.work.told.iter().any(Told::is_busy) {
            // Requests that have reached their sockets by now get into the queue first.
            tokio::task::yield_now().await;
        }
        while let Some(told) = dispatcher.work.told.pop() {
            told.into_queue().into_iter().for_each(|queue| dispatcher.attend(queue));
        }
    }
}

struct Dispatcher {
    hub: Weak<Hub>,
    /// What was taken from the hub; the room in it goes back there for the next.
    work: Work,
    /// Ends with the next look; there is one while there is something to look after.
    look: Option<Pin<Box<Sleep>>>,
    watched: Vec<Arc<dyn Watched>>,
}

impl Dispatcher {
    /// Waits for work; false when the hub is gone.
    fn poll_work(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        // Where nothing waits any longer, there is no need of a timer.
        self.watched.retain(|queue| queue.attend());
        self.poll_look(context);
        let Some(hub) = self.hub.upgrade() else { return Poll::Ready(false) };
        let mut state = hub.lock();
        state.held = None;
        if state.work.is_empty() {
            state.waker = Some(context.waker().clone());
            state.is_looking = !self.watched.is_empty();
            return Poll::Pending;
        }
        state.waker = None;
        std::mem::swap(&mut state.work, &mut self.work);
        Poll::Ready(true)
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

impl Drop for Dispatcher {
    fn drop(&mut self) {
        self.watched.iter().for_each(|queue| queue.leave());
        if let Some(hub) = self.hub.upgrade() {
            let mut state = hub.lock();
            state.is_closed = true;
            let work = std::mem::take(&mut state.work);
            drop(state);
            work.ready.into_iter().for_each(Waker::wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    thread_local! {
        static HUB: Kept = const { RefCell::new(None) };
    }

    fn reply() -> (Reply<u32>, Answer<u32>) {
        HUB.with(Hub::of_this_thread).reply()
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn answers_of_other_threads_arrive() {
        runtime().block_on(async {
            let (replies, answers): (Vec<_>, Vec<_>) = (0..100).map(|_| reply()).unzip();
            let thread = std::thread::spawn(move || {
                for (number, reply) in (0..).zip(replies) {
                    reply.send(number);
                }
            });
            for (number, answer) in (0..).zip(answers) {
                assert_eq!(answer.await, Ok(number));
            }
            thread.join().unwrap();
        });
    }

    #[test]
    fn a_later_runtime_on_the_same_thread_has_a_hub_of_its_own() {
        let (stale, _) = runtime().block_on(async { reply() });
        runtime().block_on(async {
            let (reply, answer) = reply();
            std::thread::spawn(move || {
                stale.send(1);
                reply.send(2);
            });
            assert_eq!(answer.await, Ok(2));
        });
    }

    #[test]
    fn who_waits_is_woken_where_the_last_to_know_the_hub_is_the_answer() {
        struct Woken(std::sync::mpsc::Sender<()>);
        impl std::task::Wake for Woken {
            fn wake(self: Arc<Self>) {
                self.0.send(()).unwrap();
            }
        }
        let (tell, told) = std::sync::mpsc::channel();
        let first = runtime();
        let (reply, mut answer) = first.block_on(async { reply() });
        // The thread has another hub from now on, and the first runtime is still there.
        runtime().block_on(async { drop(HUB.with(Hub::of_this_thread)) });
        let waker = Arc::new(Woken(tell)).into();
        assert!(Pin::new(&mut answer).poll(&mut Context::from_waker(&waker)).is_pending());
        reply.send(1);
        first.block_on(tokio::task::yield_now());
        assert_eq!(told.try_iter().count(), 1);
        assert_eq!(first.block_on(answer), Ok(1));
    }

    #[test]
    fn an_answer_is_found_in_another_runtime_when_that_of_its_hub_has_ended() {
        let [(early, first), (late, second)] = runtime().block_on(async { [reply(), reply()] });
        early.send(1);
        runtime().block_on(async {
            assert_eq!(first.await, Ok(1));
            let thread = std::thread::spawn(move || late.send(2));
            assert_eq!(second.await, Ok(2));
            thread.join().unwrap();
        });
    }

    #[test]
    fn a_runtime_that_ends_leaves_the_queues_that_it_was_to_attend_to_to_others() {
        let queue = Arc::new(Queue::new(2));
        let (tell, told) = std::sync::mpsc::channel();
        let served = Arc::clone(&queue);
        let thread = std::thread::spawn(move || {
            while served.wait() {
                while let Some(taken) = served.next() {
                    tell.send(taken.job).unwrap();
                }
                served.rest();
            }
        });
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime().block_on(async {
            let hub = HUB.with(Hub::of_this_thread);
            let (reply, answer) = hub.reply();
            hub.push(&queue, 1).unwrap();
            reply.send(0);
            // The runtime ends with this answer, which the dispatcher hands out before it attends to the queue.
            answer.await.unwrap();
        });
        let soon = Duration::from_secs(60);
        assert_eq!(told.recv_timeout(soon), Ok(1));
        runtime().block_on(async {
            HUB.with(Hub::of_this_thread).push(&queue, 2).unwrap();
            tokio::task::spawn_blocking(move || assert_eq!(told.recv_timeout(soon), Ok(2))).await.unwrap();
        });
        queue.close();
        thread.join().unwrap();
    }

    #[test]
    fn answers_are_held_back_while_many_more_requests_wait() {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
            let hub = HUB.with(Hub::of_this_thread);
            let queue = Arc::new(Queue::new(1));
            hub.push(&queue, ()).unwrap();
            while !(hub.lock().is_looking && hub.lock().waker.is_some()) {
                tokio::task::yield_now().await;
            }
            let mut answers = Vec::new();
            for (waiting, is_held) in [(FEW, true), (2 * FEW, true), (2 * FEW, false)] {
                let (mut reply, mut answer) = reply();
                assert!(
                    poll_fn(|context| Poll::Ready(Pin::new(&mut answer).poll(context))).await.is_pending()
                );
                reply.is_followed(waiting, Instant::now(), Duration::ZERO);
                reply.send(0);
                assert_eq!(hub.lock().waker.is_some(), is_held, "{waiting} wait");
                answers.push(answer);
            }
            for answer in answers {
                assert_eq!(answer.await, Ok(0));
            }
        });
    }

    #[test]
    fn a_reply_knows_that_nobody_waits() {
        runtime().block_on(async {
            let (reply, answer) = reply();
            assert!(!reply.is_abandoned());
            drop(answer);
            assert!(reply.is_abandoned());
        });
    }
}
