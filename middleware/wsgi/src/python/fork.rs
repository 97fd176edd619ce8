//! A child that an application forked has one thread, the one that forked. It must never serve the parent's requests, nor
//! touch what other threads of the parent may have locked at that moment: a lock that was held then stays so for ever.

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

/// Whether this process is such a child.
pub(crate) fn is_forked() -> bool {
    FORKED.load(Ordering::Relaxed)
}

/// Ends this process where it is a child that came back from its application instead of leaving by itself.
pub(crate) fn leave_if_forked() {
    if is_forked() {
        // SAFETY: `_exit` runs no handler of the parent's.
        unsafe { libc::_exit(1) }
    }
}

/// What a child has to say, past the log, which another thread of the parent may have been writing.
pub(crate) fn write_to_stderr(text: &[u8]) {
    // SAFETY: the memory is `text`'s; what cannot be written has nowhere else to go.
    unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
}

extern "C" fn forked() {
    FORKED.store(true, Ordering::Relaxed);
}
