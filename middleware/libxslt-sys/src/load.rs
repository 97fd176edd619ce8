//! Having the libraries: opened at run time, or linked.

use std::ffi::{CStr, c_char, c_int};
use std::sync::OnceLock;

#[cfg(feature = "link")]
use crate::linked::find;
#[cfg(not(feature = "link"))]
use crate::open::find;
use crate::table::Table;

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
    TABLE.get_or_init(find).as_ref().map_err(Clone::clone)
}

/// Refuses libraries that are older than the structs here, and gives libxml2's version.
///
/// # Safety
/// `xml` is libxml2's `xmlParserVersion`.
pub(crate) unsafe fn check_versions(xml: *const c_char, xslt: c_int) -> Result<u32, LoadError> {
    // SAFETY: the caller's; it is a string of digits, in every version.
    let found = unsafe { CStr::from_ptr(xml) }.to_string_lossy();
    let digits: String = found.chars().take_while(char::is_ascii_digit).collect();
    let version = digits.parse().unwrap_or(0);
    at_least("libxml2", version, OLDEST_LIBXML2)?;
    at_least("libxslt", u32::try_from(xslt).unwrap_or(0), OLDEST_LIBXSLT)?;
    Ok(version)
}

fn at_least(library: &'static str, found: u32, oldest: u32) -> Result<(), LoadError> {
    if found < oldest { Err(LoadError::TooOld { library, found, oldest }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

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
