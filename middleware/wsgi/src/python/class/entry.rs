//! Where Python comes in: what it calls for methods and instances of our classes.
//!
//! No panic crosses into Python: it becomes a `RuntimeError`.

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};

use super::super::exception::{Exception, Kind, PyResult};
use super::super::fork::is_forked;
use super::super::library::{PyObject, table};
use super::super::object::{Object, Python};
use super::{Arguments, Class, Instance, value_of};

/// What Python calls for a method: `self` is an instance of T, checked by Python.
pub(super) unsafe extern "C" fn enter<T, F>(
    this: *mut PyObject,
    arguments: *const *mut PyObject,
    count: isize,
    names: *mut PyObject,
) -> *mut PyObject
where
    T: Class,
    F: for<'py> Fn(Python<'py>, Instance<'_, 'py, T>, Arguments<'_, 'py>) -> PyResult<'py, Object<'py>>
        + Copy,
{
    // SAFETY: Python calls with the GIL held, with live objects that it keeps for the call. F has no size (checked
    // where a Method is made), so that nothing is read.
    unsafe { run(this, arguments, count.cast_unsigned(), names, NonNull::<F>::dangling().read()) }
}

/// What Python calls for an instance of the class of T.
pub(super) unsafe extern "C" fn call<T: Class>(
    this: *mut PyObject,
    arguments: *const *mut PyObject,
    count: usize,
    names: *mut PyObject,
) -> *mut PyObject {
    // The highest bit tells that the place before the arguments may be used (PY_VECTORCALL_ARGUMENTS_OFFSET).
    let count = count & (usize::MAX >> 1);
    // SAFETY: Python calls with the GIL held, with live objects that it keeps for the call.
    unsafe { run(this, arguments, count, names, T::call) }
}

/// # Safety
/// The GIL is held, `this` is an instance of the class of T; there are `count` arguments and one more for each name, all of them
/// alive until the end.
unsafe fn run<T: Class>(
    this: *mut PyObject,
    arguments: *const *mut PyObject,
    count: usize,
    names: *mut PyObject,
    function: impl for<'py> Fn(
        Python<'py>,
        Instance<'_, 'py, T>,
        Arguments<'_, 'py>,
    ) -> PyResult<'py, Object<'py>>,
) -> *mut PyObject {
    // SAFETY: as the caller promises.
    unsafe {
        let py = Python::assume();
        guarded(py, ptr::null_mut(), || {
            let this = Object::borrowed(this);
            let keywords = if names.is_null() { None } else { Some(Object::borrowed(names)) };
            let extra = keywords.as_ref().map_or(Ok(0), Object::tuple_len)?;
            let all: &[Object<'_>] = if arguments.is_null() {
                &[]
            } else {
                std::slice::from_raw_parts(arguments.cast(), count + extra)
            };
            let arguments = Arguments { all, positional: count, names: keywords };
            function(py, Instance { object: &this, holds: PhantomData }, arguments).map(Object::into_pointer)
        })
    }
}

pub(super) unsafe extern "C" fn next<T: Class>(this: *mut PyObject) -> *mut PyObject {
    // SAFETY: Python calls with the GIL held, with an instance of the class.
    unsafe {
        let py = Python::assume();
        guarded(py, ptr::null_mut(), || {
            let this = Object::borrowed(this);
            let instance = Instance::<T> { object: &this, holds: PhantomData };
            // Null without an exception is the end.
            Ok(instance.next(py)?.map_or(ptr::null_mut(), Object::into_pointer))
        })
    }
}

pub(super) unsafe extern "C" fn deallocate<T: Class>(this: *mut PyObject) {
    // SAFETY: Python calls with the GIL held, once, for an instance that nobody refers to; what PyType_GenericAlloc
    // gave for a class without garbage collection goes back by PyObject_Free, and with it the instance's reference
    // to its class.
    unsafe {
        let class = (table().PyObject_Type)(this);
        let value = AssertUnwindSafe(value_of::<T>(this));
        // A forked child gives up the objects of all other threads, whose values are the parent's to drop: here they
        // would wake the parent's tasks, behind locks that nobody is left to open.
        if !is_forked() && catch_unwind(|| value.drop_in_place()).is_err() {
            tracing::error!(class = ?T::NAME, "a panic while an object was dropped");
        }
        (table().PyObject_Free)(this.cast());
        (table().Py_DecRef)(class);
        (table().Py_DecRef)(class);
    }
}

/// Runs what Python called: an error is raised, a panic becomes one.
fn guarded<'py, R>(py: Python<'py>, failed: R, run: impl FnOnce() -> PyResult<'py, R>) -> R {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(result)) => result,
        Ok(Err(error)) => {
            error.raise();
            failed
        }
        Err(_panic) => {
            Exception::new(py, Kind::Runtime, "the gateway failed inside this call (see its log)").raise();
            failed
        }
    }
}
