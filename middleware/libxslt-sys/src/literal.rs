//! Texts that libxslt has among its constants.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{NonNull, with_exposed_provenance};
use std::slice;

use crate::table::Table;

/// libxslt's own copy of a text: libxml2 compares the addresses of texts first, and their bytes only where these differ. `None`
/// where libxslt has no such constant, or is no library of its own.
pub fn literal(table: &Table, text: &CStr) -> Option<NonNull<c_char>> {
    let mut search = Search { inside: table.xsltApplyStylesheetUser as usize, text, found: None };
    // SAFETY: `look` gets the search, which nobody else uses meanwhile.
    unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut search).cast()) };
    search.found
}

struct Search<'a> {
    /// An address in the library
    inside: usize,
    text: &'a CStr,
    found: Option<NonNull<c_char>>,
}

/// Looks at one of the objects that are loaded. Not 0 once it was the library: then the linker shows no more.
unsafe extern "C" fn look(object: *mut libc::dl_phdr_info, _size: usize, search: *mut c_void) -> c_int {
    // SAFETY: the linker describes an object that is loaded, by a name and so many headers, and passes on what it got.
    let (object, headers, search) = unsafe {
        let object = &*object;
        // The program itself has no name.
        if object.dlpi_phdr.is_null() || object.dlpi_name.is_null() || *object.dlpi_name == 0 {
            return 0;
        }
        let headers = slice::from_raw_parts(object.dlpi_phdr, object.dlpi_phnum.into());
        (object, headers, &mut *search.cast::<Search<'_>>())
    };
    let segments = headers.iter().filter(|header| header.p_type == libc::PT_LOAD).filter_map(|header| {
        let start = usize::try_from(object.dlpi_addr.wrapping_add(header.p_vaddr)).ok()?;
        let end = start.checked_add(usize::try_from(header.p_filesz).ok()?)?;
        Some((start..end, header.p_flags & (libc::PF_R | libc::PF_W) == libc::PF_R))
    });
    if !segments.clone().any(|(segment, _)| segment.contains(&search.inside)) {
        return 0;
    }
    let text = search.text.to_bytes_with_nul();
    for (segment, _) in segments.filter(|(_, is_constant)| *is_constant) {
        // SAFETY: the linker has mapped so much there for all to read and none to write, and `load` keeps the library for life.
        let bytes =
            unsafe { slice::from_raw_parts(with_exposed_provenance::<u8>(segment.start), segment.len()) };
        let at = bytes.windows(text.len()).position(|window| window == text);
        search.found = search.found.or_else(|| Some(NonNull::from(&bytes[at?]).cast()));
    }
    1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load;

    #[test]
    fn a_constant_of_libxslt_is_found_and_nothing_else() {
        let table = load().unwrap();
        let ours = c"http://www.w3.org/1999/XSL/Transform";
        let theirs = literal(table, ours).unwrap();
        assert_ne!(theirs.as_ptr().cast_const(), ours.as_ptr());
        // SAFETY: the text is libxslt's, which stays.
        assert_eq!(unsafe { CStr::from_ptr(theirs.as_ptr()) }, ours);
        assert_eq!(literal(table, c"http://www.w3.org/1999/XSL/Transformer"), None);
    }
}
