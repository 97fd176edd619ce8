//! Setting libxml2 and libxslt up, once for the process.

use std::ffi::{CStr, c_char, c_int};
use std::ptr::NonNull;
use std::sync::OnceLock;

use libxslt_sys::{
    EntityLoader, LoadError, REPORT, SECPREF_CREATE_DIRECTORY, SECPREF_READ_NETWORK, SECPREF_WRITE_FILE,
    SECPREF_WRITE_NETWORK, SecurityPrefs, Table,
};

use crate::{current, memory};

/// The libraries, set up.
pub(crate) struct Engine {
    pub(crate) table: &'static Table,
    /// Forbids writing and the network; the same for all runs, which only read it.
    pub(crate) prefs: *mut SecurityPrefs,
    /// Who loaded external entities before us, and still does for everybody else.
    pub(crate) other_loader: Option<EntityLoader>,
    /// libxslt's own copy of the namespace of XSLT: a constant of it.
    pub(crate) xslt_namespace: Option<NonNull<c_char>>,
}

// SAFETY: `prefs` is written by `set_up` only, before it is shared; the rest is function pointers and a constant.
unsafe impl Send for Engine {}
// SAFETY: as above.
unsafe impl Sync for Engine {}

/// The namespace of XSLT
pub(crate) const XSLT_NAMESPACE: &CStr = c"http://www.w3.org/1999/XSL/Transform";

static ENGINE: OnceLock<Result<Engine, LoadError>> = OnceLock::new();

/// Opens and sets up libxml2, libxslt and EXSLT. Everything else does this by itself when it is first used; a program
/// with more than one thread, or with an embedded Python, calls it at its very start.
///
/// It sets the few things that are global to the process: the allocator, the loader of external entities, and the
/// receiver of compile errors. Debian's lxml shares these libraries: so nothing global is changed afterwards, and
/// whatever happens on a thread that is not running one of our transforms goes the way it went before.
pub fn init() -> Result<(), LoadError> {
    engine().map(|_| ())
}

pub(crate) fn engine() -> Result<&'static Engine, LoadError> {
    ENGINE.get_or_init(|| libxslt_sys::load().map(set_up)).as_ref().map_err(Clone::clone)
}

/// The engine, for callbacks; `None` while it is being set up.
pub(crate) fn running() -> Option<&'static Engine> {
    ENGINE.get()?.as_ref().ok()
}

fn set_up(table: &'static Table) -> Engine {
    // SAFETY: `OnceLock` lets one thread in here, and our own calls of the libraries come through `engine()`, so after
    // this. Callbacks are `extern "C"` functions that live as long as the process.
    unsafe {
        if table.first {
            // Nothing of libxml2's own is allocated yet, so all of it will come from one allocator.
            memory::set_up(table);
        }
        (table.xmlInitParser)();
        let other_loader = (table.xmlGetExternalEntityLoader)();
        (table.xmlSetExternalEntityLoader)(current::load_entity);
        libxslt_sys::set_error_sink(current::report);
        (table.xsltInit)();
        (table.xsltSetGenericErrorFunc)(std::ptr::null_mut(), REPORT);
        register_exslt(table);
        begin_unknown_extensions(table);
        let xslt_namespace = libxslt_sys::literal(table, XSLT_NAMESPACE);
        Engine { table, prefs: forbid(table), other_loader, xslt_namespace }
    }
}

/// All of EXSLT but crypto: its modules one by one, as `exsltRegisterAll` would bring crypto along.
///
/// # Safety
/// As for [`set_up`].
unsafe fn register_exslt(table: &Table) {
    for register in [
        table.exsltCommonRegister,
        table.exsltMathRegister,
        table.exsltSetsRegister,
        table.exsltFuncRegister,
        table.exsltStrRegister,
        table.exsltDateRegister,
        table.exsltSaxonRegister,
        table.exsltDynRegister,
    ] {
        // SAFETY: the caller's.
        unsafe { register() }
    }
}

/// libxslt keeps a table of the extensions that it did not know, which it makes without a lock when it meets the first:
/// two threads that compile their first sheets at one time would both make it, and one of the two would be lost.
///
/// # Safety
/// As for [`set_up`].
unsafe fn begin_unknown_extensions(table: &Table) {
    // SAFETY: the caller's; the pointer that was just made is checked.
    unsafe {
        let sheet = (table.xsltNewStylesheet)();
        assert!(!sheet.is_null(), "no memory for a stylesheet at start");
        (table.xsltRegisterExtPrefix)(sheet, c"unknown".as_ptr(), c"urn:unknown".as_ptr());
        (table.xsltFreeStylesheet)(sheet);
    }
}

/// # Safety
/// As for [`set_up`].
unsafe fn forbid(table: &Table) -> *mut SecurityPrefs {
    // SAFETY: the caller's; the pointer that was just made is checked.
    unsafe {
        let prefs = (table.xsltNewSecurityPrefs)();
        assert!(!prefs.is_null(), "no memory for the security preferences at start");
        let forbidden: [c_int; 3] = [SECPREF_WRITE_FILE, SECPREF_CREATE_DIRECTORY, SECPREF_WRITE_NETWORK];
        for action in forbidden {
            (table.xsltSetSecurityPrefs)(prefs, action, current::refuse);
        }
        // What was fetched before the run has a URI like that of something on the network.
        (table.xsltSetSecurityPrefs)(prefs, SECPREF_READ_NETWORK, current::permit_fetched);
        prefs
    }
}
