//! The CPython part: everything that is `unsafe`, behind an interface that is safe.
//!
//! * [`library`]: the table of functions, found in libpython at run time
//! * [`object`]: [`Python`] (the proof that the GIL is held), [`Object`] (an owned reference)
//! * [`make`]: new objects, of Rust's values
//! * [`kept`]: [`Kept`], a reference beyond a hold of the GIL
//! * [`exception`]: what calls into Python give when they raise
//! * [`class`]: classes whose instances hold a value of Rust
//! * [`exit`](mod@exit): the end of this process
//! * [`file`]: descriptors of files that Python has opened
//! * [`interpreter`]: an interpreter, its main thread, and threads that hold its GIL in turn
//! * [`subinterpreter`]: how those beside the main one begin and end
//! * [`home`]: what waits for an interpreter's GIL
//! * [`fork`]: knows when this process is a child that an application forked
//! * [`signal`]: what becomes of signals whose handler was refused

mod class;
mod exception;
mod exit;
mod file;
mod fork;
mod home;
mod interpreter;
mod kept;
mod library;
mod make;
mod object;
mod signal;
mod subinterpreter;

pub(crate) use class::{Arguments, Class, Instance, Method, Owned, Type};
pub(crate) use exception::{Exception, Kind, PyResult, interrupt};
pub use exit::exit;
pub(crate) use file::duplicate;
pub(crate) use fork::{is_forked, leave_if_forked, write_to_stderr};
pub use interpreter::InitError;
pub(crate) use interpreter::{Interpreter, PythonThread, frame_of};
pub(crate) use kept::Kept;
pub(crate) use object::{Object, Python};
pub(crate) use signal::disarm;
