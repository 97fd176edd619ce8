//! The scratch process: imports one application, or all, and writes down after each what it was like.

use std::io;
use std::path::PathBuf;

use clap::ValueEnum;
use tower_wsgi::{Application, Isolation, LoadError};
use vestibule_layers::rescue;

use super::applications;
use super::report::{Failure, Import, Outcome, Report};
use crate::backend;
use crate::cli::{COULD_NOT_START, SUCCESS, load, tell};
use crate::worker::APPLICATIONS_END;

/// Where an application is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Where {
    /// In the main interpreter, with those before it.
    Shared,
    /// In an interpreter of its own.
    Interpreter,
    /// In a process of its own, which the scratch process is.
    Process,
}

impl Where {
    /// As it is written in the configuration, and on the command line of a scratch process.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Interpreter => "interpreter",
            Self::Process => "process",
        }
    }
}

/// What a scratch process is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Probe {
    /// Where the applications are imported
    #[arg(long)]
    place: Where,
    /// The number of the only one, from 0
    #[arg(long)]
    only: Option<usize>,
    /// The file that the report is written to
    #[arg(long)]
    report: PathBuf,
    /// The configuration
    file: PathBuf,
}

impl Probe {
    /// Imports and reports.
    pub(in crate::cli) fn run(self) -> u8 {
        let config = match load(&self.file) {
            Ok(config) => config,
            Err(code) => return code,
        };
        let mut report = Report::default();
        let all = applications(&config).into_iter().enumerate();
        for (_, settings) in all.filter(|(number, _)| self.only.is_none_or(|only| only == *number)) {
            report.begin(settings.name.clone());
            // It may end the process.
            let mut written = self.write(&report);
            report.end(self.try_out(settings));
            written = written.and_then(|()| self.write(&report));
            if let Err(error) = written {
                tell(&format!("failed to write the report: {error}"));
                return COULD_NOT_START;
            }
        }
        backend::shutdown(APPLICATIONS_END);
        SUCCESS
    }

    fn try_out(&self, settings: tower_wsgi::Settings) -> Outcome {
        let isolation = match self.place {
            Where::Interpreter => Isolation::Interpreter,
            Where::Shared | Where::Process => Isolation::Shared,
        };
        match Application::load_and_tell(tower_wsgi::Settings { isolation, threads: 1, ..settings }) {
            Ok((_, import)) => Outcome::Works(Import {
                took: import.took,
                memory: if self.place == Where::Process { import.memory } else { import.grown },
                changes: import.changes,
                refused: import.refused,
            }),
            Err(error) => Outcome::Fails(Failure { because: because(&error), text: rescue::chain(&error) }),
        }
    }

    fn write(&self, report: &Report) -> io::Result<()> {
        let next = self.report.with_extension("next");
        std::fs::write(&next, report.to_text())?;
        std::fs::rename(next, &self.report)
    }
}

/// The one word that says what stands in the way.
fn because(error: &LoadError) -> String {
    match error {
        LoadError::Extension { module, .. } => module.clone(),
        LoadError::Disagreement { other, .. } => other.clone(),
        LoadError::NoSubInterpreters { version: python, .. }
        | LoadError::OtherVersion { wanted: python, .. } => {
            format!("Python {python}")
        }
        LoadError::Import { .. } => "its import".into(),
        LoadError::Discover(_) | LoadError::Start { .. } => "its Python".into(),
        LoadError::Thread { .. } | LoadError::Over => "the system".into(),
    }
}
