//! Objects of Python, owned: a pointer becomes an [`Object`] in one step and its reference is given back on drop.

use std::ffi::{CStr, CString, c_char};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use bytes::Bytes;

use super::exception::{Exception, Kind, PyResult};
use super::home::Home;
use super::library::{FILE_INPUT, PyObject, table};

/// The proof that this thread holds the GIL, for as long as `'py` lasts.
#[derive(Clone, Copy)]
pub(crate) struct Python<'py>(PhantomData<(&'py (), *mut ())>);

/// A reference to an object, given back on drop.
#[repr(transparent)]
pub(crate) struct Object<'py>(NonNull<PyObject>, PhantomData<Python<'py>>);

/// A reference that outlives the hold of the GIL under which it was made. Most are never given back: what is kept (an
/// application, its template, interned names) lives as long as its interpreter, because Python code cannot be unloaded.
pub(crate) struct Kept {
    pointer: NonNull<PyObject>,
    /// An object must never be touched under the GIL of another interpreter: every test would notice.
    #[cfg(debug_assertions)]
    interpreter: *mut super::library::PyInterpreterState,
}

// SAFETY: a kept object is only touched through `Kept::get`, which asks for the GIL.
unsafe impl Send for Kept {}
// SAFETY: as above.
unsafe impl Sync for Kept {}

/// From this size on, a reference is cheaper than a copy.
const SHARED: usize = 16 << 10;

/// The content of a `bytes` that is used without the GIL; it never changes.
struct Shared {
    object: Option<Kept>,
    home: Arc<Home>,
    start: *const u8,
    size: usize,
}

// SAFETY: the content is read-only, and alive as long as the object; the object itself is touched only under the GIL.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the reference in `object` keeps the `bytes` alive, whose content stands there.
        unsafe { std::slice::from_raw_parts(self.start, self.size) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Without the GIL, it can only be left to whoever takes the GIL next.
        self.object.take().into_iter().for_each(|object| self.home.return_later(object));
    }
}

impl Kept {
    /// The object, while the GIL is held.
    pub(crate) fn get<'a, 'py>(&'a self, _py: Python<'py>) -> &'a Object<'py> {
        // SAFETY: the GIL is held.
        #[cfg(debug_assertions)]
        assert_eq!(self.interpreter, unsafe { (table().PyInterpreterState_Get)() }, "another's object");
        // SAFETY: Object is transparent over the pointer, which owns a reference that is never given back.
        unsafe { &*(&raw const self.pointer).cast::<Object<'py>>() }
    }

    /// The object, owned: its reference is given back when it is dropped.
    pub(crate) fn into_object(self, py: Python<'_>) -> Object<'_> {
        let object = Object(self.pointer, PhantomData);
        debug_assert!(std::ptr::eq(self.get(py).pointer(), object.pointer()));
        object
    }
}

impl<'py> Python<'py> {
    /// # Safety
    /// This thread holds the GIL, and does so for as long as `'py`.
    pub(super) unsafe fn assume() -> Self {
        Self(PhantomData)
    }

    /// Gives back the references that were dropped where nobody held the GIL.
    pub(crate) fn give_back(self) {
        Home::with_own(self, |home| home.give_back(self));
    }

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

impl<'py> Object<'py> {
    /// The one step from a function's new reference to an owned object; null means that it raised.
    ///
    /// # Safety
    /// The GIL is held; the pointer is null with an exception set, or a new reference.
    pub(super) unsafe fn owned(py: Python<'py>, pointer: *mut PyObject) -> PyResult<'py, Self> {
        NonNull::new(pointer).map(|pointer| Self(pointer, PhantomData)).ok_or_else(|| Exception::raised(py))
    }

    /// The one step from a borrowed reference to an owned object.
    ///
    /// # Safety
    /// The GIL is held; the pointer is an object that is alive.
    pub(super) unsafe fn borrowed(pointer: *mut PyObject) -> Self {
        // SAFETY: the caller promises a live object, so the pointer is not null.
        unsafe {
            (table().Py_IncRef)(pointer);
            Self(NonNull::new_unchecked(pointer), PhantomData)
        }
    }

    pub(super) fn pointer(&self) -> *mut PyObject {
        self.0.as_ptr()
    }

    /// Hands the reference to whoever is given the pointer.
    pub(super) fn into_pointer(self) -> *mut PyObject {
        let pointer = self.pointer();
        std::mem::forget(self);
        pointer
    }

    /// An object exists only while the GIL is held.
    #[expect(clippy::unused_self, reason = "the object is the proof")]
    pub(crate) fn py(&self) -> Python<'py> {
        Python(PhantomData)
    }

    /// Keeps the object for the rest of its interpreter's life.
    pub(crate) fn keep(self) -> Kept {
        let pointer = self.0;
        std::mem::forget(self);
        Kept {
            pointer,
            // SAFETY: the GIL is held.
            #[cfg(debug_assertions)]
            interpreter: unsafe { (table().PyInterpreterState_Get)() },
        }
    }

    pub(crate) fn is_none(&self) -> bool {
        self.pointer() == table()._Py_NoneStruct
    }

    /// Whether it is a `list` or a `tuple`, and no subclass of one.
    pub(crate) fn is_plain_sequence(&self) -> bool {
        let kinds = [table().PyList_Type, table().PyTuple_Type];
        self.kind().is_ok_and(|kind| kinds.contains(&kind.pointer()))
    }

    /// Whether it is of this class, and no subclass of it.
    pub(crate) fn is_exactly(&self, class: &Object<'py>) -> bool {
        self.kind().is_ok_and(|kind| kind.pointer() == class.pointer())
    }

    pub(crate) fn attribute(&self, name: &Object<'py>) -> PyResult<'py, Object<'py>> {
        // SAFETY: the GIL is held, both objects are alive.
        unsafe { Object::owned(self.py(), (table().PyObject_GetAttr)(self.pointer(), name.pointer())) }
    }

    /// An attribute, or `None` where the object does not have it.
    pub(crate) fn attribute_if_any(&self, name: &Object<'py>) -> PyResult<'py, Option<Object<'py>>> {
        match self.attribute(name) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is(Kind::Attribute) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn method(&self, name: &str) -> PyResult<'py, Object<'py>> {
        self.attribute(&self.py().interned(name)?)
    }

    /// Calls it with positional arguments.
    pub(crate) fn call<const N: usize>(&self, arguments: [&Object<'py>; N]) -> PyResult<'py, Object<'py>> {
        self.call_pointers(&arguments.map(Object::pointer))
    }

    /// The pointers come from objects that the caller has.
    fn call_pointers(&self, arguments: &[*mut PyObject]) -> PyResult<'py, Object<'py>> {
        // SAFETY: the GIL is held; callable and arguments are alive for the call.
        unsafe {
            let result = (table().PyObject_VectorcallDict)(
                self.pointer(),
                arguments.as_ptr(),
                arguments.len(),
                ptr::null_mut(),
            );
            Object::owned(self.py(), result)
        }
    }

    pub(crate) fn set(&self, key: &Object<'py>, value: &Object<'py>) -> PyResult<'py, ()> {
        // SAFETY: the GIL is held; the function checks that it is a dict and takes its own references.
        let status = unsafe { (table().PyDict_SetItem)(self.pointer(), key.pointer(), value.pointer()) };
        self.done(status)
    }

    pub(crate) fn copied(&self) -> PyResult<'py, Object<'py>> {
        // SAFETY: the GIL is held; the function checks that it is a dict.
        unsafe { Object::owned(self.py(), (table().PyDict_Copy)(self.pointer())) }
    }

    pub(crate) fn append(&self, item: &Object<'py>) -> PyResult<'py, ()> {
        // SAFETY: the GIL is held; the function checks that it is a list and takes its own reference.
        let status = unsafe { (table().PyList_Append)(self.pointer(), item.pointer()) };
        self.done(status)
    }

    /// The number of items of a list.
    pub(crate) fn list_len(&self) -> PyResult<'py, usize> {
        // SAFETY: the GIL is held; the function checks that it is a list.
        let size = unsafe { (table().PyList_Size)(self.pointer()) };
        self.size(size)
    }

    /// An item of a list.
    pub(crate) fn list_item(&self, at: usize) -> PyResult<'py, Object<'py>> {
        // SAFETY: the GIL is held; the function checks type and index.
        self.item(unsafe { (table().PyList_GetItem)(self.pointer(), at.cast_signed()) })
    }

    /// The number of items of a tuple.
    pub(crate) fn tuple_len(&self) -> PyResult<'py, usize> {
        // SAFETY: the GIL is held; the function checks that it is a tuple.
        let size = unsafe { (table().PyTuple_Size)(self.pointer()) };
        self.size(size)
    }

    /// An item of a tuple.
    pub(crate) fn tuple_item(&self, at: usize) -> PyResult<'py, Object<'py>> {
        // SAFETY: the GIL is held; the function checks type and index.
        self.item(unsafe { (table().PyTuple_GetItem)(self.pointer(), at.cast_signed()) })
    }

    /// The only item of a list or tuple; `None` where it has none or several.
    pub(crate) fn only_item(&self) -> PyResult<'py, Option<Object<'py>>> {
        let kind = self.kind()?;
        if kind.pointer() == table().PyList_Type {
            return if self.list_len()? == 1 { self.list_item(0).map(Some) } else { Ok(None) };
        }
        if self.tuple_len()? == 1 { self.tuple_item(0).map(Some) } else { Ok(None) }
    }

    pub(crate) fn iterator(&self) -> PyResult<'py, Object<'py>> {
        // SAFETY: the GIL is held.
        unsafe { Object::owned(self.py(), (table().PyObject_GetIter)(self.pointer())) }
    }

    /// The next item of an iterator.
    pub(crate) fn next(&self) -> PyResult<'py, Option<Object<'py>>> {
        // SAFETY: the GIL is held; `iterator` made this object, so that it has `__next__`.
        let item = unsafe { (table().PyIter_Next)(self.pointer()) };
        match NonNull::new(item) {
            Some(item) => Ok(Some(Object(item, PhantomData))),
            None => Exception::take(self.py()).map_or(Ok(None), Err),
        }
    }

    pub(crate) fn to_isize(&self) -> PyResult<'py, isize> {
        // SAFETY: the GIL is held; the function checks that it is an int.
        let value = unsafe { (table().PyLong_AsSsize_t)(self.pointer()) };
        if value == -1
            && let Some(error) = Exception::take(self.py())
        {
            return Err(error);
        }
        Ok(value)
    }

    /// The text of a `str`.
    pub(crate) fn text(&self) -> PyResult<'py, &str> {
        let mut size = 0;
        // SAFETY: the GIL is held; the function checks that it is a str, whose UTF-8 form lives as long as itself.
        unsafe {
            let start = (table().PyUnicode_AsUTF8AndSize)(self.pointer(), &raw mut size);
            if start.is_null() {
                return Err(Exception::raised(self.py()));
            }
            let text = std::slice::from_raw_parts(start.cast(), size.cast_unsigned());
            Ok(std::str::from_utf8_unchecked(text))
        }
    }

    /// What `str()` makes of it; a text about the failure where it fails.
    pub(crate) fn display(&self) -> String {
        // SAFETY: the GIL is held.
        let text = unsafe { Object::owned(self.py(), (table().PyObject_Str)(self.pointer())) };
        text.and_then(|text| text.text().map(str::to_owned)).unwrap_or_else(|_| "<unprintable>".to_owned())
    }

    /// The content of a `bytes`, which never changes.
    pub(crate) fn content(&self) -> PyResult<'py, &[u8]> {
        let mut start: *mut c_char = ptr::null_mut();
        let mut size = 0;
        // SAFETY: the GIL is held; the function checks that it is a bytes, whose content lives as long as itself.
        unsafe {
            let status = (table().PyBytes_AsStringAndSize)(self.pointer(), &raw mut start, &raw mut size);
            self.done(status)?;
            Ok(std::slice::from_raw_parts(start.cast(), size.cast_unsigned()))
        }
    }

    /// The content of a `bytes`, beyond this hold of the GIL: a copy where it is small, else the object itself is kept.
    pub(crate) fn shared_content(&self) -> PyResult<'py, Bytes> {
        let content = self.content()?;
        if content.len() < SHARED {
            return Ok(Bytes::copy_from_slice(content));
        }
        let (start, size) = (content.as_ptr(), content.len());
        let home = Home::with_own(self.py(), Home::lend);
        Ok(Bytes::from_owner(Shared { object: Some(self.clone().keep()), home, start, size }))
    }

    pub(super) fn kind(&self) -> PyResult<'py, Object<'py>> {
        // SAFETY: the GIL is held (an Object exists).
        unsafe { Object::owned(self.py(), (table().PyObject_Type)(self.pointer())) }
    }

    fn bytes_start(&self) -> PyResult<'py, *const u8> {
        let mut start: *mut c_char = ptr::null_mut();
        let mut size = 0;
        // SAFETY: the GIL is held; both places are writable.
        let status =
            unsafe { (table().PyBytes_AsStringAndSize)(self.pointer(), &raw mut start, &raw mut size) };
        self.done(status).map(|()| start.cast::<u8>().cast_const())
    }

    fn done(&self, status: i32) -> PyResult<'py, ()> {
        if status < 0 { Err(Exception::raised(self.py())) } else { Ok(()) }
    }

    fn size(&self, size: isize) -> PyResult<'py, usize> {
        usize::try_from(size).map_err(|_| Exception::raised(self.py()))
    }

    fn item(&self, pointer: *mut PyObject) -> PyResult<'py, Object<'py>> {
        if pointer.is_null() {
            return Err(Exception::raised(self.py()));
        }
        // SAFETY: the container holds the item, so that it is alive.
        Ok(unsafe { Object::borrowed(pointer) })
    }
}

impl Clone for Object<'_> {
    fn clone(&self) -> Self {
        // SAFETY: the GIL is held and this object is alive.
        unsafe { Self::borrowed(self.pointer()) }
    }
}

impl Drop for Object<'_> {
    fn drop(&mut self) {
        // SAFETY: the GIL is held (`'py`), and this reference is ours to give back.
        unsafe { (table().Py_DecRef)(self.pointer()) }
    }
}

fn length(bytes: &[u8]) -> isize {
    // A slice is never longer than isize::MAX.
    bytes.len().cast_signed()
}
