//! Loading: Python is started with the first application; each one is imported into its interpreter and given threads.

mod disarmer;
mod error;
mod keeper;
mod residence;

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use handoff::Queue;

use self::error::StartError;
use self::residence::{Changes, Residence};
use crate::crew::{Allowance, Crew};
use crate::discover::{Discovered, discover};
use crate::log;
use crate::python::Interpreter;
use crate::request::{InputMode, Job};
use crate::service::Application;
use crate::threads::Threads;
use crate::worker::Host;

pub use self::error::LoadError;

/// The first version that has sub-interpreters with a GIL of their own which applications can rely on.
const SUB_INTERPRETERS: [u32; 3] = [3, 13, 0];

/// The first version that is not tested.
const UNTESTED: [u32; 3] = [3, 14, 0];

/// Which interpreter of this process an application lives in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Isolation {
    /// The main one, with all others that share it: one GIL, one set of modules, one `os.environ`.
    #[default]
    Shared,
    /// One of its own: its own GIL, modules, virtualenv and `os.environ`. Needs Python 3.13 or later.
    Interpreter,
}

/// What an import was like.
#[derive(Debug, Clone)]
pub struct Import {
    /// How long it took, with the start of its interpreter where that is its own.
    pub took: Duration,
    /// By how many bytes the memory of this process has grown meanwhile; `None` where the system does not tell.
    pub grown: Option<u64>,
    /// How many it has then.
    pub memory: Option<u64>,
    /// What it changed for everybody in the process, each with file and line.
    pub changes: Vec<String>,
    /// The extension modules that it can do without, and that cannot be loaded into a second interpreter.
    pub refused: Vec<String>,
}

/// What an application is and how it runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name, in the log and in errors.
    pub name: String,
    /// `module:attribute`, `module:factory()`, or a file: `path/to/site.py`, `path/to/site.py:attribute`.
    pub app: String,
    /// Factories in the form of `app` that wrap the application in WSGI middleware, the first one outermost.
    pub middleware: Vec<String>,
    /// Folders that are put on `sys.path`, the first one foremost.
    pub path: Vec<PathBuf>,
    /// A virtualenv's folder or an interpreter; default: the active virtualenv, else `python3` on PATH.
    pub python: Option<PathBuf>,
    /// How many requests it works on at once.
    pub threads: usize,
    /// How many more requests may wait.
    pub queue: usize,
    /// How many more threads take the place of those that do not come back from a request that was given up.
    pub spare_threads: usize,
    /// After what time without an answer a request is given up; `None` for never.
    pub timeout: Option<Duration>,
    /// Whether an exception is raised in a request that is given up.
    pub interrupt: bool,
    /// After how many requests the process is [worn out](crate::worn_out); `None` for never.
    pub max_requests: Option<u64>,
    /// How bodies of requests are brought to it.
    pub input: InputMode,
    /// Whether other processes run the same application: `wsgi.multiprocess`.
    pub multiprocess: bool,
    /// Whether the process is for this application alone: what it changes there for all (`os.environ`, the time zone) is not worth
    /// a line of the log above the level debug.
    pub is_alone: bool,
    /// Which interpreter it lives in.
    pub isolation: Isolation,
    /// Variables that join every environ; their values are native strings of latin-1 or UTF-8 bytes. With
    /// [`Isolation::Interpreter`], they join `os.environ`, too.
    pub variables: Vec<(String, String)>,
}

impl Settings {
    /// The settings of an application with the defaults: 4 threads, as many spare ones, 512 waiting requests, a timeout of
    /// one minute.
    pub fn new(name: impl Into<String>, app: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            app: app.into(),
            middleware: Vec::new(),
            path: Vec::new(),
            python: None,
            threads: 4,
            queue: 512,
            spare_threads: 4,
            timeout: Some(Duration::from_secs(60)),
            interrupt: false,
            max_requests: None,
            input: InputMode::default(),
            multiprocess: false,
            is_alone: false,
            isolation: Isolation::default(),
            variables: Vec::new(),
        }
    }
}

/// The interpreters of this process and what runs in them.
struct Process {
    python: Discovered,
    /// The application that Python was started for.
    first: String,
    main: Residence,
    /// Whether an application shares it: until then, it has no virtualenv that counts.
    is_shared: bool,
    others: Vec<Residence>,
    /// The variables of the process as they were before anybody changed them.
    environment: Vec<String>,
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

impl Application {
    /// Imports an application and starts its threads; the first one starts the Python of this process. Blocks.
    pub fn load(settings: Settings) -> Result<Self, LoadError> {
        Self::load_and_tell(settings).map(|(application, _)| application)
    }

    /// [`load`](Self::load), which also tells what the import was like.
    pub fn load_and_tell(settings: Settings) -> Result<(Self, Import), LoadError> {
        let python = discover(settings.python.as_deref())?;
        if settings.isolation == Isolation::Interpreter && python.version < SUB_INTERPRETERS {
            return Err(LoadError::NoSubInterpreters {
                application: settings.name,
                version: python.version_text(),
                executable: python.executable,
            });
        }
        let mut start = PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*start, Start::None) {
            let started = Process::start(python.clone(), &settings);
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
        if settings.is_alone {
            log::be_alone();
        }
        let (begun, before) = (Instant::now(), resident());
        let residence = match settings.isolation {
            Isolation::Shared => process.share(&settings, &python)?,
            Isolation::Interpreter => process.add(&settings, &python)?,
        };
        let (host, Changes { changes, refused }) = residence.import(&settings)?;
        let memory = resident();
        let grown = memory.zip(before).map(|(after, before)| after.saturating_sub(before));
        let import = Import { took: begun.elapsed(), grown, memory, changes, refused };
        let interpreter = residence.interpreter.clone();
        let application = process.start_threads(&settings, &interpreter, host)?;
        Ok((application, import))
    }
}

/// Ends all applications within `deadline`: takes no more requests, answers those that wait, then does what Python does
/// at its end (threads joined, `atexit` functions called, output flushed). False where the time was not enough.
///
/// The main interpreter itself is left as it is, for the process to end with: threads of applications may still run.
pub fn shutdown(deadline: Duration) -> bool {
    let now = Instant::now();
    let until = now + deadline;
    let mut start = PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
    let Start::Running(process) = &mut *start else { return true };
    process.is_over = true;
    // A request that is stuck leaves time for what Python does at its end.
    let is_drained = process.threads.end(now + deadline / 4 * 3);
    let residences = process.others.iter().chain([&process.main]);
    residences.fold(is_drained, |is_done, residence| residence.leave(until) && is_done)
}

impl Process {
    fn start(python: Discovered, settings: &Settings) -> Result<Self, StartError> {
        let environment = environment();
        let interpreter = Interpreter::start(&python.executable, &python.library)
            .map_err(|source| StartError::Library(python.library.clone(), Arc::new(source)))?;
        if python.version >= UNTESTED {
            tracing::warn!(version = python.version_text(), "this version of Python is not tested");
        }
        Ok(Self {
            main: Residence::new(interpreter, &python, None)?,
            python,
            first: settings.name.clone(),
            is_shared: false,
            others: Vec::new(),
            environment,
            threads: Threads::default(),
            is_over: false,
        })
    }

    /// Refuses another version of Python than the one that runs.
    fn admit(&self, settings: &Settings, python: &Discovered) -> Result<(), LoadError> {
        if python.version[..2] == self.python.version[..2] {
            return Ok(());
        }
        Err(LoadError::OtherVersion {
            application: settings.name.clone(),
            wanted: python.version_text(),
            wanted_from: python.executable.clone(),
            running: self.python.version_text(),
            running_from: self.python.executable.clone(),
            other: self.first.clone(),
        })
    }

    /// The main interpreter, with the packages of one more application.
    fn share(&mut self, settings: &Settings, python: &Discovered) -> Result<&Residence, LoadError> {
        if !self.is_shared {
            self.main.turn_to(python, settings)?;
            self.is_shared = true;
        }
        self.main.join(python, settings)?;
        Ok(&self.main)
    }

    /// A new interpreter for one application.
    fn add(&mut self, settings: &Settings, python: &Discovered) -> Result<&Residence, LoadError> {
        let interpreter = self
            .main
            .interpreter
            .start_another(&settings.name)
            .map_err(|source| StartError::Library(self.python.library.clone(), Arc::new(source)))?;
        self.main.become_main(settings)?;
        let own = settings
            .variables
            .iter()
            .flat_map(|(name, value)| [name, value].map(|text| native(text.as_bytes())));
        let environment = self.environment.iter().cloned().chain(own).collect();
        let mut residence = Residence::new(interpreter, &self.python, Some(environment))?;
        let turned = residence.turn_to(python, settings);
        // Also where it is of no use: it ends with the others.
        self.others.push(residence);
        turned?;
        Ok(self.others.last().expect("one was added"))
    }

    fn start_threads(
        &mut self,
        settings: &Settings,
        interpreter: &Interpreter,
        host: Host,
    ) -> Result<Application, LoadError> {
        let queue = Arc::new(Queue::<Job>::new(settings.queue));
        // First of all: where a thread does not start, those before it must find their queue closed at the end.
        self.threads.add(Arc::clone(&queue));
        let allowance = Allowance {
            threads: settings.threads.max(1),
            spare_threads: settings.spare_threads,
            timeout: settings.timeout,
            interrupt: settings.interrupt,
            max_requests: settings.max_requests,
        };
        let living = self.threads.living().clone();
        let crew: &Crew = Box::leak(Crew::new(host, queue, allowance, interpreter.clone(), living).into());
        for _ in 0..allowance.threads {
            let failed = |source| LoadError::Thread { application: settings.name.clone(), source };
            crew.start_thread().map_err(failed)?;
        }
        Ok(Application::new(crew, settings.input))
    }
}

/// The bytes of memory that this process has, as Linux tells.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// The names and values of the variables of this process.
fn environment() -> Vec<String> {
    std::env::vars_os().flat_map(|(name, value)| [name, value].map(|text| native(text.as_bytes()))).collect()
}

/// Any bytes, as characters of latin-1.
fn native(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}
