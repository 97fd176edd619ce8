//! Sub-interpreters with a GIL of their own: how they begin and how they end.

use std::ffi::CStr;
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::home::Home;
use super::interpreter::PythonThread;
use super::library::{OWN_GIL, PyInterpreterConfig, PyThreadState, table};
use super::object::Python;

/// Nothing is shared with the main interpreter, and a module that could not bear that is refused. No `fork` and no
/// `exec`: both would take the other interpreters along. Daemon threads keep it from ending (see [`end`]), no more.
const CONFIG: PyInterpreterConfig = PyInterpreterConfig {
    use_main_obmalloc: 0,
    allow_fork: 0,
    allow_exec: 0,
    allow_threads: 1,
    allow_daemon_threads: 1,
    check_multi_interp_extensions: 1,
    gil: OWN_GIL,
};

/// A thread of Python that has done its work still has to take its state away, and tells nobody when it has.
const GRACE: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(1);

/// Makes an interpreter, whose main thread is this one. The message of Python where it fails.
pub(super) fn start(main: &Home) -> Result<PythonThread, String> {
    // SAFETY: the library is open, as there is a main interpreter.
    let new = unsafe { table() }.Py_NewInterpreterFromConfig.ok_or("this version of Python cannot")?;
    let mut state: *mut PyThreadState = ptr::null_mut();
    // SAFETY: this thread has no state yet; the one of the main interpreter is only for the call, which asks for its
    // GIL, and is deleted under it. In between, this thread holds one GIL at a time.
    unsafe {
        let visitor = (table().PyThreadState_New)(main.state());
        (table().PyEval_RestoreThread)(visitor);
        let status = new(&raw mut state, &CONFIG);
        if !state.is_null() {
            // The new interpreter's GIL is held now, and the other one is not.
            (table().PyEval_SaveThread)();
            (table().PyEval_RestoreThread)(visitor);
        }
        (table().PyThreadState_Clear)(visitor);
        (table().PyThreadState_DeleteCurrent)();
        if state.is_null() {
            let told = (!status.err_msg.is_null()).then(|| CStr::from_ptr(status.err_msg).to_string_lossy());
            return Err(told.unwrap_or_default().into_owned());
        }
        Ok(PythonThread::of(state, Home::new((table().PyThreadState_GetInterpreter)(state))))
    }
}

/// Ends this thread's interpreter, unless it is the main one, or somebody uses it for longer than a moment.
pub(super) fn end(thread: *mut PyThreadState, home: &Arc<Home>) -> bool {
    let until = Instant::now() + GRACE;
    // SAFETY: the state is this thread's own and not attached. With the GIL held, no other thread of the interpreter
    // runs; where there is no other one either, Py_EndInterpreter may be called. It gives back the GIL.
    unsafe {
        if (table().PyInterpreterState_Main)() == home.state() {
            return false;
        }
        loop {
            (table().PyEval_RestoreThread)(thread);
            home.give_back(Python::assume());
            let first = (table().PyInterpreterState_ThreadHead)(home.state());
            let is_alone = first == thread && (table().PyThreadState_Next)(first).is_null();
            if is_alone && home.is_at_rest() {
                break;
            }
            (table().PyEval_SaveThread)();
            if Instant::now() > until {
                tracing::debug!(is_alone, "an interpreter is still in use and left as it is");
                return false;
            }
            std::thread::sleep(PAUSE);
        }
        home.leave();
        (table().Py_EndInterpreter)(thread);
    }
    true
}
