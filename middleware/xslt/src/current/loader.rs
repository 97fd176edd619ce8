//! What is loaded for a transform, and what it is refused.

use std::ffi::{CStr, c_char, c_int};

use bytes::Bytes;
use libxslt_sys::{CHAR_ENCODING_NONE, ParserContext, ParserInput, SecurityPrefs, Table, TransformContext};

use super::{Current, MOST_TEXTS, current, text};
use crate::access::{Access, Verdict, percent_decoded};
use crate::documents::SourceFile;
use crate::engine;

/// The loader of external entities: of imported sheets, of `document()`, of DTDs and entities.
pub(crate) unsafe extern "C" fn load_entity(
    url: *const c_char,
    id: *const c_char,
    parser: *mut ParserContext,
) -> *mut ParserInput {
    let Some(engine) = engine::running() else { return std::ptr::null_mut() };
    // SAFETY: libxml2 passes a string or null, for the time of the call.
    let uri = if url.is_null() { &[][..] } else { unsafe { CStr::from_ptr(url) }.to_bytes() };
    // SAFETY: the parser is the one that calls, and so is its document, as far as it is there.
    let subset = unsafe { subset_of(engine.table, parser) };
    match current(|current| current.admit(uri, subset.as_deref())) {
        // SAFETY: these are the arguments that libxml2 called us with.
        None => engine.other_loader.map_or(std::ptr::null_mut(), |load| unsafe { load(url, id, parser) }),
        // SAFETY: as above; the URL names a file that may be read.
        Some(Admission::File) => unsafe { (engine.table.xmlNewInputFromFile)(parser, url) },
        // SAFETY: as above.
        Some(Admission::Bytes(bytes)) => unsafe { input_of(engine.table, &bytes, url, parser) },
        Some(Admission::No) => std::ptr::null_mut(),
    }
}

/// The URI of the external DTD of a document that is being parsed, as it is written.
///
/// # Safety
/// `parser` is null or a parser that is alive, and its document is null or alive.
unsafe fn subset_of(table: &Table, parser: *const ParserContext) -> Option<String> {
    // SAFETY: the caller's; the strings of a DTD live as long as its document.
    unsafe {
        let document = parser.as_ref()?.document.as_ref()?;
        Some(text((table.xmlGetIntSubset)(document).as_ref()?.system_id)).filter(|uri| !uri.is_empty())
    }
}

/// An input that reads bytes; null where there is no memory for it.
///
/// # Safety
/// `url` is a string and `parser` a parser, both alive.
unsafe fn input_of(
    table: &Table,
    bytes: &[u8],
    url: *const c_char,
    parser: *mut ParserContext,
) -> *mut ParserInput {
    let Ok(length) = c_int::try_from(bytes.len()) else { return std::ptr::null_mut() };
    // SAFETY: the buffer copies the bytes and then belongs to the input, and so does the copy of the URL: it is of
    // libxml2's own allocator, which frees it with the input.
    unsafe {
        let buffer = (table.xmlParserInputBufferCreateMem)(bytes.as_ptr().cast(), length, CHAR_ENCODING_NONE);
        if buffer.is_null() {
            return std::ptr::null_mut();
        }
        let input = (table.xmlNewIOInputStream)(parser, buffer, CHAR_ENCODING_NONE);
        if let Some(input) = input.as_mut() {
            input.filename = (table.xmlStrdup)(url);
        }
        input
    }
}

/// libxslt's question whether a run may read what is no file. It may where that was fetched before.
pub(crate) unsafe extern "C" fn permit_fetched(
    _prefs: *mut SecurityPrefs,
    _context: *mut TransformContext,
    value: *const c_char,
) -> c_int {
    // SAFETY: libxslt passes a string or null, for the time of the call.
    let uri = unsafe { text(value) };
    let permitted = current(|current| {
        let is_fetched = matches!(current.access.check(uri.as_bytes()), Verdict::Fetched(_));
        if !is_fetched {
            current.deny(uri);
        }
        is_fetched
    });
    c_int::from(permitted.unwrap_or(false))
}

/// libxslt's question whether a run may write or use the network. It may not.
pub(crate) unsafe extern "C" fn refuse(
    _prefs: *mut SecurityPrefs,
    _context: *mut TransformContext,
    value: *const c_char,
) -> c_int {
    // SAFETY: libxslt passes a string or null, for the time of the call.
    let uri = unsafe { text(value) };
    current(|current| current.deny(uri));
    0
}

/// What the loader gets.
enum Admission {
    File,
    Bytes(Bytes),
    No,
}

impl Current {
    /// `subset` is the external DTD of what is being parsed.
    fn admit(&mut self, uri: &[u8], subset: Option<&str>) -> Admission {
        let name = || String::from_utf8_lossy(uri).into_owned();
        match self.access.check(uri) {
            Verdict::Granted(path) => {
                self.loaded.push(SourceFile::now(path));
                Admission::File
            }
            Verdict::Fetched(bytes) => {
                self.used.push(name());
                Admission::Bytes(bytes)
            }
            Verdict::Missing(path) => {
                self.note_unread(SourceFile { path, metadata: None });
                Admission::No
            }
            Verdict::Outside(path) => {
                // Another file in its place, or another link, may be read.
                self.note_unread(SourceFile::now(path));
                self.deny(name());
                Admission::No
            }
            Verdict::Denied => {
                if !self.leaves_out(uri, subset) {
                    self.deny(name());
                }
                Admission::No
            }
        }
    }

    /// Notes what was looked for, and not read.
    fn note_unread(&mut self, file: SourceFile) {
        // A run may make up names without end.
        if self.loaded.len() < MOST_TEXTS {
            self.loaded.push(file);
        }
    }

    /// Whether this is the external DTD of a document of unknown origin. It is not read, which is no fault of a document that does
    /// without it. An entity of the same URI asks once more, and is refused.
    fn leaves_out(&mut self, uri: &[u8], subset: Option<&str>) -> bool {
        let is_subset = matches!(self.access, Access::Nothing)
            // libxml2 writes a URI anew, and gives none for what is none.
            && subset.is_some_and(|subset| uri.is_empty() || percent_decoded(uri) == percent_decoded(subset.as_bytes()));
        is_subset && !std::mem::replace(&mut self.has_left_out, true)
    }

    fn deny(&mut self, uri: String) {
        if self.denied.len() < MOST_TEXTS {
            self.denied.push(uri);
        }
    }

    /// The first URI that was refused.
    pub(crate) fn denied(&self) -> Option<String> {
        self.denied.first().cloned()
    }
}
