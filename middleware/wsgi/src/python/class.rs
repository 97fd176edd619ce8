//! Classes of Python whose instances hold a value of Rust, and can be called.

mod entry;

use std::ffi::{CStr, c_int, c_void};
use std::marker::PhantomData;
use std::mem::{align_of, offset_of, size_of};
use std::ops::Deref;
use std::ptr;
use std::sync::OnceLock;

use super::exception::{Exception, Kind, PyResult};
use super::kept::Kept;
use super::library::{
    FastFunction, METH_FASTCALL_KEYWORDS, PyMemberDef, PyMethodDef, PyObject, PyType_Slot, PyType_Spec,
    READONLY, T_PYSSIZET, TP_CALL, TP_DEALLOC, TP_ITER, TP_ITERNEXT, TP_MEMBERS, TP_METHODS, TPFLAGS,
    VECTORCALL_OFFSET, VectorcallFunction, table,
};
use super::object::{Object, Python};

/// A type of Rust whose values can be objects of Python.
pub(crate) trait Class: Send + Sized + 'static {
    /// `module.Name`
    const NAME: &'static CStr;

    fn methods() -> Vec<Method<Self>> {
        Vec::new()
    }

    /// `__call__`
    fn call<'py>(
        py: Python<'py>,
        _this: Instance<'_, 'py, Self>,
        _arguments: Arguments<'_, 'py>,
    ) -> PyResult<'py, Object<'py>> {
        Err(Exception::new(py, Kind::Type, "not callable"))
    }

    /// `__next__`
    fn next<'py>(&self, py: Python<'py>) -> PyResult<'py, Option<Object<'py>>> {
        Err(Exception::new(py, Kind::Type, "not an iterator"))
    }
}

/// The arguments of a call.
pub(crate) struct Arguments<'a, 'py> {
    all: &'a [Object<'py>],
    positional: usize,
    names: Option<Object<'py>>,
}

impl<'a, 'py> Arguments<'a, 'py> {
    pub(crate) fn positional(&self) -> &'a [Object<'py>] {
        &self.all[..self.positional]
    }

    /// How many there are, given by place or by name.
    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// The arguments given by name.
    pub(crate) fn named(&self) -> PyResult<'py, Vec<(String, &'a Object<'py>)>> {
        let Some(names) = &self.names else { return Ok(Vec::new()) };
        let values = self.all[self.positional..].iter().enumerate();
        values.map(|(at, value)| Ok((names.tuple_item(at)?.text()?.to_owned(), value))).collect()
    }

    /// The only argument, `None` where it was left out or is None.
    pub(crate) fn optional(&self, py: Python<'py>) -> PyResult<'py, Option<&'a Object<'py>>> {
        match (self.positional(), &self.names) {
            ([], None) => Ok(None),
            ([only], None) => Ok(Some(only).filter(|only| !only.is_none())),
            _ => Err(Exception::new(py, Kind::Type, "expected at most one positional argument")),
        }
    }
}

/// A function of Rust as Python calls it.
pub(crate) struct Method<T> {
    definition: PyMethodDef,
    class: PhantomData<fn(&T)>,
}

impl<T: Class> Method<T> {
    /// Wraps a function item; it must capture nothing.
    pub(crate) fn new<F>(name: &'static CStr, _function: F) -> Self
    where
        F: for<'py> Fn(Python<'py>, Instance<'_, 'py, T>, Arguments<'_, 'py>) -> PyResult<'py, Object<'py>>
            + Copy
            + 'static,
    {
        const { assert!(size_of::<F>() == 0, "a method is a plain function") };
        let entry: FastFunction = entry::enter::<T, F>;
        let definition = PyMethodDef {
            ml_name: name.as_ptr(),
            ml_meth: entry as *mut c_void,
            ml_flags: METH_FASTCALL_KEYWORDS,
            ml_doc: ptr::null(),
        };
        Self { definition, class: PhantomData }
    }
}

/// The class of Python for a type of Rust.
pub(crate) struct Type<T> {
    class: Kept,
    holds: PhantomData<fn(T)>,
}

impl<T: Class> Type<T> {
    pub(crate) fn new(py: Python<'_>) -> PyResult<'_, Self> {
        const { assert!(align_of::<T>() <= 16, "Python's allocator aligns to 16 bytes") };
        let mut methods: Vec<PyMethodDef> =
            T::methods().into_iter().map(|method| method.definition).collect();
        methods.push(PyMethodDef {
            ml_name: ptr::null(),
            ml_meth: ptr::null_mut(),
            ml_flags: 0,
            ml_doc: ptr::null(),
        });
        // The type refers to its methods for ever.
        let methods = Box::leak(methods.into_boxed_slice());
        // SAFETY: the GIL is held.
        let (vectorcall, iter) = unsafe { (table().PyVectorcall_Call, table().PyObject_SelfIter) };
        let header = header_size(py)?;
        let mut members = members(header);
        let slot = |slot: c_int, pfunc: *mut c_void| PyType_Slot { slot, pfunc };
        let mut slots = [
            slot(TP_CALL, vectorcall as *mut c_void),
            slot(TP_MEMBERS, members.as_mut_ptr().cast()),
            slot(TP_DEALLOC, entry::deallocate::<T> as *mut c_void),
            slot(TP_METHODS, methods.as_mut_ptr().cast()),
            slot(TP_ITER, iter as *mut c_void),
            slot(TP_ITERNEXT, entry::next::<T> as *mut c_void),
            slot(0, ptr::null_mut()),
        ];
        let size = header + size_of::<Held<T>>();
        let mut spec = PyType_Spec {
            name: T::NAME.as_ptr(),
            basicsize: c_int::try_from(size).expect("a class is smaller than 2 GiB"),
            itemsize: 0,
            flags: TPFLAGS,
            slots: slots.as_mut_ptr(),
        };
        // SAFETY: the GIL is held; the spec, its slots and the members, which the type copies, live for the call, the methods
        // for ever.
        let class = unsafe { Object::owned(py, (table().PyType_FromSpec)(&raw mut spec))? };
        Ok(Self { class: class.keep(), holds: PhantomData })
    }

    /// A new instance that holds `value`.
    pub(crate) fn instance<'py>(&self, py: Python<'py>, value: T) -> PyResult<'py, Owned<'py, T>> {
        // SAFETY: the GIL is held; the class is alive.
        let object =
            unsafe { Object::owned(py, (table().PyType_GenericAlloc)(self.class.get(py).pointer(), 0))? };
        // SAFETY: the class's size leaves room for this behind the header; nobody else has seen the object.
        unsafe { held::<T>(object.pointer()).write(Held { call: entry::call::<T>, value }) };
        Ok(Owned { object, holds: PhantomData })
    }
}

/// An instance of `T`'s class, owned.
pub(crate) struct Owned<'py, T> {
    object: Object<'py>,
    holds: PhantomData<T>,
}

impl<'py, T> Owned<'py, T> {
    pub(crate) fn as_instance(&self) -> Instance<'_, 'py, T> {
        Instance { object: &self.object, holds: PhantomData }
    }

    pub(crate) fn as_object(&self) -> &Object<'py> {
        &self.object
    }

    pub(crate) fn into_object(self) -> Object<'py> {
        self.object
    }
}

/// An instance of `T`'s class, borrowed.
pub(crate) struct Instance<'a, 'py, T> {
    object: &'a Object<'py>,
    holds: PhantomData<&'a T>,
}

impl<T> Clone for Instance<'_, '_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Instance<'_, '_, T> {}

impl<'a, 'py, T> Instance<'a, 'py, T> {
    pub(crate) fn object(self) -> &'a Object<'py> {
        self.object
    }

    /// The value inside.
    pub(crate) fn value(&self) -> &'a T {
        // SAFETY: only `Type::instance` and checked `self` arguments make an Instance, so a T is behind the header;
        // it is shared by whoever holds the GIL, one at a time, and never moved.
        unsafe { &*value_of::<T>(self.object.pointer()) }
    }
}

impl<T> Deref for Instance<'_, '_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value()
    }
}

static HEADER: OnceLock<usize> = OnceLock::new();

/// The size of `PyObject`, as Python tells it: `object.__basicsize__`, rounded up to keep values aligned.
fn header_size(py: Python<'_>) -> PyResult<'_, usize> {
    if let Some(size) = HEADER.get() {
        return Ok(*size);
    }
    // SAFETY: `object` is alive.
    let object = unsafe { Object::borrowed(table().PyBaseObject_Type) };
    let size = object.attribute(&py.str("__basicsize__")?)?.to_isize()?.cast_unsigned().next_multiple_of(16);
    Ok(*HEADER.get_or_init(|| size))
}

/// What stands behind the header of an instance.
#[repr(C)]
struct Held<T> {
    /// Python finds it here, so that no tuple is made of a call's arguments (PEP 590).
    call: VectorcallFunction,
    value: T,
}

/// Where Python finds [`Held::call`], and the end of the list.
fn members(header: usize) -> [PyMemberDef; 2] {
    let member = |name, kind, offset, flags| PyMemberDef { name, kind, offset, flags, doc: ptr::null() };
    let offset = (header + offset_of!(Held<()>, call)).cast_signed();
    [member(VECTORCALL_OFFSET.as_ptr(), T_PYSSIZET, offset, READONLY), member(ptr::null(), 0, 0, 0)]
}

/// # Safety
/// The object is an instance of the class of T.
unsafe fn held<T>(object: *mut PyObject) -> *mut Held<T> {
    let header = HEADER.get().expect("a class was made before its instances");
    // SAFETY: the class's size is that of the header and of what it holds.
    unsafe { object.cast::<u8>().add(*header).cast() }
}

/// # Safety
/// The object is an instance of the class of T.
unsafe fn value_of<T>(object: *mut PyObject) -> *mut T {
    // SAFETY: what is held is within the instance, and was written when that was made.
    unsafe { &raw mut (*held::<T>(object)).value }
}
