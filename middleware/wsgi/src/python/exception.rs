//! Exceptions: taken out of the thread's error indicator as soon as a function raises, put back where Rust returns to Python.

use std::ffi::{CString, c_ulong};
use std::ptr;

use super::library::{PyObject, table};
use super::object::{Object, Python};

/// How many frames of a traceback are told. Recursion may go a million frames deep, and to format them all takes half a
/// minute, of the GIL's time.
const INNERMOST: isize = 1_000;

/// What a call into Python gives.
pub(crate) type PyResult<'py, T> = Result<T, Exception<'py>>;

/// The exceptions that this crate raises or recognises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Assertion,
    Attribute,
    Base,
    Os,
    Runtime,
    Type,
    Value,
}

/// An exception that was raised and not yet handled.
pub(crate) struct Exception<'py> {
    kind: Object<'py>,
    value: Option<Object<'py>>,
    traceback: Option<Object<'py>>,
}

impl<'py> Exception<'py> {
    pub(crate) fn new(py: Python<'py>, kind: Kind, message: &str) -> Self {
        let message = CString::new(message.replace('\0', "\u{fffd}")).unwrap_or_default();
        // SAFETY: the GIL is held; the message ends with a NUL and is copied.
        unsafe { (table().PyErr_SetString)(kind.class(py), message.as_ptr()) };
        Self::raised(py)
    }

    /// The exception of a `sys.exc_info()`; `None` where the value is no exception, which Python must never be told to
    /// raise: it writes the traceback into it.
    pub(crate) fn from_parts(value: Object<'py>, traceback: Object<'py>) -> PyResult<'py, Option<Self>> {
        let kind = value.kind()?;
        // SAFETY: the GIL is held; both are classes.
        let is_exception = unsafe {
            (table().PyErr_GivenExceptionMatches)(kind.pointer(), Kind::Base.class(kind.py())) == 1
        };
        let traceback = (!traceback.is_none()).then_some(traceback);
        Ok(is_exception.then_some(Self { kind, value: Some(value), traceback }))
    }

    /// The exception that a function has just raised.
    pub(super) fn raised(py: Python<'py>) -> Self {
        Self::take(py).unwrap_or_else(|| Self::new(py, Kind::Runtime, "a call failed without an exception"))
    }

    /// The exception that is set, if one is; it is no longer set then.
    pub(super) fn take(py: Python<'py>) -> Option<Self> {
        let [mut kind, mut value, mut traceback] = [ptr::null_mut::<PyObject>(); 3];
        // SAFETY: the GIL is held; the function gives three references, each of which may be null.
        unsafe {
            if (table().PyErr_Occurred)().is_null() {
                return None;
            }
            (table().PyErr_Fetch)(&raw mut kind, &raw mut value, &raw mut traceback);
            (table().PyErr_NormalizeException)(&raw mut kind, &raw mut value, &raw mut traceback);
            let owned = |pointer: *mut PyObject| {
                if pointer.is_null() { None } else { Object::owned(py, pointer).ok() }
            };
            Some(Self { kind: owned(kind)?, value: owned(value), traceback: owned(traceback) })
        }
    }

    /// Raises it (again): the caller returns to Python.
    pub(super) fn raise(self) {
        let pointer = |object: Option<Object<'py>>| object.map_or(ptr::null_mut(), Object::into_pointer);
        // SAFETY: the GIL is held; the function takes over the three references.
        unsafe {
            (table().PyErr_Restore)(self.kind.into_pointer(), pointer(self.value), pointer(self.traceback));
        }
    }

    /// The same, with what a function leaves of its traceback.
    pub(crate) fn shortened(mut self, shorten: &Object<'py>) -> Self {
        if let Some(Ok(rest)) = self.traceback.as_ref().map(|traceback| shorten.call([traceback])) {
            self.traceback = (!rest.is_none()).then_some(rest);
        }
        self
    }

    pub(crate) fn is(&self, kind: Kind) -> bool {
        // SAFETY: the GIL is held; both are classes.
        unsafe { (table().PyErr_GivenExceptionMatches)(self.kind.pointer(), kind.class(self.kind.py())) == 1 }
    }

    /// The traceback as Python prints it; the bare message where even that fails.
    pub(crate) fn traceback(&self) -> String {
        self.formatted().unwrap_or_else(|_| self.message())
    }

    /// The exception's own text.
    pub(crate) fn message(&self) -> String {
        self.value.as_ref().unwrap_or(&self.kind).display()
    }

    fn formatted(&self) -> PyResult<'py, String> {
        let py = self.kind.py();
        let or_none = |object: &Option<Object<'py>>| object.clone().unwrap_or_else(|| py.none());
        let lines = py.import(c"traceback")?.method("format_exception")?.call([
            &self.kind,
            &or_none(&self.value),
            &or_none(&self.traceback),
            &py.int(-INNERMOST)?,
        ])?;
        let text = py.str("")?.method("join")?.call([&lines])?;
        // A message may hold lone surrogates, which have no UTF-8 form.
        let text = text.method("encode")?.call([&py.str("utf-8")?, &py.str("backslashreplace")?])?;
        Ok(String::from_utf8_lossy(text.content()?).trim_end().to_owned())
    }
}

/// Has a thread raise an exception of this class as soon as it runs a line of Python; or nothing, where it has not yet.
pub(crate) fn interrupt(_py: Python<'_>, thread: usize, class: Option<&Object<'_>>) {
    let class = class.map_or(ptr::null_mut(), Object::pointer);
    // SAFETY: the GIL is held; the function takes its own reference, and knows no thread that has ended.
    unsafe { (table().PyThreadState_SetAsyncExc)(thread as c_ulong, class) };
}

impl Kind {
    fn class(self, _py: Python<'_>) -> *mut PyObject {
        // SAFETY: the GIL is held.
        let table = unsafe { table() };
        let reference = match self {
            Self::Assertion => table.PyExc_AssertionError,
            Self::Attribute => table.PyExc_AttributeError,
            Self::Base => table.PyExc_BaseException,
            Self::Os => table.PyExc_OSError,
            Self::Runtime => table.PyExc_RuntimeError,
            Self::Type => table.PyExc_TypeError,
            Self::Value => table.PyExc_ValueError,
        };
        // SAFETY: the variable is a constant of the library: the address of a static type.
        unsafe { *reference }
    }
}
