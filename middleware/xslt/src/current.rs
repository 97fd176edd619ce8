//! The current transform of a thread: what libxml2's and libxslt's callbacks find their way by.
//!
//! libxml2 has one loader of external entities and libxslt one receiver of compile errors for the whole process. Ours
//! look at a thread-local: on a thread that is compiling or running one of our sheets they apply its policy and collect
//! its faults; on any other thread (lxml's, say) they do what was done before us.

mod loader;

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use libxslt_sys::{Error, REPORT, Table};

pub(crate) use self::loader::{load_entity, permit_fetched, refuse};
use crate::access::Access;
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

impl Current {
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
