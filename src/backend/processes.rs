//! The processes that an application asks for; the supervisor starts them and keeps them running.

pub(crate) mod times;

use std::fmt;
use std::path::PathBuf;

use vestibule_config::{Diagnostic, Place, Reader, Settings, Spanned};
use vestibule_layers::BoxService;

use super::Context;
use crate::listener::owner::{self, Login};

/// The processes that an application asks for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// How many there are.
    pub count: usize,
    /// How many more requests wait until one of them takes them.
    pub waiting: usize,
    /// Where they run, and as whom.
    pub surroundings: Surroundings,
    /// What they run.
    pub runs: Runs,
}

/// Where a process runs, and as whom.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The user and the group that it runs as; those of the supervisor by default.
    pub user: Option<Login>,
    /// Its working directory; that of the supervisor by default.
    pub folder: Option<PathBuf>,
    /// What its environment has beside the supervisor's, or what is left of that for another user.
    pub env: Vec<(String, String)>,
}

/// What a process of an application runs.
#[derive(Clone, Debug)]
pub enum Runs {
    /// This binary, which serves what the backend builds (`application.rs`).
    Backend(Hosting),
    /// A program that somebody else wrote (`supervisor/program.rs`).
    Program(Program),
}

/// How this binary serves an application in a process of its own.
#[derive(Clone)]
pub struct Hosting {
    /// Builds what such a process serves; the workers' `build` leads there.
    pub build: fn(&Settings, &Context<'_>) -> Result<BoxService, Diagnostic>,
    /// How many requests each process takes at once.
    pub at_once: usize,
    /// With more memory than this, in bytes, a process is replaced.
    pub max_memory: Option<u64>,
}

/// A program.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name or path, and its arguments.
    pub command: Vec<String>,
    /// Where its name is written.
    pub place: Place,
    /// When it is started again.
    pub restart: Restart,
}

/// When a program that has ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// However it ended.
    Always,
    /// If it did not end with exit status 0.
    OnFailure,
    /// Not before the next reload.
    Never,
}

/// The name of the socket that the process of a number opens, in the folder of its application.
pub(crate) fn socket_name(number: usize) -> String {
    format!("{number}.sock")
}

/// What stands for the path of its socket in the words of a program.
pub(crate) const SOCKET: &str = "{socket}";

impl Wanted {
    /// Whether each process opens a socket of its own, whose path its command names. Otherwise all accept from one, which the
    /// supervisor has bound.
    pub fn open_their_sockets(&self) -> bool {
        let Runs::Program(program) = &self.runs else { return false };
        let words = program.command.iter().chain(self.surroundings.env.iter().map(|(_, value)| value));
        words.into_iter().any(|word| word.contains(SOCKET))
    }
}

impl fmt::Debug for Hosting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { build: _, at_once, max_memory } = self;
        f.debug_struct("Hosting").field("at_once", at_once).field("max_memory", max_memory).finish()
    }
}

/// How many processes an application may have.
const MOST: usize = 1_000;

/// Reads `processes`.
pub(super) fn read_count(reader: &mut Reader<'_>) -> Option<usize> {
    let given = reader.optional::<Spanned<usize>>("processes")?;
    if !(1..=MOST).contains(&given.value) {
        reader.mistake(&given.place, format!("`processes` is from 1 to {MOST}"));
        return None;
    }
    Some(given.value)
}

/// Reads `user`.
pub(super) fn read_login(reader: &mut Reader<'_>) -> Option<Login> {
    let given = reader.optional::<Spanned<String>>("user")?;
    match owner::login(&given) {
        Ok(login) => Some(login),
        Err(error) => {
            reader.mistake(&given.place, error.to_string());
            None
        }
    }
}
