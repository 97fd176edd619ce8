//! `wsgi.input`: the request's body as an object of Python.

use std::cell::{RefCell, RefMut};
use std::ffi::CStr;

use bytes::Bytes;

use crate::input::{BoxError, Broken, Input};
use crate::python::{Arguments, Class, Exception, Instance, Kind, Method, Object, PyResult, Python};
use crate::worker::wait_for_client;

/// The state of one `wsgi.input`. Only who holds the GIL borrows it, or keeps a borrow while waiting without the GIL.
pub(crate) struct WsgiInput(RefCell<Option<Input>>);

type This<'a, 'py> = Instance<'a, 'py, WsgiInput>;

impl Class for WsgiInput {
    const NAME: &'static CStr = c"tower_wsgi.Input";

    fn methods() -> Vec<Method<Self>> {
        vec![
            Method::new(c"read", read),
            Method::new(c"readline", readline),
            Method::new(c"readlines", readlines),
            Method::new(c"close", close),
        ]
    }

    fn next<'py>(&self, py: Python<'py>) -> PyResult<'py, Option<Object<'py>>> {
        let line = self.line(py, usize::MAX)?;
        Ok(if line.content()?.is_empty() { None } else { Some(line) })
    }
}

impl WsgiInput {
    pub(crate) fn new(input: Input) -> Self {
        Self(RefCell::new(Some(input)))
    }

    /// Ends the request: what is unread goes back to the server, whoever keeps this object. Gives the cause where the
    /// body could not be read to its end.
    pub(crate) fn finish(&self) -> Option<BoxError> {
        // Another thread of the application may be reading; it then ends with its client.
        self.0.try_borrow_mut().ok()?.take()?.into_failure()
    }

    fn borrow<'py>(&self, py: Python<'py>) -> PyResult<'py, RefMut<'_, Input>> {
        let input = self
            .0
            .try_borrow_mut()
            .map_err(|_| Exception::new(py, Kind::Runtime, "wsgi.input is being read by another thread"))?;
        RefMut::filter_map(input, Option::as_mut)
            .map_err(|_| Exception::new(py, Kind::Value, "wsgi.input was used after its request ended"))
    }

    fn line<'py>(&self, py: Python<'py>, limit: usize) -> PyResult<'py, Object<'py>> {
        let mut input = self.borrow(py)?;
        // A line may begin in what is here and end in what is to come.
        let pieces = if input.is_ready(usize::MAX) {
            input.line(limit)
        } else {
            let input = &mut *input;
            wait_for_client(py, || input.line(limit))
        };
        bytes(py, pieces)
    }
}

fn read<'py>(
    py: Python<'py>,
    this: This<'_, 'py>,
    arguments: Arguments<'_, 'py>,
) -> PyResult<'py, Object<'py>> {
    let size = limit(py, &arguments)?;
    let mut input = this.value().borrow(py)?;
    let pieces = if input.is_ready(size) {
        input.read(size)
    } else {
        let input = &mut *input;
        wait_for_client(py, || input.read(size))
    };
    bytes(py, pieces)
}

fn readline<'py>(
    py: Python<'py>,
    this: This<'_, 'py>,
    arguments: Arguments<'_, 'py>,
) -> PyResult<'py, Object<'py>> {
    this.value().line(py, limit(py, &arguments)?)
}

fn readlines<'py>(
    py: Python<'py>,
    this: This<'_, 'py>,
    arguments: Arguments<'_, 'py>,
) -> PyResult<'py, Object<'py>> {
    // A hint of zero means no hint, as in `io`.
    let hint = Some(limit(py, &arguments)?).filter(|&hint| hint > 0).unwrap_or(usize::MAX);
    let lines = py.list()?;
    let mut size = 0;
    while size < hint {
        let line = this.value().line(py, usize::MAX)?;
        let length = line.content()?.len();
        if length == 0 {
            break;
        }
        size += length;
        lines.append(&line)?;
    }
    Ok(lines)
}

/// Files have it; the body itself is the server's to end.
#[expect(clippy::unnecessary_wraps, reason = "the form of a method")]
fn close<'py>(py: Python<'py>, _: This<'_, 'py>, _: Arguments<'_, 'py>) -> PyResult<'py, Object<'py>> {
    Ok(py.none())
}

/// A size that may be left out, None or negative: then there is no limit.
fn limit<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<'py, usize> {
    let size = arguments.optional(py)?.map_or(Ok(-1), Object::to_isize)?;
    Ok(usize::try_from(size).unwrap_or(usize::MAX))
}

fn bytes(py: Python<'_>, pieces: Result<Vec<Bytes>, Broken>) -> PyResult<'_, Object<'_>> {
    let pieces = pieces.map_err(|error| Exception::new(py, Kind::Os, &error.to_string()))?;
    let size = pieces.iter().map(Bytes::len).sum();
    py.joined(pieces.iter().map(Bytes::as_ref), size)
}
