//! `keep(object)`: gives an object a life without end.
//!
//! When an extension module fails while it is loaded into a sub-interpreter, CPython 3.13 hands out the exception of the
//! main interpreter, where it tried first. Whoever gives that object back to the wrong allocator ends the process.

use std::ffi::CStr;

use crate::python::{Arguments, Class, Instance, Object, PyResult, Python, Type};

struct Keeper;

impl Class for Keeper {
    const NAME: &'static CStr = c"tower_wsgi.Keeper";

    fn call<'py>(
        py: Python<'py>,
        _this: Instance<'_, 'py, Self>,
        arguments: Arguments<'_, 'py>,
    ) -> PyResult<'py, Object<'py>> {
        for object in arguments.positional() {
            // What is kept and never touched again is never given back.
            let _ = object.clone().keep();
        }
        Ok(py.none())
    }
}

/// The function `keep(object)`.
pub(super) fn keep(py: Python<'_>) -> PyResult<'_, Object<'_>> {
    Ok(Type::new(py)?.instance(py, Keeper)?.into_object())
}
