//! Descriptors of files that Python has opened.

use std::fs::File;
use std::io;
use std::os::fd::FromRawFd as _;

/// A descriptor of our own for the file that a descriptor of Python's stands for.
pub(crate) fn duplicate(descriptor: i32) -> io::Result<File> {
    // SAFETY: any number may be asked for: what is no descriptor is an error.
    let ours = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 3) };
    if ours < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was made a moment ago, and nobody else knows it.
    Ok(unsafe { File::from_raw_fd(ours) })
}
