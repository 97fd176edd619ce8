//! The Rust side of `shim.c`: a callback that libxslt can call with C's variable arguments.

use std::ffi::{c_char, c_void};

use crate::callbacks::GenericErrorFunc;

/// Receives a report of libxslt: the context it was registered with, the format, and the text made of it.
pub type ErrorSink = unsafe extern "C" fn(context: *mut c_void, format: *const c_char, text: *const c_char);

unsafe extern "C" {
    fn libxslt_sys_set_sink(sink: ErrorSink);
    fn libxslt_sys_report(context: *mut c_void, format: *const c_char, ...);
}

/// The function to hand to libxslt wherever it asks for an `xmlGenericErrorFunc`.
pub const REPORT: GenericErrorFunc = libxslt_sys_report;

/// Sets where [`REPORT`] delivers.
///
/// # Safety
/// Call it once, before any thread can cause a report: the C side is a plain variable.
pub unsafe fn set_error_sink(sink: ErrorSink) {
    // SAFETY: the caller upholds that no other thread reads the variable meanwhile.
    unsafe { libxslt_sys_set_sink(sink) }
}
