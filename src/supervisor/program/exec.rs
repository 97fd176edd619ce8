//! The start of a program: this process becomes it, and ends when the supervisor does, however that ends.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// Becomes a program, whose parent is the process of the given number; answers only where that fails.
pub(crate) fn exec(parent: i32, command: &[OsString]) -> String {
    let asked = set_parent_process_death_signal(Some(Signal::TERM));
    if let Err(error) = asked {
        return format!("failed to be told the end of the supervisor: {error}");
    }
    if getppid().is_none_or(|now| now.as_raw_nonzero().get() != parent) {
        // It ended before the kernel was asked.
        return "the supervisor has ended".into();
    }
    let Some((program, arguments)) = command.split_first() else { return "no program was named".into() };
    let error: io::Error = Command::new(program).args(arguments).exec();
    format!("failed to start `{}`: {error}", program.display())
}
