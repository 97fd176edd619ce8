//! Asks something only after it has woken the task.
//!
//! A task polls all that it waits for whenever any of it moves. A connection moves several times for each request, and is
//! read each time though nothing has come; its timers and the stage of the worker hardly ever move. To ask each of them
//! takes locks and counts budgets; to know that it has not called takes one load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Whether one thing that a task waits for is to be asked.
#[derive(Default)]
pub(crate) struct Seldom {
    known: Option<(Arc<Note>, Waker)>,
}

/// The waker for that one thing: it wakes the task, and notes for whom.
struct Note {
    is_set: AtomicBool,
    task: Waker,
}

impl Seldom {
    /// Asks, unless the last answer was [`Poll::Pending`] and no waker was called since.
    pub(crate) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        ask: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        // Whoever polls for the first time, or in another task, has to ask.
        let known = self.known.take().filter(|(note, _)| note.task.will_wake(cx.waker()));
        let (note, waker) = self.known.insert(known.unwrap_or_else(|| note(cx.waker())));
        if !note.is_set.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        // Before it is asked: what moves from here on sets it again. A swap and no store, which might overwrite a call whose
        // reason the question does not see yet.
        note.is_set.swap(false, Ordering::Acquire);
        let answer = ask(&mut Context::from_waker(waker));
        if answer.is_ready() {
            note.is_set.store(true, Ordering::Relaxed);
        }
        answer
    }
}

/// A future of what is asked only after it has woken the task.
pub(crate) fn seldom<T>(
    mut ask: impl FnMut(&mut Context<'_>) -> Poll<T> + Unpin,
) -> impl Future<Output = T> + Unpin {
    let mut seldom = Seldom::default();
    std::future::poll_fn(move |cx| seldom.poll(cx, &mut ask))
}

fn note(task: &Waker) -> (Arc<Note>, Waker) {
    let note = Arc::new(Note { is_set: AtomicBool::new(true), task: task.clone() });
    let waker = Waker::from(Arc::clone(&note));
    (note, waker)
}

impl Wake for Note {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_set.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::mpsc;

    use super::*;

    /// A task that counts how often it is woken.
    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Task {
        fn new() -> (Arc<Self>, Waker) {
            let task = Arc::new(Self::default());
            let waker = Waker::from(Arc::clone(&task));
            (task, waker)
        }

        fn woken(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn it_asks_until_there_is_nothing_and_again_when_it_was_woken() {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let (task, waker) = Task::new();
        let (mut seldom, mut asked) = (Seldom::default(), 0);
        let mut poll = || {
            seldom.poll(&mut Context::from_waker(&waker), |cx| {
                asked += 1;
                receiver.poll_recv(cx)
            })
        };
        assert!(poll().is_pending() && poll().is_pending() && poll().is_pending());
        sender.send(1).unwrap();
        sender.send(2).unwrap();
        assert_eq!(task.woken(), 1);
        assert_eq!([poll(), poll()], [Poll::Ready(Some(1)), Poll::Ready(Some(2))]);
        assert!(poll().is_pending() && poll().is_pending());
        assert_eq!(asked, 4);
    }

    #[test]
    fn the_task_that_polled_last_is_woken() {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let mut seldom = Seldom::default();
        let tasks = [(); 2].map(|()| Task::new());
        for (_, waker) in &tasks {
            assert!(seldom.poll(&mut Context::from_waker(waker), |cx| receiver.poll_recv(cx)).is_pending());
        }
        sender.send(()).unwrap();
        assert_eq!(tasks.map(|(task, _)| task.woken()), [0, 1]);
    }
}
