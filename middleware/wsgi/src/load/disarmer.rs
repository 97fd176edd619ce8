//! `disarm(signal)`: a signal whose handler was refused does no harm either.

use std::ffi::CStr;

use crate::python::{Arguments, Class, Instance, Object, PyResult, Python, Type, disarm};

struct Disarmer;

impl Class for Disarmer {
    const NAME: &'static CStr = c"tower_wsgi.Disarmer";

    fn call<'py>(
        py: Python<'py>,
        _this: Instance<'_, 'py, Self>,
        arguments: Arguments<'_, 'py>,
    ) -> PyResult<'py, Object<'py>> {
        for number in arguments.positional() {
            // What does not fit is no signal.
            if let Ok(number) = number.to_isize()?.try_into() {
                disarm(number);
            }
        }
        Ok(py.none())
    }
}

/// The function `disarm(signal)`.
pub(super) fn disarmer(py: Python<'_>) -> PyResult<'_, Object<'_>> {
    Ok(Type::new(py)?.instance(py, Disarmer)?.into_object())
}
