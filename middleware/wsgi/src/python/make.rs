//! New objects, of Rust's values.

use std::ffi::{CStr, CString};
use std::ptr;

use super::exception::{Exception, Kind, PyResult};
use super::library::{FILE_INPUT, table};
use super::object::{Object, Python};

impl<'py> Python<'py> {
    #[expect(clippy::unused_self, reason = "it is the proof that the GIL is held")]
    pub(crate) fn none(self) -> Object<'py> {
        // SAFETY: None is an object that lives for ever.
        unsafe { Object::borrowed(table()._Py_NoneStruct) }
    }

    pub(crate) fn bool(self, value: bool) -> PyResult<'py, Object<'py>> {
        // SAFETY: the GIL is held.
        unsafe { Object::owned(self, (table().PyBool_FromLong)(value.into())) }
    }

    pub(crate) fn int(self, value: isize) -> PyResult<'py, Object<'py>> {
        // SAFETY: the GIL is held.
        unsafe { Object::owned(self, (table().PyLong_FromSsize_t)(value)) }
    }

    /// A `str` of bytes that are characters of latin-1: PEP 3333's native strings.
    pub(crate) fn latin1(self, text: &[u8]) -> PyResult<'py, Object<'py>> {
        // SAFETY: the GIL is held; the bytes are read before the function returns.
        unsafe {
            let object = (table().PyUnicode_DecodeLatin1)(text.as_ptr().cast(), length(text), ptr::null());
            Object::owned(self, object)
        }
    }

    pub(crate) fn str(self, text: &str) -> PyResult<'py, Object<'py>> {
        // SAFETY: the GIL is held; the bytes are read before the function returns.
        unsafe {
            let bytes = text.as_bytes();
            let object = (table().PyUnicode_DecodeUTF8)(bytes.as_ptr().cast(), length(bytes), ptr::null());
            Object::owned(self, object)
        }
    }

    /// An interned `str`: a name that is looked up often.
    pub(crate) fn interned(self, text: &str) -> PyResult<'py, Object<'py>> {
        let text = self.c_string(text)?;
        // SAFETY: the GIL is held; the text ends with a NUL.
        unsafe { Object::owned(self, (table().PyUnicode_InternFromString)(text.as_ptr())) }
    }

    /// A `bytes` of `total` bytes, filled from pieces without a copy in between.
    pub(crate) fn joined<'a>(
        self,
        pieces: impl Iterator<Item = &'a [u8]>,
        total: usize,
    ) -> PyResult<'py, Object<'py>> {
        let size = total.cast_signed();
        // SAFETY: the GIL is held; a null source leaves the bytes uninitialised.
        let object = unsafe { Object::owned(self, (table().PyBytes_FromStringAndSize)(ptr::null(), size))? };
        let (mut at, mut left) = (object.bytes_start()?.cast_mut(), total);
        for piece in pieces {
            let piece = &piece[..piece.len().min(left)];
            // SAFETY: `left` bytes are writable at `at`, and nobody else has seen this object.
            unsafe {
                ptr::copy_nonoverlapping(piece.as_ptr(), at, piece.len());
                at = at.add(piece.len());
            }
            left -= piece.len();
        }
        // SAFETY: as above; nothing is left uninitialised, whatever the pieces were.
        unsafe { ptr::write_bytes(at, 0, left) };
        Ok(object)
    }

    pub(crate) fn dict(self) -> PyResult<'py, Object<'py>> {
        // SAFETY: the GIL is held.
        unsafe { Object::owned(self, (table().PyDict_New)()) }
    }

    pub(crate) fn list(self) -> PyResult<'py, Object<'py>> {
        // SAFETY: the GIL is held.
        unsafe { Object::owned(self, (table().PyList_New)(0)) }
    }

    pub(crate) fn import(self, name: &CStr) -> PyResult<'py, Object<'py>> {
        // SAFETY: the GIL is held; the name ends with a NUL.
        unsafe { Object::owned(self, (table().PyImport_ImportModule)(name.as_ptr())) }
    }

    /// Runs a source as a module of its own, which `sys.modules` then holds.
    pub(crate) fn module(self, name: &CStr, source: &CStr) -> PyResult<'py, Object<'py>> {
        // SAFETY: the GIL is held; all texts end with a NUL.
        unsafe {
            let code = (table().Py_CompileString)(source.as_ptr(), name.as_ptr(), FILE_INPUT);
            let code = Object::owned(self, code)?;
            Object::owned(self, (table().PyImport_ExecCodeModule)(name.as_ptr(), code.pointer()))
        }
    }

    pub(super) fn c_string(self, text: &str) -> PyResult<'py, CString> {
        CString::new(text).map_err(|_| Exception::new(self, Kind::Value, "embedded null character"))
    }
}

fn length(bytes: &[u8]) -> isize {
    // A slice is never longer than isize::MAX.
    bytes.len().cast_signed()
}
