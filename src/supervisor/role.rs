//! What a process is started for, and with which command line, environment and user.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::backend::Wanted;

/// What a process is started for.
#[derive(Debug)]
pub(super) enum Role {
    /// It serves. Applications that run in processes of their own listen in the folder.
    Worker { applications: Option<PathBuf> },
    /// It runs an application.
    Application { number: usize, name: String, wanted: Wanted },
}

impl Role {
    /// The name of the application, for the log.
    pub(super) fn application(&self) -> Option<&str> {
        match self {
            Self::Worker { .. } => None,
            Self::Application { name, .. } => Some(name),
        }
    }

    /// The command line, the environment and the user.
    pub(super) fn command(&self, program: &Path, generation: u64) -> Command {
        let mut command = Command::new(program);
        let generation = generation.to_string();
        match self {
            Self::Worker { applications } => {
                command.args(["worker", "--generation", &generation]);
                if let Some(folder) = applications {
                    command.arg("--sockets").arg(folder);
                }
            }
            Self::Application { number, wanted, .. } => {
                command.args(["application", "--generation", &generation, "--number", &number.to_string()]);
                command.envs(wanted.env.iter().map(|(name, value)| (name, value)));
                if let Some(folder) = &wanted.folder {
                    command.current_dir(folder);
                }
                if let Some(login) = wanted.user {
                    command.uid(login.user).gid(login.group);
                }
            }
        }
        command
    }
}
