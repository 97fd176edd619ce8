//! How long a request takes in the host, for whoever wants to know: in the queue, for the GIL, in the application.

use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_environ::Settled;
use http_environ::environ::Hosted;

thread_local! {
    /// How long this thread has waited for the GIL and has not told.
    static LOCKED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// A wait for the GIL that is worth a line of the log: twice the time after which Python takes it away from who computes.
const LONG: Duration = Duration::from_millis(10);

/// How long the log is silent about such waits after it has told of one.
const SILENCE: Duration = Duration::from_secs(10);

/// This thread asked for the GIL then, and has it now.
pub(crate) fn has_gil(application: &str, asked: Instant) {
    let waited = asked.elapsed();
    LOCKED.set(waited);
    if waited >= LONG && is_to_be_told() {
        tracing::warn!(
            application,
            "a thread waited {waited:?} for the GIL: an application of its interpreter computes"
        );
    }
}

fn is_to_be_told() -> bool {
    static LAST: Mutex<Option<Instant>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let is_due = last.is_none_or(|last| last.elapsed() >= SILENCE);
    if is_due {
        *last = Some(Instant::now());
    }
    is_due
}

/// The clock of one request; it tells once, when the answer begins.
pub(crate) struct Clock {
    asking: Arc<Settled>,
    application: Arc<str>,
    queued: Duration,
    locked: Duration,
    began: Instant,
}

impl Clock {
    /// A thread begins with a request that was queued then.
    pub(crate) fn begin(asking: &Arc<Settled>, application: &Arc<str>, queued: Instant) -> Self {
        let began = Instant::now();
        // It counts for the first request of those that a thread serves in one hold.
        let locked = LOCKED.take();
        Self {
            asking: Arc::clone(asking),
            application: Arc::clone(application),
            queued: began.duration_since(queued).saturating_sub(locked),
            locked,
            began,
        }
    }

    /// The answer begins.
    pub(crate) fn tell(self) {
        self.asking.set_hosted(Hosted {
            application: self.application,
            queued: self.queued,
            locked: self.locked,
            running: self.began.elapsed(),
        });
    }
}
