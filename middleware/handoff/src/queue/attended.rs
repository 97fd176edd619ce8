//! How a hub looks after a queue.

use std::time::Duration;

use super::{PATIENCE, Queue, wake};
use crate::dispatcher::Watched;

impl<T: Send> Watched for Queue<T> {
    fn is_busy(&self) -> bool {
        let mut state = self.lock();
        let come = state.come();
        // A client that waits for its answer before it asks again is alone each time: whoever waited for others would wait for
        // nobody.
        come.saturating_sub(std::mem::replace(&mut state.counted, come)) > 1
    }

    fn attend(&self) -> bool {
        let mut state = self.lock();
        state.is_told = false;
        if state.is_needed() {
            // The thread may run at once, on this processor, and leave nothing to look after.
            wake(state);
            state = self.lock();
        }
        state.is_watched = !state.jobs.is_empty();
        state.is_watched
    }

    fn look(&self) -> bool {
        let mut state = self.lock();
        state.is_watched = !state.jobs.is_empty();
        let is_watched = state.is_watched;
        let has_waited = state.taken < state.seen;
        state.seen = state.come();
        let would_help = has_waited && state.coming.is_empty() && !state.coming.is_crowded();
        if is_watched && (would_help || state.is_needed()) {
            wake(state);
        }
        is_watched
    }

    fn patience(&self) -> Duration {
        let state = self.lock();
        if state.free() == 0 { self.hold } else { PATIENCE }
    }

    fn leave(&self) {
        let mut state = self.lock();
        (state.is_told, state.is_watched) = (false, false);
        if state.is_needed() {
            wake(state);
        }
    }
}
