//! The scratch process: imports one application, or all, and writes down after each what it was like.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use clap::ValueEnum;
use tower_wsgi::{Application, Isolation, LoadError};
use vestibule_config::{Config, Source};
use vestibule_layers::rescue;

use super::applications;
use super::report::{Failure, Import, Outcome, Report};
use crate::cli::{COULD_NOT_START, SUCCESS, load, mistaken, tell};
use crate::worker::APPLICATIONS_END;
use crate::{backend, gateway};

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
    /// The configuration; that of one application alone is read from stdin
    file: PathBuf,
}

impl Probe {
    /// Imports and reports.
    pub(in crate::cli) fn run(self) -> u8 {
        let config = match self.load() {
            Ok(config) => config,
            Err(code) => return code,
        };
        if let Err(error) = self.report(&config) {
            tell(&format!("failed to write the report: {error}"));
            return COULD_NOT_START;
        }
        backend::shutdown(APPLICATIONS_END);
        SUCCESS
    }

    fn load(&self) -> Result<Config, u8> {
        if self.place == Where::Shared {
            return load(&self.file);
        }
        let mut text = String::new();
        if let Err(error) = io::stdin().read_to_string(&mut text) {
            tell(&format!("failed to read the configuration: {error}"));
            return Err(COULD_NOT_START);
        }
        let source = Source::from_text(&self.file, text);
        vestibule_config::load_source(&source, &gateway::kinds(), &|_| None).map_err(|wrong| mistaken(&wrong))
    }

    fn report(&self, config: &Config) -> io::Result<()> {
        let mut to = take_stdout()?;
        let (mut report, mut written) = (Report::default(), 0);
        let mut write = |report: &Report| {
            let text = report.to_text();
            to.write_all(&text.as_bytes()[written..])?;
            written = text.len();
            io::Result::Ok(())
        };
        for settings in applications(config) {
            report.begin(settings.name.clone());
            // It may end the process.
            write(&report)?;
            report.end(self.try_out(settings));
            write(&report)?;
        }
        Ok(())
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
            Err(error) => Outcome::Fails(Failure { because: because(&error), text: text(&error) }),
        }
    }
}

/// Takes stdout away from the applications.
fn take_stdout() -> io::Result<File> {
    let stdout = io::stdout().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdout(File::options().write(true).open("/dev/null")?)?;
    Ok(stdout.into())
}

/// The whole story. Nobody has asked for an interpreter of its own: that there is none is no mistake of the configuration.
fn text(error: &LoadError) -> String {
    match error {
        // For whom stands in the table; the same for several is told once.
        LoadError::NoSubInterpreters { version, executable, .. } => format!(
            "`isolation: interpreter` needs Python 3.13 or later, and {} is Python {version}",
            executable.display()
        ),
        error => rescue::chain(error),
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
