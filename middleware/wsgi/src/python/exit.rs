//! The end of the process.

/// Ends this process at once, as it is: destructors of C++ libraries and `atexit` functions of C, which the ordinary end of a
/// process runs, would meet threads that still run Python. What must be written has been written before.
pub fn exit(status: u8) -> ! {
    // SAFETY: `_exit` asks for nothing, and nothing of this process runs after it.
    unsafe { libc::_exit(status.into()) }
}
