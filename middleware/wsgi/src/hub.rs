//! Brings answers from Python's threads to the tasks that wait for them, with one wake-up of the I/O thread for many.
//!
//! Waking a task from another thread costs a system call. So each runtime thread has a hub: Python's threads leave
//! answers there and wake one task, the dispatcher, unless it is awake already; the dispatcher hands the answers out on
//! the runtime's own thread, where waking a task is cheap.
//!
//! The other way round, a thread of Python that is woken takes the processor at once, and would serve one request and
//! sleep again. So the dispatcher wakes it, too: after the tasks that were ready, when all their requests are in the queue.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use tokio::runtime::{Handle, Id};
use tokio::sync::oneshot;

/// Where one runtime thread collects what is ready.
pub(crate) struct Hub<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    ready: Vec<(oneshot::Sender<T>, T)>,
    /// Queues whose threads are to be woken.
    queues: Vec<Waker>,
    /// The dispatcher's, while it sleeps.
    waker: Option<Waker>,
    is_closed: bool,
}

/// The right, and the duty, to answer once.
pub(crate) struct Reply<T> {
    hub: Arc<Hub<T>>,
    sender: oneshot::Sender<T>,
}

impl<T> Reply<T> {
    pub(crate) fn send(self, answer: T) {
        self.hub.deliver(self.sender, answer);
    }

    /// Whether nobody waits for the answer any longer.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.sender.is_closed()
    }
}

/// Where a thread keeps its hub.
pub(crate) type Kept<T> = RefCell<Option<(Id, Arc<Hub<T>>)>>;

impl<T: Send + 'static> Hub<T> {
    /// This thread's hub.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(crate) fn of_this_thread(kept: &Kept<T>) -> Arc<Self> {
        let runtime = Handle::current();
        let mut kept = kept.borrow_mut();
        if let Some((id, hub)) = &*kept
            && *id == runtime.id()
        {
            return Arc::clone(hub);
        }
        let state = State { ready: Vec::new(), queues: Vec::new(), waker: None, is_closed: false };
        let hub = Arc::new(Self { state: Mutex::new(state) });
        runtime.spawn(Dispatcher(Arc::downgrade(&hub)));
        *kept = Some((runtime.id(), Arc::clone(&hub)));
        hub
    }

    /// A place for one answer.
    pub(crate) fn reply(self: &Arc<Self>) -> (Reply<T>, oneshot::Receiver<T>) {
        let (sender, receiver) = oneshot::channel();
        (Reply { hub: Arc::clone(self), sender }, receiver)
    }

    /// Wakes a queue when the tasks that are ready have had their turn.
    pub(crate) fn wake_later(&self, queue: Waker) {
        let mut state = self.lock();
        if state.is_closed {
            drop(state);
            queue.wake();
            return;
        }
        state.queues.push(queue);
        Self::wake_dispatcher(state);
    }
}

impl<T> Hub<T> {
    fn deliver(&self, sender: oneshot::Sender<T>, answer: T) {
        let mut state = self.lock();
        if state.is_closed {
            return;
        }
        state.ready.push((sender, answer));
        Self::wake_dispatcher(state);
    }

    fn wake_dispatcher(mut state: MutexGuard<'_, State<T>>) {
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for Hub<T> {
    fn drop(&mut self) {
        // The dispatcher finds its hub gone, and ends.
        if let Some(waker) = self.lock().waker.take() {
            waker.wake();
        }
    }
}

/// The task that hands answers out; it ends with its hub or its runtime.
struct Dispatcher<T>(Weak<Hub<T>>);

impl<T> Future for Dispatcher<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(hub) = self.0.upgrade() else { return Poll::Ready(()) };
        let mut state = hub.lock();
        let ready = std::mem::take(&mut state.ready);
        let queues = std::mem::take(&mut state.queues);
        state.waker = Some(context.waker().clone());
        drop(state);
        queues.into_iter().for_each(Waker::wake);
        for (sender, answer) in ready {
            // Whoever waited may have left.
            drop(sender.send(answer));
        }
        Poll::Pending
    }
}

impl<T> Drop for Dispatcher<T> {
    fn drop(&mut self) {
        if let Some(hub) = self.0.upgrade() {
            let mut state = hub.lock();
            state.is_closed = true;
            let ready = std::mem::take(&mut state.ready);
            let queues = std::mem::take(&mut state.queues);
            drop(state);
            drop(ready);
            queues.into_iter().for_each(Waker::wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    thread_local! {
        static HUB: Kept<u32> = const { RefCell::new(None) };
    }

    fn reply() -> (Reply<u32>, oneshot::Receiver<u32>) {
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
    fn a_reply_knows_that_nobody_waits() {
        runtime().block_on(async {
            let (reply, answer) = reply();
            assert!(!reply.is_abandoned());
            drop(answer);
            assert!(reply.is_abandoned());
        });
    }
}
