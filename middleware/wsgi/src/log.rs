//! Lines of the log that name application and request.

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use http_environ::{Environ, RequestId};

use crate::python::{
    Arguments, Class, Exception, Instance, Kind, Object, PyResult, Python, Type, is_forked, write_to_stderr,
};

/// Whether the process has one application.
static IS_ALONE: AtomicBool = AtomicBool::new(false);

/// What is done before an application ends the process.
static BEFORE_EXIT: OnceLock<fn()> = OnceLock::new();

thread_local! {
    static CONTEXT: RefCell<Option<Context>> = const { RefCell::new(None) };
    /// Whether what this thread printed last has no end of the line yet.
    static UNFINISHED: Cell<bool> = const { Cell::new(false) };
}

/// What this thread works on.
#[derive(Clone)]
struct Context {
    application: Arc<str>,
    request: Option<RequestId>,
}

impl Context {
    fn request_id(&self) -> Arc<str> {
        match &self.request {
            None => "-".into(),
            Some(RequestId::Given(id)) => Arc::clone(id),
            Some(serial) => serial.to_string().into(),
        }
    }
}

/// Names the application that this thread works for, until it is dropped.
pub(crate) struct Entered(());

/// Names the request that this thread works on, until it is dropped.
pub(crate) struct EnteredRequest(());

/// Has a function called before an application ends this process by `os._exit`, so that what was logged is not lost. Only the
/// first one counts.
pub fn before_exit(flush: fn()) {
    // Whoever comes second would do the same.
    let _ = BEFORE_EXIT.set(flush);
}

/// Nobody but its one application cares for what is changed in this process.
pub(crate) fn be_alone() {
    IS_ALONE.store(true, Ordering::Relaxed);
}

/// This thread works for an application.
pub(crate) fn enter(application: &Arc<str>) -> Entered {
    CONTEXT.set(Some(Context { application: Arc::clone(application), request: None }));
    Entered(())
}

/// This thread works on a request to its application.
pub(crate) fn enter_request(environ: &Environ) -> EnteredRequest {
    set_request(Some(environ.request_id.clone()));
    EnteredRequest(())
}

fn set_request(request: Option<RequestId>) {
    CONTEXT.with_borrow_mut(|known| {
        if let Some(context) = known {
            context.request = request;
        }
    });
}

impl Drop for Entered {
    fn drop(&mut self) {
        CONTEXT.set(None);
    }
}

impl Drop for EnteredRequest {
    fn drop(&mut self) {
        set_request(None);
    }
}

/// The names of the application and the request that this thread works on.
pub(crate) fn names() -> (Arc<str>, Arc<str>) {
    CONTEXT.with_borrow(|context| match context {
        Some(context) => (Arc::clone(&context.application), context.request_id()),
        None => ("-".into(), "-".into()),
    })
}

/// Whether this thread has begun a line since it was asked last: `finish_lines()` of `bootstrap.py` ends it.
pub(crate) fn take_unfinished() -> bool {
    UNFINISHED.take()
}

/// The sink of everything that Python prints: `log(stream, line)`.
struct Sink;

impl Class for Sink {
    const NAME: &'static CStr = c"tower_wsgi.Sink";

    fn call<'py>(
        py: Python<'py>,
        _this: Instance<'_, 'py, Self>,
        arguments: Arguments<'_, 'py>,
    ) -> PyResult<'py, Object<'py>> {
        write(py, &arguments)
    }
}

/// The function `log`.
pub(crate) fn sink(py: Python<'_>) -> PyResult<'_, Object<'_>> {
    Ok(Type::new(py)?.instance(py, Sink)?.into_object())
}

fn write<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<'py, Object<'py>> {
    let [stream, line] = arguments.positional() else {
        return Err(Exception::new(py, Kind::Type, "log(stream, line)"));
    };
    let stream = stream.text()?;
    if stream == "unfinished" {
        UNFINISHED.set(true);
        return Ok(py.none());
    }
    if is_forked() {
        write_to_stderr(&[line.content()?, b"\n"].concat());
        return Ok(py.none());
    }
    let line = String::from_utf8_lossy(line.content()?);
    let (application, request_id) = names();
    // Whoever reads the log may be slow: this application waits for it, and no other.
    py.released(|| match stream {
        "exit" => {
            tracing::error!(%application, %request_id, "{line}");
            if let Some(flush) = BEFORE_EXIT.get() {
                flush();
            }
        }
        "warning" => tracing::warn!(%application, %request_id, "{line}"),
        // PEP 3333 has it for errors: whoever hides what is merely told still sees them.
        "wsgi.errors" => tracing::warn!(%application, %request_id, stream, "{line}"),
        "change" if IS_ALONE.load(Ordering::Relaxed) => {
            tracing::debug!(%application, %request_id, stream, "{line}");
        }
        _ => tracing::info!(%application, %request_id, stream, "{line}"),
    });
    Ok(py.none())
}
