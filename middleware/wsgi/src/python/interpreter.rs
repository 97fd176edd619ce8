//! The interpreters of this process: each was started on a thread of its own, which stays and is its main thread.
//!
//! The first one is Python's main interpreter, and lives as long as the process. The others are sub-interpreters with
//! modules and a GIL of their own (`subinterpreter`); they can end.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::fork;
use super::home::Home;
use super::library::{self, PyThreadState, table};
use super::object::{Object, Python};
use super::subinterpreter;

/// Stacks of threads that run Python: deep recursion must meet Python's limit before the stack's end.
const STACK: usize = 16 << 20;

enum Command {
    Run(Box<dyn for<'py> FnOnce(Python<'py>) + Send>),
    /// Ends a sub-interpreter that is at rest, and tells whether it was.
    End(Sender<bool>),
}

/// An interpreter; commands to it run on its main thread, one after the other.
#[derive(Clone)]
pub(crate) struct Interpreter {
    commands: Sender<Command>,
    home: Arc<Home>,
}

/// Python could not be started.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The library cannot be opened, or lacks a function.
    #[error("failed to open the library of Python")]
    Library(#[source] libloading::Error),
    /// The interpreter's path cannot be told to Python.
    #[error("the path of the interpreter has a NUL or cannot be decoded")]
    Path,
    /// The system gives no thread.
    #[error("failed to start a thread for Python")]
    Thread(#[source] std::io::Error),
    /// Python makes no sub-interpreter.
    #[error("failed to make a sub-interpreter: {0}")]
    SubInterpreter(String),
    /// The thread ended.
    #[error("Python ended while it was starting")]
    Ended,
}

impl Interpreter {
    /// Starts the interpreter `executable` whose library is `library`.
    pub(crate) fn start(executable: &Path, library: &Path) -> Result<Self, InitError> {
        library::open(library).map_err(InitError::Library)?;
        let program = CString::new(executable.as_os_str().as_bytes()).map_err(|_| InitError::Path)?;
        let interpreter = Self::on_its_thread("python-main", move || initialise(&program))?;
        fork::watch();
        Ok(interpreter)
    }

    /// Starts a sub-interpreter with a GIL of its own, which Python 3.13 and later can.
    pub(crate) fn start_another(&self, name: &str) -> Result<Self, InitError> {
        let main = Arc::clone(&self.home);
        let name = format!("python-{name}");
        Self::on_its_thread(&name, move || subinterpreter::start(&main).map_err(InitError::SubInterpreter))
    }

    fn on_its_thread(
        name: &str,
        start: impl FnOnce() -> Result<PythonThread, InitError> + Send + 'static,
    ) -> Result<Self, InitError> {
        let (commands, queue) = channel();
        let (started, wait) = channel();
        let main = move || match start() {
            Ok(thread) => {
                if started.send(Ok(Arc::clone(&thread.home))).is_ok() {
                    obey(thread, queue);
                }
            }
            Err(error) => drop(started.send(Err(error))),
        };
        spawn(name, main).map_err(InitError::Thread)?;
        let home = wait.recv().map_err(|_| InitError::Ended)??;
        Ok(Self { commands, home })
    }

    /// Runs something on the interpreter's main thread, under the GIL, and waits for its result; `None` where the time
    /// passes first (it goes on) or Python has ended.
    pub(crate) fn run<R: Send + 'static>(
        &self,
        within: Option<Duration>,
        run: impl for<'py> FnOnce(Python<'py>) -> R + Send + 'static,
    ) -> Option<R> {
        let (result, wait) = channel();
        self.commands.send(Command::Run(Box::new(move |py| drop(result.send(run(py)))))).ok()?;
        match within {
            Some(time) => wait.recv_timeout(time).ok(),
            None => wait.recv().ok(),
        }
    }

    /// Ends a sub-interpreter. One that is not at rest stays as it is, and is told by false: threads of the application
    /// still run in it, or a client still reads what belongs to it.
    pub(crate) fn end(&self, within: Duration) -> bool {
        let (ended, wait) = channel();
        self.commands.send(Command::End(ended)).is_ok() && wait.recv_timeout(within).unwrap_or(false)
    }

    /// Has something run on the interpreter's main thread, under the GIL, as soon as that is free; waits for nothing.
    pub(crate) fn post(&self, run: impl for<'py> FnOnce(Python<'py>) + Send + 'static) {
        // Where Python has ended, there is nothing to be done.
        drop(self.commands.send(Command::Run(Box::new(run))));
    }

    /// Starts a thread that can take the GIL.
    pub(crate) fn spawn(
        &self,
        name: &str,
        body: impl FnOnce(PythonThread) + Send + 'static,
    ) -> std::io::Result<std::thread::JoinHandle<()>> {
        let home = Arc::clone(&self.home);
        spawn(name, move || body(PythonThread::new(home)))
    }
}

/// A thread that is known to Python for life; it holds the GIL only within [`PythonThread::attach`].
pub(crate) struct PythonThread {
    state: *mut PyThreadState,
    home: Arc<Home>,
}

impl PythonThread {
    fn new(home: Arc<Home>) -> Self {
        // SAFETY: the interpreter does not end while one of its threads lives; this function does not ask for the GIL.
        let state = unsafe { (table().PyThreadState_New)(home.state()) };
        Self::of(state, home)
    }

    /// This thread, by its state, which is not attached.
    pub(super) fn of(state: *mut PyThreadState, home: Arc<Home>) -> Self {
        home.settle();
        Self { state, home }
    }

    /// What [`frame_of`] finds it by.
    pub(crate) fn key(&self) -> usize {
        self.state.addr()
    }

    /// Takes the GIL for the time of `run`.
    pub(crate) fn attach<R>(&mut self, run: impl for<'py> FnOnce(Python<'py>) -> R) -> R {
        // SAFETY: the state is this thread's own (it is neither Send nor Sync) and not attached: `attach` borrows it
        // exclusively.
        unsafe { (table().PyEval_RestoreThread)(self.state) };
        let _release = Release;
        // SAFETY: the GIL is held until `_release` is dropped.
        run(unsafe { Python::assume() })
    }
}

impl Drop for PythonThread {
    fn drop(&mut self) {
        // SAFETY: as in `attach`; the state is never used again. Clearing it drops the thread's locals, such as
        // connections of databases.
        unsafe {
            (table().PyEval_RestoreThread)(self.state);
            (table().PyThreadState_Clear)(self.state);
            (table().PyThreadState_DeleteCurrent)();
        }
    }
}

/// The innermost frame of a thread of this interpreter; `None` where it has ended, or runs no Python. (Python's own
/// `sys._current_frames` goes through the threads of all interpreters, whose GILs it does not hold.)
pub(crate) fn frame_of(py: Python<'_>, key: usize) -> Option<Object<'_>> {
    // SAFETY: the GIL is held: no thread of this interpreter runs, nor can its state be taken out of the list meanwhile.
    unsafe {
        let mut state = (table().PyInterpreterState_ThreadHead)((table().PyInterpreterState_Get)());
        while !state.is_null() && state.addr() != key {
            state = (table().PyThreadState_Next)(state);
        }
        if state.is_null() {
            return None;
        }
        let frame = (table().PyThreadState_GetFrame)(state);
        (!frame.is_null()).then(|| Object::owned(py, frame).ok()).flatten()
    }
}

/// Gives the GIL back when it is dropped, also by a panic.
struct Release;

impl Drop for Release {
    fn drop(&mut self) {
        // SAFETY: the GIL is held; the state that the function returns is known already.
        unsafe { (table().PyEval_SaveThread)() };
    }
}

impl Python<'_> {
    /// Gives the GIL back for the time of `wait`, which blocks. `Send` keeps objects of Python out of it.
    #[expect(clippy::unused_self, reason = "it is the proof that there is something to give back")]
    pub(crate) fn released<R>(self, wait: impl FnOnce() -> R + Send) -> R {
        struct Again(*mut PyThreadState);
        impl Drop for Again {
            fn drop(&mut self) {
                // SAFETY: the state was saved by this thread a moment ago.
                unsafe { (table().PyEval_RestoreThread)(self.0) };
            }
        }
        // SAFETY: the GIL is held; it is taken again when `_again` is dropped, before anybody can use `self`.
        let _again = Again(unsafe { (table().PyEval_SaveThread)() });
        wait()
    }
}

/// Starts Python on this thread and gives back the GIL.
fn initialise(program: &CString) -> Result<PythonThread, InitError> {
    // SAFETY: nobody else touches Python yet. The decoded name is never freed: Python refers to it for ever.
    unsafe {
        let name = (table().Py_DecodeLocale)(program.as_ptr(), std::ptr::null_mut());
        if name.is_null() {
            return Err(InitError::Path);
        }
        (table().Py_SetProgramName)(name);
        // 0: no signal handler of Python's.
        (table().Py_InitializeEx)(0);
        let home = Home::new((table().PyInterpreterState_Main)());
        Ok(PythonThread::of((table().PyEval_SaveThread)(), home))
    }
}

/// The rest of a main thread's life: it holds the GIL only while it runs a command.
fn obey(thread: PythonThread, commands: Receiver<Command>) {
    // The state of a main thread is never deleted: it ends with its interpreter.
    let mut thread = std::mem::ManuallyDrop::new(thread);
    for command in commands {
        match command {
            Command::Run(run) => {
                let run = std::panic::AssertUnwindSafe(|| thread.attach(run));
                if std::panic::catch_unwind(run).is_err() {
                    tracing::error!("a panic on Python's main thread");
                }
            }
            Command::End(ended) => {
                let is_over = subinterpreter::end(thread.state, &thread.home);
                // Who asked may have run out of patience.
                let _ = ended.send(is_over);
                if is_over {
                    return;
                }
            }
        }
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).stack_size(STACK).spawn(body)
}
