//! Why an application could not be loaded.

use std::path::PathBuf;
use std::sync::Arc;

use crate::discover::DiscoverError;
use crate::python::InitError;

/// An application could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No interpreter, or none that can run in this process.
    #[error(transparent)]
    Discover(#[from] DiscoverError),
    /// The interpreter does not start.
    #[error("failed to start Python from {}", .library.display())]
    Start {
        /// Its library.
        library: PathBuf,
        /// Why.
        #[source]
        source: Arc<InitError>,
    },
    /// Another Python than the one that runs in this process already.
    #[error(
        "the application {application} wants Python {wanted} ({}), but this process runs Python {running} ({}), which \
         {other} wants: one process runs one version. Give one of the two `isolation: process`",
        .wanted_from.display(), .running_from.display()
    )]
    OtherVersion {
        /// The application's name.
        application: String,
        /// Its version of Python.
        wanted: String,
        /// Its interpreter.
        wanted_from: PathBuf,
        /// The version that runs.
        running: String,
        /// The interpreter that runs.
        running_from: PathBuf,
        /// The application that it was started for.
        other: String,
    },
    /// Two applications of one interpreter disagree.
    #[error(
        "the applications {other} and {application} cannot share an interpreter: {reason}. Give one of the two \
         `isolation: interpreter` (Python 3.13 or later) or `isolation: process`"
    )]
    Disagreement {
        /// The application's name.
        application: String,
        /// The one that was there before.
        other: String,
        /// What about.
        reason: String,
    },
    /// `isolation: interpreter` with an older Python.
    #[error(
        "the application {application} wants an interpreter of its own, which Python has from 3.13 on, and {} is \
         Python {version}. Use a later one, or `isolation: process`",
        .executable.display()
    )]
    NoSubInterpreters {
        /// The application's name.
        application: String,
        /// The interpreter's version.
        version: String,
        /// The interpreter.
        executable: PathBuf,
    },
    /// What the application imports does not bear `isolation: interpreter`.
    #[error(
        "the application {application} cannot have an interpreter of its own: it imports {module} ({place}), which cannot \
         be loaded into a second interpreter of a process. Give it `isolation: shared` or `isolation: process`"
    )]
    Extension {
        /// The application's name.
        application: String,
        /// The extension module.
        module: String,
        /// The file and line of the application that ask for it.
        place: String,
    },
    /// The import raised.
    #[error("the application {application} ({app}) does not import:\n{traceback}")]
    Import {
        /// The application's name.
        application: String,
        /// What was imported.
        app: String,
        /// Python's traceback.
        traceback: String,
    },
    /// The system gives no thread.
    #[error("failed to start a thread for the application {application}")]
    Thread {
        /// The application's name.
        application: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Python has been shut down.
    #[error("Python has been shut down")]
    Over,
}

/// Why Python does not start; every application is told the same.
#[derive(Clone)]
pub(super) enum StartError {
    Library(PathBuf, Arc<InitError>),
    /// With Python's traceback.
    Host(String),
}

impl From<StartError> for LoadError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Library(library, source) => Self::Start { library, source },
            StartError::Host(traceback) => {
                Self::Import { application: "-".into(), app: "the host itself".into(), traceback }
            }
        }
    }
}
