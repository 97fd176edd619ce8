//! Ending a run from outside.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use libxslt_sys::{STATE_STOPPED, TransformContext};

use crate::tree::Context;

/// Whoever waits for a run holds this, and stops the run when it no longer waits.
#[derive(Default)]
pub(crate) struct Stop(Mutex<State>);

#[derive(Default)]
struct State {
    stopped: bool,
    /// A thread is at it.
    begun: bool,
    /// What libxslt is doing for it at the moment.
    running: Option<Running>,
}

struct Running(NonNull<TransformContext>);

// SAFETY: another thread only stores to the context's `state`, under the lock that `Stop::during` takes before the
// context goes away.
unsafe impl Send for Running {}

impl Stop {
    /// Ends the run at its next instruction; one that has not begun never begins. True where a thread is at it.
    pub(crate) fn stop(&self) -> bool {
        let mut state = self.lock();
        state.stopped = true;
        if let Some(Running(context)) = &state.running {
            // SAFETY: the context is alive while it stands here. libxslt looks at the field between instructions, and
            // storing to it is its own way of ending a run (its debugger does); the store is atomic.
            unsafe { AtomicI32::from_ptr(&raw mut (*context.as_ptr()).state) }
                .store(STATE_STOPPED, Ordering::Relaxed);
        }
        state.begun
    }

    /// A thread takes the run on; false where it is stopped already.
    pub(crate) fn begin(&self) -> bool {
        let mut state = self.lock();
        state.begun = !state.stopped;
        state.begun
    }

    /// The thread is done with it. True where it was stopped in the meantime.
    pub(crate) fn end(&self) -> bool {
        let mut state = self.lock();
        state.begun = false;
        state.stopped
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Lets `stop` end what `run` does with the context. `None` if it was stopped before.
    pub(crate) fn during<T>(&self, context: &Context, run: impl FnOnce() -> T) -> Option<T> {
        {
            let mut state = self.lock();
            if state.stopped {
                return None;
            }
            state.running = Some(Running(context.pointer));
        }
        let done = run();
        self.lock().running = None;
        Some(done)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
