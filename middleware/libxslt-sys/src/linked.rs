//! The libraries as the linker has found them.

use std::ffi::{c_char, c_int};

use crate::load::{LoadError, check_versions};
use crate::table::Table;

unsafe extern "C" {
    static xmlParserVersion: *const c_char;
    static xsltLibxsltVersion: c_int;
}

pub(crate) fn find() -> Result<Table, LoadError> {
    // SAFETY: both are constants of the libraries.
    let version = unsafe { check_versions(xmlParserVersion, xsltLibxsltVersion)? };
    Ok(Table::linked(version))
}
