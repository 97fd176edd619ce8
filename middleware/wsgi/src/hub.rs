//! Brings answers from Python's threads to the tasks that wait for them, with one wake-up of the I/O thread for many.
//!
//! Waking a task from another thread costs a system call. So each runtime thread has a hub: Python's threads leave
//! answers there and wake one task, the dispatcher, unless it is awake already; the dispatcher hands the answers out on
//! the runtime's own thread, where waking a task is cheap.

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

impl<T: Send + 'static> Hub<T> {
    /// A new place for one answer, by way of this thread's hub. `kept` is where the thread keeps it.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(crate) fn reply(kept: &RefCell<Option<(Id, Arc<Self>)>>) -> (Reply<T>, oneshot::Receiver<T>) {
        let runtime = Handle::current();
        let mut kept = kept.borrow_mut();
        let hub = match &*kept {
            Some((id, hub)) if *id == runtime.id() => Arc::clone(hub),
            _ => {
                let state = State { ready: Vec::new(), waker: None, is_closed: false };
                let hub = Arc::new(Self { state: Mutex::new(state) });
                runtime.spawn(Dispatcher(Arc::downgrade(&hub)));
                *kept = Some((runtime.id(), Arc::clone(&hub)));
                hub
            }
        };
        let (sender, receiver) = oneshot::channel();
        (Reply { hub, sender }, receiver)
    }
}

impl<T> Hub<T> {
    fn deliver(&self, sender: oneshot::Sender<T>, answer: T) {
        let mut state = self.lock();
        if state.is_closed {
            return;
        }
        state.ready.push((sender, answer));
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
        state.waker = Some(context.waker().clone());
        drop(state);
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
            drop(state);
            drop(ready);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    thread_local! {
        static HUB: RefCell<Option<(Id, Arc<Hub<u32>>)>> = const { RefCell::new(None) };
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn answers_of_other_threads_arrive() {
        runtime().block_on(async {
            let (replies, answers): (Vec<_>, Vec<_>) = (0..100).map(|_| HUB.with(Hub::reply)).unzip();
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
        let (stale, _) = runtime().block_on(async { HUB.with(Hub::reply) });
        runtime().block_on(async {
            let (reply, answer) = HUB.with(Hub::reply);
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
            let (reply, answer) = HUB.with(Hub::reply);
            assert!(!reply.is_abandoned());
            drop(answer);
            assert!(reply.is_abandoned());
        });
    }
}
