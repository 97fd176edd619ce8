//! A program, and the process that it becomes.
//!
//! It is started by `posix_spawn`, which shares the memory of the gateway with the new process until that is another program: a
//! large gateway starts one as fast as a small one. What the standard library can only do by `fork` (a user, a hook) is not asked
//! of it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Why the system runs no program, and what to do.
#[derive(Debug, thiserror::Error)]
enum Forbidden {
    #[error(
        "it has no execute bit: give it one (`chmod +x`), or say by `interpreters` what runs files of its ending"
    )]
    NoExecuteBit,
    #[error(
        "permission denied: the gateway's user must be allowed to execute it, what its line `#!` names and what is named by \
         `interpreters`, and to enter its folder, on no file system that is mounted `noexec`"
    )]
    Other,
}

/// A program that is to be started.
pub(super) struct Program {
    path: PathBuf,
    command: Command,
}

impl Program {
    /// A program, or the text that an interpreter runs, with nothing in its environment but what is `passed`.
    pub(super) fn new(path: PathBuf, interpreter: Option<PathBuf>, passed: &[(OsString, OsString)]) -> Self {
        let mut command = match interpreter {
            Some(interpreter) => {
                let mut command = Command::new(interpreter);
                command.arg(&path);
                command
            }
            None => Command::new(&path),
        };
        command.env_clear();
        command.envs(passed.iter().map(|(name, value)| (name, value)));
        // RFC 3875 section 7.2.
        command.current_dir(path.parent().unwrap_or(Path::new("/")));
        command.process_group(0);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { path, command }
    }

    /// Sets a variable of its environment.
    pub(super) fn set(&mut self, name: &[u8], value: &[u8]) {
        self.command.env(OsStr::from_bytes(name), OsStr::from_bytes(value));
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Starts it. This waits until the kernel has read its beginning.
    pub(super) fn start(mut self, has_body: bool) -> io::Result<Child> {
        self.command.stdin(if has_body { Stdio::piped() } else { Stdio::null() });
        self.command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => io::Error::new(error.kind(), self.forbidden()),
            _ => error,
        })
    }

    /// Why it may not be run.
    fn forbidden(&self) -> Forbidden {
        let is_program = self.command.get_program() == self.path.as_os_str();
        let mode = self.path.metadata().map_or(0o111, |file| file.mode());
        if is_program && mode & 0o111 == 0 { Forbidden::NoExecuteBit } else { Forbidden::Other }
    }
}
