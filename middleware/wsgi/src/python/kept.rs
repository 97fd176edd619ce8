//! Objects beyond a hold of the GIL: kept, or their content shared.

use std::ptr::NonNull;
use std::sync::Arc;

use bytes::Bytes;

use super::exception::PyResult;
use super::home::Home;
use super::library::PyObject;
#[cfg(debug_assertions)]
use super::library::table;
use super::object::{Object, Python};

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
        debug_assert!(std::ptr::eq(self.get(py).pointer(), self.pointer.as_ptr()));
        // SAFETY: the GIL is held, and the reference is this one's own.
        unsafe { Object::of(self.pointer) }
    }
}

impl<'py> Object<'py> {
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
}
