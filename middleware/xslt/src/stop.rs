//! Ending a run from outside.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};

use libxslt_sys::{STATE_STOPPED, TransformContext};

use crate::tree::Context;

/// Whoever waits for a run holds this, and stops the run when it no longer waits.
#[derive(Default)]
pub(crate) struct Stop(Mutex<State>);

#[derive(Default)]
struct State {
    stopped: bool,
    running: Option<Running>,
}

struct Running(NonNull<TransformContext>);

// SAFETY: another thread only stores to the context's `state`, under the lock that `Stop::during` takes before the
// context goes away.
unsafe impl Send for Running {}

impl Stop {
    /// Ends the run at its next instruction; one that has not begun never begins.
    pub(crate) fn stop(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.stopped = true;
        if let Some(Running(context)) = &state.running {
            // SAFETY: the context is alive while it stands here. libxslt looks at the field between instructions, and
            // storing to it is its own way of ending a run (its debugger does); the store is atomic.
            unsafe { AtomicI32::from_ptr(&raw mut (*context.as_ptr()).state) }
                .store(STATE_STOPPED, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).stopped
    }

    /// Lets `stop` end what `run` does with the context. `None` if it was stopped before.
    pub(crate) fn during<T>(&self, context: &Context, run: impl FnOnce() -> T) -> Option<T> {
        {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if state.stopped {
                return None;
            }
            state.running = Some(Running(context.pointer));
        }
        let done = run();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).running = None;
        Some(done)
    }
}
