//! `keep(object)`: gives an object a life without end.
//!
//! When an extension module fails while it is loaded into a sub-interpreter, CPython 3.13 hands out the exception of the
//! main interpreter, where it tried first. Whoever gives that object back to the wrong allocator ends the process.

use std::ffi::CStr;

use crate::python::{Arguments, Class, Function, Instance, Method, Object, PyResult, Python, Type};

struct Keeper;

impl Class for Keeper {
    const NAME: &'static CStr = c"tower_wsgi.Keeper";
}

/// The function `keep(object)`.
pub(super) fn keep(py: Python<'_>) -> PyResult<'_, Object<'_>> {
    let keeper = Type::new(py)?.instance(py, Keeper)?;
    Function::new(Method::new(c"keep", forget)).bind(keeper.as_instance())
}

fn forget<'py>(
    py: Python<'py>,
    _: Instance<'_, 'py, Keeper>,
    arguments: Arguments<'_, 'py>,
) -> PyResult<'py, Object<'py>> {
    for object in arguments.positional() {
        // What is kept and never touched again is never given back.
        let _ = object.clone().keep();
    }
    Ok(py.none())
}
