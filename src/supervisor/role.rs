//! What a process is started for, and with which command line, environment and user.

use std::io;
use std::path::Path;

use tokio::process::Command;

use super::account;
use crate::backend::processes::Wanted;

/// What a process is started for.
#[derive(Debug)]
pub(super) enum Role {
    /// It serves.
    Worker,
    /// It runs an application.
    Application { name: String, wanted: Box<Wanted> },
}

impl Role {
    /// The name of the application, for the log.
    pub(super) fn application(&self) -> Option<&str> {
        match self {
            Self::Worker => None,
            Self::Application { name, .. } => Some(name),
        }
    }

    /// Why it could not be started.
    pub(super) fn why(&self, error: &io::Error) -> String {
        match self {
            Self::Worker => error.to_string(),
            Self::Application { wanted, .. } => account::why(error, &wanted.surroundings),
        }
    }

    /// The command line, the environment and the user.
    pub(super) fn command(&self, program: &Path, generation: u64) -> Command {
        let mut command = Command::new(program);
        let generation = generation.to_string();
        match self {
            Self::Worker => {
                command.args(["worker", "--generation", &generation]);
            }
            Self::Application { name, wanted } => {
                // In one word, as names may begin with a hyphen.
                command.args(["application", &format!("--name={name}"), "--generation", &generation]);
                account::apply(&wanted.surroundings, &mut command);
            }
        }
        command
    }
}
