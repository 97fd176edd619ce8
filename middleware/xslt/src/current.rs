//! The current transform of a thread: what libxml2's and libxslt's callbacks find their way by.
//!
//! libxml2 has one loader of external entities and libxslt one receiver of compile errors for the whole process. Ours
//! look at a thread-local: on a thread that is compiling or running one of our sheets they apply its policy and collect
//! its faults; on any other thread (lxml's, say) they do what was done before us.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use libxslt_sys::{
    CHAR_ENCODING_NONE, Error, ParserContext, ParserInput, REPORT, SecurityPrefs, Table, TransformContext,
};

use crate::access::{Access, Verdict, percent_decoded};
use crate::documents::SourceFile;
use crate::engine;
use crate::error::{Fault, Place};
use crate::trace::{Rank, Trace};

/// `XML_FROM_XPATH`
const FROM_XPATH: c_int = 12;
/// `XML_WAR_UNDECLARED_ENTITY`: the document uses an entity that only an external DTD could declare.
const UNDECLARED_ENTITY: c_int = 27;
/// `XML_ERR_NO_MEMORY`, which libxml2 also gives for a text node that is too long; it then ends the document there and
/// calls it well-formed.
const NO_MEMORY: c_int = 2;
/// `XML_ERR_FATAL`
const FATAL: c_int = 3;
/// A sheet in a loop can speak without end; nobody reads more than this.
const MOST_TEXTS: usize = 100;

/// What has been collected so far.
pub(crate) struct Current {
    pub(crate) access: Access,
    pub(crate) faults: Vec<Fault>,
    /// Texts of `xsl:message`
    pub(crate) messages: Vec<String>,
    /// Where the run stood at the last of them
    pub(crate) trace: Trace,
    /// Parse errors: libxml2's code goes along, as it tells limits from bad documents
    pub(crate) parse: Option<(c_int, Fault)>,
    /// The URIs that were refused
    pub(crate) denied: Vec<String>,
    /// The external DTD of the document was asked for.
    has_left_out: bool,
    /// The document uses entities that are declared outside of it.
    pub(crate) undeclared: Option<Fault>,
    /// The files that were read, or looked for
    pub(crate) loaded: Vec<SourceFile>,
    /// The URIs of what was fetched before and has been read
    pub(crate) used: Vec<String>,
    /// A fault whose text is still to come
    head: Option<Fault>,
    /// What XPath said, ahead of libxslt's own words
    detail: Option<String>,
}

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

/// The time in which this thread's callbacks collect for one transform.
pub(crate) struct Scope<'a> {
    table: &'a Table,
    _this_thread: std::marker::PhantomData<*mut ()>,
}

impl<'a> Scope<'a> {
    pub(crate) fn enter(table: &'a Table, access: Access) -> Self {
        let current = Current {
            access,
            faults: Vec::new(),
            messages: Vec::new(),
            trace: Trace::default(),
            parse: None,
            denied: Vec::new(),
            has_left_out: false,
            undeclared: None,
            loaded: Vec::new(),
            used: Vec::new(),
            head: None,
            detail: None,
        };
        CURRENT.with_borrow_mut(|slot| *slot = Some(current));
        // SAFETY: the handlers are thread-locals of libxml2's; ours live as long as the process.
        unsafe {
            (table.xmlSetStructuredErrorFunc)(std::ptr::null_mut(), Some(collect));
            // XPath also writes remarks to the unstructured one, which by default is stderr.
            (table.xmlSetGenericErrorFunc)(std::ptr::null_mut(), Some(REPORT));
        }
        Self { table, _this_thread: std::marker::PhantomData }
    }

    /// Looks at or changes what was collected. No function of libxml2 may be called inside.
    #[expect(clippy::unused_self, reason = "it proves that there is a current transform")]
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Current) -> T) -> T {
        CURRENT.with_borrow_mut(|slot| {
            look(slot.as_mut().expect("a scope is entered on the thread it lives on"))
        })
    }
}

impl Drop for Scope<'_> {
    fn drop(&mut self) {
        // SAFETY: as in `enter`; a copy of the last error would keep memory alive between the transforms.
        unsafe {
            (self.table.xmlSetStructuredErrorFunc)(std::ptr::null_mut(), None);
            (self.table.xmlSetGenericErrorFunc)(std::ptr::null_mut(), None);
            (self.table.xmlResetLastError)();
        }
        CURRENT.with_borrow_mut(|slot| *slot = None);
    }
}

/// Runs the Rust side of a callback: no panic may cross C. `None` when this thread has no current transform.
fn current<T>(act: impl FnOnce(&mut Current) -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(|| CURRENT.with(|slot| slot.try_borrow_mut().ok()?.as_mut().map(act))))
        .unwrap_or(None)
}

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

/// libxml2's structured errors: of the parsers and of XPath.
unsafe extern "C" fn collect(_context: *mut c_void, error: *const Error) {
    // SAFETY: libxml2 passes an error or null, for the time of the call, and so its strings.
    unsafe {
        let Some(error) = error.as_ref() else { return };
        let message = text(error.message).trim_end().to_owned();
        current(|current| match (error.domain, error.code, error.level) {
            (FROM_XPATH, ..) => {
                let expression = text(error.str1);
                let of = if expression.is_empty() { String::new() } else { format!(" in \"{expression}\"") };
                current.detail.get_or_insert(format!("{message}{of}"));
            }
            (_, UNDECLARED_ENTITY, _) => {
                current.undeclared.get_or_insert(fault_of(error, message));
            }
            (_, NO_MEMORY, _) | (.., FATAL) => {
                current.parse.get_or_insert((error.code, fault_of(error, message)));
            }
            _ => {}
        });
    }
}

/// libxslt's reports, through the shim. The process-wide receiver passes no context, a run's own passes one; the first
/// also gets the stack of templates after some faults of a run, which the second has reported by then.
pub(crate) unsafe extern "C" fn report(context: *mut c_void, format: *const c_char, message: *const c_char) {
    // SAFETY: the shim passes strings, for the time of the call.
    let (format, message) = unsafe { (text(format), text(message)) };
    let trace = || {
        let engine = engine::running().filter(|_| !context.is_null())?;
        // SAFETY: what `Context` registers for a run is its context, and libxslt is at that run.
        Some(unsafe { Trace::read(engine.table, context.cast()) })
    };
    let rank = |head: &Fault| {
        let engine = engine::running().filter(|_| !context.is_null())?;
        // SAFETY: as above.
        unsafe { Rank::read(engine.table, context.cast(), head) }
    };
    current(|current| match (context.is_null(), &current.access) {
        _ if format.starts_with("%s: ") || format == "%s\n" => {
            let head = head_of(&message);
            current.head = Some(Fault { rank: rank(&head), ..head });
        }
        _ if current.head.is_some() => current.fault(&message, trace()),
        (true, _) => current.note(&message),
        (false, _) => current.message(&message, trace()),
    });
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

    /// The text that follows a head.
    fn fault(&mut self, message: &str, trace: Option<Trace>) {
        let (head, detail) = (self.head.take(), self.detail.take());
        if self.faults.len() < MOST_TEXTS {
            let message = message.trim();
            let message = detail.map_or_else(|| message.to_owned(), |detail| format!("{message}: {detail}"));
            self.faults.push(Fault { message, trace, ..head.unwrap_or_else(|| Fault::bare("")) });
        }
    }

    /// A text of the process-wide receiver without a head.
    fn note(&mut self, message: &str) {
        let message = message.trim();
        if !message.is_empty() && self.faults.is_empty() {
            self.fault(message, None);
        }
    }

    fn message(&mut self, message: &str, trace: Option<Trace>) {
        // libxslt adds the line feed that a message lacks in a call of its own.
        if message == "\n" {
            return;
        }
        // The last one may be why the run ends.
        self.messages.truncate(MOST_TEXTS - 1);
        self.messages.push(message.trim_end().to_owned());
        self.trace = trace.unwrap_or_default();
    }
}

/// "runtime error: file /srv/a.xsl line 7 element value-of", as much of it as libxslt knew.
fn head_of(report: &str) -> Fault {
    let report = report.trim_end();
    let (report, element) = match report.rsplit_once(" element ") {
        Some((report, element)) => (report, Some(element.to_owned())),
        None => (report, None),
    };
    let place = report.split_once(": file ").and_then(|(_, place)| {
        let (file, line) = place.rsplit_once(" line ")?;
        Some(Place { file: file.to_owned(), line: line.parse().ok()?, column: None })
    });
    Fault { place, element, ..Fault::bare("") }
}

/// # Safety
/// The error's strings are alive.
unsafe fn fault_of(error: &Error, message: String) -> Fault {
    // SAFETY: the caller's.
    let file = unsafe { text(error.file) };
    let file = if file.is_empty() { "document".to_owned() } else { file };
    let place = u32::try_from(error.line).ok().filter(|line| *line > 0).map(|line| {
        let column = u32::try_from(error.int2).ok().filter(|column| *column > 0);
        Place { file, line, column }
    });
    Fault { place, ..Fault::bare(message) }
}

/// # Safety
/// `text` is null or a string that is alive.
pub(crate) unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller's.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_report_gives_place_and_element() {
        let fault = head_of("runtime error: file /srv/a line 2/b.xsl line 7 element value-of\n");
        assert_eq!(
            fault.place,
            Some(Place { file: "/srv/a line 2/b.xsl".to_owned(), line: 7, column: None })
        );
        assert_eq!(fault.element.as_deref(), Some("value-of"));
        assert_eq!(head_of("error\n"), Fault::bare(""));
    }
}
