//! The one interpreter of this process: started on a thread of its own, which stays and is Python's main thread.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::fork;
use super::library::{self, PyInterpreterState, PyThreadState, table};
use super::object::Python;

/// Stacks of threads that run Python: deep recursion must meet Python's limit before the stack's end.
const STACK: usize = 16 << 20;

type Command = Box<dyn for<'py> FnOnce(Python<'py>) + Send>;

/// The interpreter; commands to it run on Python's main thread, one after the other.
pub(crate) struct Interpreter {
    commands: Sender<Command>,
    state: State,
}

#[derive(Clone, Copy)]
struct State(*mut PyInterpreterState);

// SAFETY: the interpreter lives as long as the process; the pointer is only handed to functions of CPython.
unsafe impl Send for State {}
// SAFETY: as above.
unsafe impl Sync for State {}

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
    /// The thread ended.
    #[error("Python ended while it was starting")]
    Ended,
}

impl Interpreter {
    /// Starts the interpreter `executable` whose library is `library`.
    pub(crate) fn start(executable: &Path, library: &Path) -> Result<Self, InitError> {
        library::open(library).map_err(InitError::Library)?;
        let program = CString::new(executable.as_os_str().as_bytes()).map_err(|_| InitError::Path)?;
        let (commands, queue) = channel();
        let (started, wait) = channel();
        let main = move || {
            let state = initialise(&program);
            let is_started = state.is_ok();
            if started.send(state).is_ok() && is_started {
                obey(queue);
            }
        };
        spawn("python-main", main).map_err(InitError::Thread)?;
        let state = wait.recv().map_err(|_| InitError::Ended)??;
        fork::watch();
        Ok(Self { commands, state })
    }

    /// Runs something on Python's main thread, under the GIL, and waits for its result; `None` where the time passes
    /// first (it goes on) or Python has ended.
    pub(crate) fn run<R: Send + 'static>(
        &self,
        within: Option<Duration>,
        run: impl for<'py> FnOnce(Python<'py>) -> R + Send + 'static,
    ) -> Option<R> {
        let (result, wait) = channel();
        let command: Command = Box::new(move |py| drop(result.send(run(py))));
        self.commands.send(command).ok()?;
        match within {
            Some(time) => wait.recv_timeout(time).ok(),
            None => wait.recv().ok(),
        }
    }

    /// Starts a thread that can take the GIL.
    pub(crate) fn spawn(
        &self,
        name: &str,
        body: impl FnOnce(PythonThread) + Send + 'static,
    ) -> std::io::Result<std::thread::JoinHandle<()>> {
        let state = self.state;
        spawn(name, move || {
            let state = state;
            body(PythonThread::new(state));
        })
    }
}

/// A thread that is known to Python for life; it holds the GIL only within [`PythonThread::attach`].
pub(crate) struct PythonThread(*mut PyThreadState);

impl PythonThread {
    fn new(interpreter: State) -> Self {
        // SAFETY: the interpreter lives for ever; this function does not ask for the GIL.
        Self(unsafe { (table().PyThreadState_New)(interpreter.0) })
    }

    /// Takes the GIL for the time of `run`.
    pub(crate) fn attach<R>(&mut self, run: impl for<'py> FnOnce(Python<'py>) -> R) -> R {
        // SAFETY: the state is this thread's own (it is neither Send nor Sync) and not attached: `attach` borrows it
        // exclusively.
        unsafe { (table().PyEval_RestoreThread)(self.0) };
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
            (table().PyEval_RestoreThread)(self.0);
            (table().PyThreadState_Clear)(self.0);
            (table().PyThreadState_DeleteCurrent)();
        }
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
fn initialise(program: &CString) -> Result<State, InitError> {
    // SAFETY: nobody else touches Python yet. The decoded name is never freed: Python refers to it for ever.
    unsafe {
        let name = (table().Py_DecodeLocale)(program.as_ptr(), std::ptr::null_mut());
        if name.is_null() {
            return Err(InitError::Path);
        }
        (table().Py_SetProgramName)(name);
        // 0: no signal handler of Python's.
        (table().Py_InitializeEx)(0);
        Ok(State((table().PyInterpreterState_Main)()))
    }
}

/// The rest of the main thread's life: it holds the GIL only while it runs a command.
fn obey(commands: Receiver<Command>) {
    // SAFETY: `initialise` has run on this thread and left it with the GIL.
    let state = unsafe { (table().PyEval_SaveThread)() };
    let mut thread = std::mem::ManuallyDrop::new(PythonThread(state));
    for command in commands {
        let run = std::panic::AssertUnwindSafe(|| thread.attach(command));
        if std::panic::catch_unwind(run).is_err() {
            tracing::error!("a panic on Python's main thread");
        }
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).stack_size(STACK).spawn(body)
}
