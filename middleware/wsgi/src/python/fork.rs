//! A child that an application forked has one thread, the one that forked, and it must never serve the parent's requests.

use std::sync::atomic::{AtomicBool, Ordering};

static FORKED: AtomicBool = AtomicBool::new(false);

/// Has every child of this process know that it is one.
pub(super) fn watch() {
    // SAFETY: the handler only stores to an atomic, which is allowed in a child of a process with threads.
    let status = unsafe { libc::pthread_atfork(None, None, Some(forked)) };
    if status != 0 {
        tracing::warn!(status, "children of applications will not be recognised");
    }
}

/// Ends this process where it is a child that came back from its application instead of leaving by itself.
pub(crate) fn leave_if_forked() {
    if FORKED.load(Ordering::Relaxed) {
        // SAFETY: `_exit` runs no handler of the parent's.
        unsafe { libc::_exit(1) }
    }
}

extern "C" fn forked() {
    FORKED.store(true, Ordering::Relaxed);
}
