//! Objects of Python, owned, and what they can be asked: a pointer becomes an [`Object`] in one step, and its reference is
//! given back on drop.

use std::ffi::c_char;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use super::exception::{Exception, Kind, PyResult};
use super::home::Home;
use super::library::{PyObject, table};

/// The proof that this thread holds the GIL, for as long as `'py` lasts.
#[derive(Clone, Copy)]
pub(crate) struct Python<'py>(PhantomData<(&'py (), *mut ())>);

/// A reference to an object, given back on drop.
#[repr(transparent)]
pub(crate) struct Object<'py>(pub(super) NonNull<PyObject>, PhantomData<Python<'py>>);

impl Python<'_> {
    /// # Safety
    /// This thread holds the GIL, and does so for as long as `'py`.
    pub(super) unsafe fn assume() -> Self {
        Self(PhantomData)
    }

    /// Gives back the references that were dropped where nobody held the GIL.
    pub(crate) fn give_back(self) {
        Home::with_own(self, |home| home.give_back(self));
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

    /// The reference that somebody else has owned until now.
    ///
    /// # Safety
    /// The GIL is held; nobody else gives this reference back.
    pub(super) unsafe fn of(pointer: NonNull<PyObject>) -> Self {
        Self(pointer, PhantomData)
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

    pub(crate) fn is_none(&self) -> bool {
        // SAFETY: the GIL is held (an Object exists).
        self.pointer() == unsafe { table() }._Py_NoneStruct
    }

    /// Whether it is a `list` or a `tuple`, and no subclass of one.
    pub(crate) fn is_plain_sequence(&self) -> bool {
        // SAFETY: the GIL is held (an Object exists).
        let table = unsafe { table() };
        let kinds = [table.PyList_Type, table.PyTuple_Type];
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
        // SAFETY: the GIL is held (an Object exists).
        let list = unsafe { table() }.PyList_Type;
        if self.kind()?.pointer() == list {
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

    pub(super) fn kind(&self) -> PyResult<'py, Object<'py>> {
        // SAFETY: the GIL is held (an Object exists).
        unsafe { Object::owned(self.py(), (table().PyObject_Type)(self.pointer())) }
    }

    pub(super) fn bytes_start(&self) -> PyResult<'py, *const u8> {
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
