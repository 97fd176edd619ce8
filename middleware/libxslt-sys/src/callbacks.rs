//! The functions that libxml2 and libxslt call.

use std::ffi::{c_char, c_int, c_void};

use crate::layout::{Error, ParserContext, ParserInput, SecurityPrefs, TransformContext};

/// `xmlGenericErrorFunc`
pub type GenericErrorFunc = unsafe extern "C" fn(context: *mut c_void, format: *const c_char, ...);
/// `xmlStructuredErrorFunc`
pub type StructuredErrorFunc = unsafe extern "C" fn(context: *mut c_void, error: *const Error);
/// `xmlExternalEntityLoader`
pub type EntityLoader = unsafe extern "C" fn(
    url: *const c_char,
    id: *const c_char,
    parser: *mut ParserContext,
) -> *mut ParserInput;
/// `xsltSecurityCheck`: 1 allows, 0 refuses
pub type SecurityCheck = unsafe extern "C" fn(
    prefs: *mut SecurityPrefs,
    context: *mut TransformContext,
    value: *const c_char,
) -> c_int;
/// `xmlOutputWriteCallback`
pub type WriteFunc = unsafe extern "C" fn(context: *mut c_void, bytes: *const c_char, length: c_int) -> c_int;
/// `xmlOutputCloseCallback`
pub type CloseFunc = unsafe extern "C" fn(context: *mut c_void) -> c_int;
/// `xmlFreeFunc`
pub type FreeFunc = unsafe extern "C" fn(memory: *mut c_void);
/// `xmlMallocFunc`
pub type MallocFunc = unsafe extern "C" fn(size: usize) -> *mut c_void;
/// `xmlReallocFunc`
pub type ReallocFunc = unsafe extern "C" fn(memory: *mut c_void, size: usize) -> *mut c_void;
/// `xmlStrdupFunc`
pub type StrdupFunc = unsafe extern "C" fn(text: *const c_char) -> *mut c_char;
