//! Loading: the interpreter is started with the first application; each one is imported and given its threads.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use handoff::Queue;

use crate::discover::{DiscoverError, Discovered, discover};
use crate::environ::{Facts, Template};
use crate::log;
use crate::python::{Exception, InitError, Interpreter, Kept, Object, PyResult, Python};
use crate::request::{InputMode, Job};
use crate::service::Application;
use crate::threads::Threads;
use crate::worker::{self, Classes, Host};

/// What an application is and how it runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name, in the log and in errors.
    pub name: String,
    /// `module:attribute`, `module:factory()`, or a file: `path/to/site.py`, `path/to/site.py:attribute`.
    pub app: String,
    /// Folders that are put on `sys.path`, the first one foremost.
    pub path: Vec<PathBuf>,
    /// A virtualenv's folder or an interpreter; default: the active virtualenv, else `python3` on PATH.
    pub python: Option<PathBuf>,
    /// How many requests it works on at once.
    pub threads: usize,
    /// How many more requests may wait.
    pub queue: usize,
    /// How bodies of requests are brought to it.
    pub input: InputMode,
    /// Whether other processes run the same application: `wsgi.multiprocess`.
    pub multiprocess: bool,
    /// Variables that join every environ; their values are native strings of latin-1 or UTF-8 bytes.
    pub variables: Vec<(String, String)>,
}

impl Settings {
    /// The settings of an application with the defaults: 4 threads, 128 waiting requests.
    pub fn new(name: impl Into<String>, app: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            app: app.into(),
            path: Vec::new(),
            python: None,
            threads: 4,
            queue: 128,
            input: InputMode::default(),
            multiprocess: false,
            variables: Vec::new(),
        }
    }
}

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
        "the application {application} wants Python {wanted} ({}), but this process runs Python {running} ({})",
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

/// The interpreter of this process and what runs in it.
struct Process {
    python: Discovered,
    interpreter: Interpreter,
    bootstrap: Arc<Kept>,
    classes: Arc<Classes>,
    /// Virtualenvs and installations whose packages can be imported.
    prefixes: HashSet<PathBuf>,
    threads: Threads,
    is_over: bool,
}

static PROCESS: Mutex<Start> = Mutex::new(Start::None);

/// What became of the interpreter of this process.
enum Start {
    None,
    Running(Box<Process>),
    /// It is not tried again: an interpreter can be begun once.
    Failed(StartError),
}

/// Why there is none; every application is told the same.
#[derive(Clone)]
enum StartError {
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

impl Application {
    /// Imports an application and starts its threads; the first one starts the interpreter of this process. Blocks.
    pub fn load(settings: Settings) -> Result<Self, LoadError> {
        let python = discover(settings.python.as_deref())?;
        let mut start = PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*start, Start::None) {
            let started = Process::start(python.clone());
            *start = started.map_or_else(Start::Failed, |process| Start::Running(Box::new(process)));
        }
        let process = match &mut *start {
            Start::Running(process) => process,
            Start::Failed(error) => return Err(error.clone().into()),
            Start::None => unreachable!("it was started a moment ago"),
        };
        if process.is_over {
            return Err(LoadError::Over);
        }
        process.admit(&settings, &python)?;
        process.load(settings)
    }
}

/// Ends all applications within `deadline`: takes no more requests, answers those that wait, then does what Python does
/// at its end (threads joined, `atexit` functions called, output flushed). False where the time was not enough.
///
/// The interpreter itself is left as it is, for the process to end with: threads of applications may still run.
pub fn shutdown(deadline: Duration) -> bool {
    let now = Instant::now();
    let until = now + deadline;
    let mut start = PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
    let Start::Running(process) = &mut *start else { return true };
    process.is_over = true;
    // A request that is stuck leaves time for what Python does at its end.
    let is_drained = process.threads.end(now + deadline / 4 * 3);
    let bootstrap = Arc::clone(&process.bootstrap);
    let left = until.saturating_duration_since(Instant::now());
    // So does a thread of an application's own, for `atexit`.
    let for_threads = isize::try_from((left / 2).as_millis()).unwrap_or(isize::MAX);
    let ended = process.interpreter.run(Some(left), move |py| {
        let leave = || bootstrap.get(py).method("leave")?.call([&py.int(for_threads)?]).map(drop);
        leave().map_err(|error: Exception<'_>| error.traceback())
    });
    if let Some(Err(traceback)) = &ended {
        tracing::error!("Python failed while it was leaving\n{traceback}");
    }
    is_drained && matches!(ended, Some(Ok(())))
}

impl Process {
    fn start(python: Discovered) -> Result<Self, StartError> {
        let interpreter = Interpreter::start(&python.executable, &python.library)
            .map_err(|source| StartError::Library(python.library.clone(), Arc::new(source)))?;
        if python.version >= [3, 14, 0] {
            tracing::warn!(version = python.version_text(), "this version of Python is not tested");
        }
        let prepared = interpreter.run(None, |py| prepare(py).map_err(|error| error.traceback()));
        let prepared = prepared.unwrap_or_else(|| Err("Python's main thread has ended".into()));
        let (bootstrap, classes) = prepared.map_err(StartError::Host)?;
        let prefixes = HashSet::from([python.prefix.clone()]);
        let bootstrap = Arc::new(bootstrap);
        Ok(Self {
            python,
            interpreter,
            bootstrap,
            classes: Arc::new(classes),
            prefixes,
            threads: Threads::default(),
            is_over: false,
        })
    }

    /// Lets an application with an interpreter of its own join the one that runs.
    fn admit(&mut self, settings: &Settings, python: &Discovered) -> Result<(), LoadError> {
        if self.prefixes.contains(&python.prefix) {
            return Ok(());
        }
        if python.version[..2] != self.python.version[..2] {
            return Err(LoadError::OtherVersion {
                application: settings.name.clone(),
                wanted: python.version_text(),
                wanted_from: python.executable.clone(),
                running: self.python.version_text(),
                running_from: self.python.executable.clone(),
            });
        }
        let folders: Vec<String> =
            python.packages.iter().map(|folder| folder.to_string_lossy().into_owned()).collect();
        self.call(settings, "add_packages", move |py| Ok(vec![strings(py, &folders)?]), |_, _| Ok(()))?;
        self.prefixes.insert(python.prefix.clone());
        Ok(())
    }

    fn load(&mut self, settings: Settings) -> Result<Application, LoadError> {
        let (name, app) = (settings.name.clone(), settings.app.clone());
        let folders: Vec<String> = settings
            .path
            .iter()
            .map(|path| {
                std::path::absolute(path).unwrap_or_else(|_| path.clone()).to_string_lossy().into_owned()
            })
            .collect();
        let (bootstrap, classes, facts) =
            (Arc::clone(&self.bootstrap), Arc::clone(&self.classes), settings.clone());
        let host = self.call(
            &settings,
            "load",
            move |py| Ok(vec![py.str(&name)?, py.str(&app)?, strings(py, &folders)?]),
            move |py, callable| {
                Ok(Host {
                    name: facts.name.as_str().into(),
                    template: template(py, bootstrap.get(py), &facts)?,
                    enter_thread: bootstrap.get(py).method("enter_thread")?.keep(),
                    finish_lines: bootstrap.get(py).method("finish_lines")?.keep(),
                    callable: callable.keep(),
                    classes,
                })
            },
        )?;
        self.start_threads(&settings, Arc::new(host))
    }

    fn start_threads(&mut self, settings: &Settings, host: Arc<Host>) -> Result<Application, LoadError> {
        let queue = Arc::new(Queue::<Job>::new(settings.queue));
        // First of all: where a thread does not start, those before it must find their queue closed at the end.
        self.threads.add(Arc::clone(&queue));
        let failed = |source| LoadError::Thread { application: settings.name.clone(), source };
        for _ in 0..settings.threads.max(1) {
            let (host, queue) = (Arc::clone(&host), Arc::clone(&queue));
            let alive = self.threads.alive();
            self.interpreter
                .spawn(&settings.name, move |thread| {
                    worker::run(&host, &queue, thread);
                    drop(alive);
                })
                .map_err(failed)?;
        }
        Ok(Application::new(Arc::clone(&host.name), queue, settings.input))
    }

    /// Calls a function of `bootstrap.py` on Python's main thread, for an application.
    fn call<R: Send + 'static>(
        &self,
        settings: &Settings,
        function: &'static str,
        arguments: impl for<'py> FnOnce(Python<'py>) -> PyResult<'py, Vec<Object<'py>>> + Send + 'static,
        then: impl for<'py> FnOnce(Python<'py>, Object<'py>) -> PyResult<'py, R> + Send + 'static,
    ) -> Result<R, LoadError> {
        let bootstrap = Arc::clone(&self.bootstrap);
        let name: Arc<str> = settings.name.as_str().into();
        let result = self.interpreter.run(None, move |py| {
            let _context = log::enter_import(&name);
            let run = || {
                let function = bootstrap.get(py).method(function)?;
                let result = function.call_all(&arguments(py)?)?;
                if log::take_unfinished() {
                    bootstrap.get(py).method("finish_lines")?.call([])?;
                }
                then(py, result)
            };
            run().map_err(|error: Exception<'_>| error.traceback())
        });
        result.ok_or(LoadError::Over)?.map_err(|traceback| LoadError::Import {
            application: settings.name.clone(),
            app: settings.app.clone(),
            traceback,
        })
    }
}

fn prepare(py: Python<'_>) -> PyResult<'_, (Kept, Classes)> {
    const SOURCE: &str = concat!(include_str!("bootstrap.py"), "\0");
    let source = std::ffi::CStr::from_bytes_with_nul(SOURCE.as_bytes()).expect("a source has no NUL");
    let bootstrap = py.module(c"_tower_wsgi", source)?;
    bootstrap.method("start")?.call([&log::sink(py)?])?;
    Ok((bootstrap.keep(), Classes::new(py)?))
}

fn template<'py>(py: Python<'py>, bootstrap: &Object<'py>, settings: &Settings) -> PyResult<'py, Template> {
    let errors = bootstrap.method("Lines")?.call([&log::sink(py)?, &py.str("wsgi.errors")?])?;
    let file_wrapper = py.import(c"wsgiref.util")?.method("FileWrapper")?;
    let facts = Facts {
        errors: &errors,
        file_wrapper: &file_wrapper,
        multithread: settings.threads > 1,
        multiprocess: settings.multiprocess,
        variables: &settings.variables,
    };
    Template::new(py, facts)
}

fn strings<'py>(py: Python<'py>, texts: &[String]) -> PyResult<'py, Object<'py>> {
    let list = py.list()?;
    for text in texts {
        list.append(&py.str(text)?)?;
    }
    Ok(list)
}
