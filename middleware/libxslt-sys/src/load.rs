//! Opening the libraries.

use std::ffi::{CStr, c_char, c_int};
use std::sync::OnceLock;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use crate::table::Table;

/// The sonames of libxml2: up to 2.13, and from 2.14 on.
const LIBXML2: &[&str] = &["libxml2.so.2", "libxml2.so.16"];
const LIBXSLT: &[&str] = &["libxslt.so.1"];
const LIBEXSLT: &[&str] = &["libexslt.so.0"];

/// The first version of libxml2 whose XPath contexts have an operation limit.
const OLDEST_LIBXML2: u32 = 20911;
/// The first version of libxslt whose transform contexts have one.
const OLDEST_LIBXSLT: u32 = 10133;

/// Why XSLT is not to be had on this machine.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// A library is not installed (or one that it needs is not).
    #[error(
        "open {library}: {reason}; on Debian and Ubuntu, install libxslt1.1 (apt-get install libxslt1.1)"
    )]
    Missing {
        /// Its soname
        library: &'static str,
        /// What the dynamic linker said
        reason: String,
    },
    /// A library lacks a function that every supported version has.
    #[error("use the installed libxslt: {reason}")]
    Incomplete {
        /// What the dynamic linker said
        reason: String,
    },
    /// A library is older than the struct layouts that the engine relies on.
    #[error("use {library} {found}: version {oldest} or later is needed")]
    TooOld {
        /// The library
        library: &'static str,
        /// Its version, as a number (20914 is 2.9.14)
        found: u32,
        /// The oldest that will do
        oldest: u32,
    },
}

/// The libraries' functions. The first call opens them, and they stay open for life: a function pointer outlives
/// everything that could close its library.
pub fn load() -> Result<&'static Table, LoadError> {
    static TABLE: OnceLock<Result<Table, LoadError>> = OnceLock::new();
    TABLE.get_or_init(open_all).as_ref().map_err(Clone::clone)
}

fn open_all() -> Result<Table, LoadError> {
    let first = !LIBXML2.iter().any(|name| is_loaded(name));
    // libxslt brings the libxml2 it was built for; asking for that one first keeps a machine with both right.
    let xslt = open(LIBXSLT)?;
    let exslt = open(LIBEXSLT)?;
    let loaded: Vec<_> = LIBXML2.iter().copied().filter(|name| is_loaded(name)).collect();
    let xml = open(if loaded.is_empty() { LIBXML2 } else { &loaded })?;
    check_versions(&xml, &xslt)?;
    let table = Table::new(first, &xml, &xslt, &exslt)
        .map_err(|error| LoadError::Incomplete { reason: error.to_string() })?;
    for library in [xml, xslt, exslt] {
        std::mem::forget(library);
    }
    Ok(table)
}

/// Opens the first of these sonames that is there.
fn open(names: &[&'static str]) -> Result<Library, LoadError> {
    let mut missing = None;
    for library in names.iter().copied() {
        // SAFETY: the initialisers of these libraries only set up their own data.
        match unsafe { Library::open(Some(library), RTLD_NOW | RTLD_LOCAL) } {
            Ok(open) => return Ok(open),
            Err(error) => {
                missing.get_or_insert(LoadError::Missing { library, reason: reason(&error) });
            }
        }
    }
    Err(missing.unwrap_or(LoadError::Incomplete { reason: "no soname was given".to_owned() }))
}

/// True when a library of this soname is in the process already.
fn is_loaded(name: &str) -> bool {
    // SAFETY: RTLD_NOLOAD opens nothing; it only says what is there.
    unsafe { Library::open(Some(name), RTLD_NOW | RTLD_LOCAL | libc::RTLD_NOLOAD) }.is_ok()
}

/// The dynamic linker's own words, which libloading keeps in the error's source.
fn reason(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

fn check_versions(xml: &Library, xslt: &Library) -> Result<(), LoadError> {
    let incomplete = |error: libloading::Error| LoadError::Incomplete { reason: error.to_string() };
    // SAFETY: `xmlParserVersion` is a `const char *` variable that holds digits, in every version.
    let found = unsafe {
        let text: *const *const c_char = *xml.get(b"xmlParserVersion\0").map_err(incomplete)?;
        CStr::from_ptr(*text).to_string_lossy().into_owned()
    };
    let digits: String = found.chars().take_while(char::is_ascii_digit).collect();
    at_least("libxml2", digits.parse().unwrap_or(0), OLDEST_LIBXML2)?;
    // SAFETY: `xsltLibxsltVersion` is a `const int` variable, in every version.
    let found = unsafe {
        let version: *const c_int = *xslt.get(b"xsltLibxsltVersion\0").map_err(incomplete)?;
        *version
    };
    at_least("libxslt", u32::try_from(found).unwrap_or(0), OLDEST_LIBXSLT)
}

fn at_least(library: &'static str, found: u32, oldest: u32) -> Result<(), LoadError> {
    if found < oldest { Err(LoadError::TooOld { library, found, oldest }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_names_itself_and_the_package() {
        let message = open(&["libnothing.so.9"]).unwrap_err().to_string();
        assert!(message.contains("libnothing.so.9"), "{message}");
        assert!(message.contains("apt-get install libxslt1.1"), "{message}");
    }

    #[test]
    fn an_old_library_is_refused_with_the_version_it_would_need() {
        let message = at_least("libxml2", 20904, OLDEST_LIBXML2).unwrap_err().to_string();
        assert_eq!(message, "use libxml2 20904: version 20911 or later is needed");
    }

    #[test]
    fn the_installed_libraries_have_every_function() {
        load().expect("install libxslt1.1 (apt-get install libxslt1.1)");
    }
}
