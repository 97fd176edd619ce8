//! Opening the libraries at run time.

use std::ffi::{c_char, c_int};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use crate::load::{LoadError, check_versions};
use crate::table::Table;

/// The sonames of libxml2: up to 2.13, and from 2.14 on.
const LIBXML2: &[&str] = &["libxml2.so.2", "libxml2.so.16"];
const LIBXSLT: &[&str] = &["libxslt.so.1"];
const LIBEXSLT: &[&str] = &["libexslt.so.0"];

pub(crate) fn find() -> Result<Table, LoadError> {
    let first = !LIBXML2.iter().any(|name| is_loaded(name));
    // libxslt brings the libxml2 it was built for; asking for that one first keeps a machine with both right.
    let xslt = open(LIBXSLT)?;
    let exslt = open(LIBEXSLT)?;
    let loaded: Vec<_> = LIBXML2.iter().copied().filter(|name| is_loaded(name)).collect();
    let xml = open(if loaded.is_empty() { LIBXML2 } else { &loaded })?;
    let version = check(&xml, &xslt)?;
    let table = Table::new(first, version, &xml, &xslt, &exslt).map_err(incomplete)?;
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

fn check(xml: &Library, xslt: &Library) -> Result<u32, LoadError> {
    // SAFETY: in every version, `xmlParserVersion` is a `const char *` variable that holds digits, and
    // `xsltLibxsltVersion` is a `const int` variable.
    unsafe {
        let text: *const *const c_char = *xml.get(b"xmlParserVersion\0").map_err(incomplete)?;
        let version: *const c_int = *xslt.get(b"xsltLibxsltVersion\0").map_err(incomplete)?;
        check_versions(*text, *version)
    }
}

fn incomplete(error: libloading::Error) -> LoadError {
    LoadError::Incomplete { reason: error.to_string() }
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
}
