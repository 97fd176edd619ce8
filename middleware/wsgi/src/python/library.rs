//! The functions of CPython, found at run time in the library of the interpreter that was chosen.
//!
//! Only functions, the addresses of a few objects, and structs that are the same in every version stand here.

#![expect(non_snake_case, reason = "the fields are named as CPython names its functions")]

use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_ulong, c_void};
use std::path::Path;
use std::sync::OnceLock;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

/// An object of Python; what is inside is nobody's business.
#[repr(C)]
pub(super) struct PyObject {
    _opaque: [u8; 0],
}

/// `PyThreadState`
#[repr(C)]
pub(super) struct PyThreadState {
    _opaque: [u8; 0],
}

/// `PyInterpreterState`
#[repr(C)]
pub(super) struct PyInterpreterState {
    _opaque: [u8; 0],
}

/// `PyMethodDef`
#[repr(C)]
#[expect(clippy::struct_field_names, reason = "the fields are named as CPython names them")]
pub(super) struct PyMethodDef {
    pub(super) ml_name: *const c_char,
    pub(super) ml_meth: *mut c_void,
    pub(super) ml_flags: c_int,
    pub(super) ml_doc: *const c_char,
}

/// `PyType_Slot`
#[repr(C)]
pub(super) struct PyType_Slot {
    pub(super) slot: c_int,
    pub(super) pfunc: *mut c_void,
}

/// `PyType_Spec`
#[repr(C)]
pub(super) struct PyType_Spec {
    pub(super) name: *const c_char,
    pub(super) basicsize: c_int,
    pub(super) itemsize: c_int,
    pub(super) flags: c_uint,
    pub(super) slots: *mut PyType_Slot,
}

/// `PyMemberDef`
#[repr(C)]
pub(super) struct PyMemberDef {
    pub(super) name: *const c_char,
    pub(super) kind: c_int,
    pub(super) offset: isize,
    pub(super) flags: c_int,
    pub(super) doc: *const c_char,
}

/// `PyInterpreterConfig`, as it is since 3.12
#[repr(C)]
pub(super) struct PyInterpreterConfig {
    pub(super) use_main_obmalloc: c_int,
    pub(super) allow_fork: c_int,
    pub(super) allow_exec: c_int,
    pub(super) allow_threads: c_int,
    pub(super) allow_daemon_threads: c_int,
    pub(super) check_multi_interp_extensions: c_int,
    pub(super) gil: c_int,
}

/// `PyStatus`, as it is since 3.8
#[repr(C)]
pub(super) struct PyStatus {
    pub(super) _type: c_int,
    pub(super) func: *const c_char,
    pub(super) err_msg: *const c_char,
    pub(super) exitcode: c_int,
}

/// `_PyCFunctionFastWithKeywords`: self, arguments, their number, the names of the last ones
pub(super) type FastFunction =
    unsafe extern "C" fn(*mut PyObject, *const *mut PyObject, isize, *mut PyObject) -> *mut PyObject;

/// `vectorcallfunc`: the callable, arguments, their number and a flag, the names of the last ones
pub(super) type VectorcallFunction =
    unsafe extern "C" fn(*mut PyObject, *const *mut PyObject, usize, *mut PyObject) -> *mut PyObject;

/// The member that tells where instances have their `vectorcallfunc`.
pub(super) const VECTORCALL_OFFSET: &CStr = c"__vectorcalloffset__";
pub(super) const T_PYSSIZET: c_int = 19;
pub(super) const READONLY: c_int = 1;
pub(super) const METH_FASTCALL_KEYWORDS: c_int = 0x80 | 0x02;
pub(super) const TPFLAGS: c_uint =
    TPFLAGS_DEFAULT | TPFLAGS_DISALLOW_INSTANTIATION | TPFLAGS_IMMUTABLE | TPFLAGS_HAVE_VECTORCALL;
const TPFLAGS_DEFAULT: c_uint = 1 << 18;
const TPFLAGS_DISALLOW_INSTANTIATION: c_uint = 1 << 7;
const TPFLAGS_IMMUTABLE: c_uint = 1 << 8;
const TPFLAGS_HAVE_VECTORCALL: c_uint = 1 << 11;
pub(super) const TP_CALL: c_int = 50;
pub(super) const TP_DEALLOC: c_int = 52;
pub(super) const TP_ITER: c_int = 62;
pub(super) const TP_ITERNEXT: c_int = 63;
pub(super) const TP_METHODS: c_int = 64;
pub(super) const TP_MEMBERS: c_int = 72;
pub(super) const FILE_INPUT: c_int = 257;
pub(super) const OWN_GIL: c_int = 2;

type Object = *mut PyObject;

macro_rules! table {
    (
        functions { $($name:ident($($argument:ty),*) $(-> $result:ty)?;)* }
        objects { $($object:ident,)* }
        references { $($reference:ident,)* }
        not_everywhere { $($newer:ident($($parameter:ty),*) -> $value:ty;)* }
    ) => {
        /// The table. A function's name is its symbol; the signatures are those of CPython's headers.
        pub(super) struct Table {
            $(pub(super) $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
            $(pub(super) $object: Object,)*
            $(pub(super) $reference: *const Object,)*
            $(pub(super) $newer: Option<unsafe extern "C" fn($($parameter),*) -> $value>,)*
        }

        impl Table {
            /// # Safety
            /// The library is a libpython of CPython 3.10 or later.
            unsafe fn of(library: &Library) -> Result<Self, libloading::Error> {
                // SAFETY: the caller promises a libpython, whose headers give these symbols these types.
                unsafe {
                    Ok(Self {
                        $($name: *library.get(concat!(stringify!($name), "\0").as_bytes())?,)*
                        $($object: *library.get(concat!(stringify!($object), "\0").as_bytes())?,)*
                        $($reference: *library.get(concat!(stringify!($reference), "\0").as_bytes())?,)*
                        $($newer: library.get(concat!(stringify!($newer), "\0").as_bytes()).ok().map(|found| *found),)*
                    })
                }
            }
        }
    };
}

table! {
    functions {
        PyBool_FromLong(c_long) -> Object;
        PyBytes_AsStringAndSize(Object, *mut *mut c_char, *mut isize) -> c_int;
        PyBytes_FromStringAndSize(*const c_char, isize) -> Object;
        PyDict_Copy(Object) -> Object;
        PyDict_New() -> Object;
        PyDict_SetItem(Object, Object, Object) -> c_int;
        PyErr_Fetch(*mut Object, *mut Object, *mut Object);
        PyErr_GivenExceptionMatches(Object, Object) -> c_int;
        PyErr_NormalizeException(*mut Object, *mut Object, *mut Object);
        PyErr_Occurred() -> Object;
        PyErr_Restore(Object, Object, Object);
        PyErr_SetString(Object, *const c_char);
        PyEval_RestoreThread(*mut PyThreadState);
        PyEval_SaveThread() -> *mut PyThreadState;
        PyImport_ExecCodeModule(*const c_char, Object) -> Object;
        PyImport_ImportModule(*const c_char) -> Object;
        PyInterpreterState_Get() -> *mut PyInterpreterState;
        PyInterpreterState_Main() -> *mut PyInterpreterState;
        PyInterpreterState_ThreadHead(*mut PyInterpreterState) -> *mut PyThreadState;
        PyIter_Next(Object) -> Object;
        PyList_Append(Object, Object) -> c_int;
        PyList_GetItem(Object, isize) -> Object;
        PyList_New(isize) -> Object;
        PyList_Size(Object) -> isize;
        PyLong_AsSsize_t(Object) -> isize;
        PyLong_FromSsize_t(isize) -> Object;
        PyObject_Free(*mut c_void);
        PyObject_GetAttr(Object, Object) -> Object;
        PyObject_GetIter(Object) -> Object;
        PyObject_SelfIter(Object) -> Object;
        PyObject_Str(Object) -> Object;
        PyObject_Type(Object) -> Object;
        PyObject_VectorcallDict(Object, *const Object, usize, Object) -> Object;
        PyThreadState_Clear(*mut PyThreadState);
        PyThreadState_DeleteCurrent();
        PyThreadState_GetFrame(*mut PyThreadState) -> Object;
        PyThreadState_GetInterpreter(*mut PyThreadState) -> *mut PyInterpreterState;
        PyThreadState_SetAsyncExc(c_ulong, Object) -> c_int;
        PyThreadState_New(*mut PyInterpreterState) -> *mut PyThreadState;
        PyThreadState_Next(*mut PyThreadState) -> *mut PyThreadState;
        PyTuple_GetItem(Object, isize) -> Object;
        PyTuple_Size(Object) -> isize;
        PyType_FromSpec(*mut PyType_Spec) -> Object;
        PyType_GenericAlloc(Object, isize) -> Object;
        PyUnicode_AsUTF8AndSize(Object, *mut isize) -> *const c_char;
        PyUnicode_DecodeLatin1(*const c_char, isize, *const c_char) -> Object;
        PyUnicode_DecodeUTF8(*const c_char, isize, *const c_char) -> Object;
        PyUnicode_InternFromString(*const c_char) -> Object;
        PyVectorcall_Call(Object, Object, Object) -> Object;
        Py_CompileString(*const c_char, *const c_char, c_int) -> Object;
        Py_DecRef(Object);
        Py_DecodeLocale(*const c_char, *mut usize) -> *mut libc::wchar_t;
        Py_EndInterpreter(*mut PyThreadState);
        Py_IncRef(Object);
        Py_InitializeEx(c_int);
        Py_SetProgramName(*const libc::wchar_t);
    }
    objects { PyBaseObject_Type, PyList_Type, PyTuple_Type, _Py_NoneStruct, }
    references {
        PyExc_AssertionError, PyExc_AttributeError, PyExc_BaseException, PyExc_OSError, PyExc_RuntimeError,
        PyExc_TypeError, PyExc_ValueError,
    }
    not_everywhere {
        Py_NewInterpreterFromConfig(*mut *mut PyThreadState, *const PyInterpreterConfig) -> PyStatus;
    }
}

// SAFETY: the table is not changed after it was filled; its pointers are addresses in a library that is never closed.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

static TABLE: OnceLock<Table> = OnceLock::new();

/// The table of the one library of this process. A request asks for it some fifty times: so it is not looked whether it is there.
///
/// # Safety
/// After [`open`]: whoever has a [`Python`](super::Python) or a started interpreter came through it.
pub(super) unsafe fn table() -> &'static Table {
    debug_assert!(TABLE.get().is_some(), "the library is opened before anything of Python is touched");
    // SAFETY: as the caller promises.
    unsafe { TABLE.get().unwrap_unchecked() }
}

/// Opens the library for the whole process; extension modules find its symbols (`RTLD_GLOBAL`).
pub(super) fn open(path: &Path) -> Result<(), libloading::Error> {
    // SAFETY: the library's initialisers are those of CPython, which ask for nothing.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL)? };
    // SAFETY: discovery asked an interpreter of CPython 3.10 or later for the path of its library.
    let table = unsafe { Table::of(&library)? };
    // It stays open as long as the process: there is no way to unload Python.
    std::mem::forget(library);
    TABLE.get_or_init(|| table);
    Ok(())
}
