//! Pointers of libxml2 and libxslt with an owner: each is freed once, by what made it.

pub(crate) mod walk;

use std::ffi::{c_char, c_int, c_void};
use std::ptr::NonNull;

use libxslt_sys::{Document, HTML_DOCUMENT_NODE, ParserContext, Table, TransformContext};

use crate::current::text;
use crate::engine::Engine;
use crate::limits::Limits;
use crate::memory;

/// A document's tree.
pub(crate) struct Tree {
    pub(crate) pointer: NonNull<Document>,
    table: &'static Table,
}

/// A document's type, its name and its identifiers.
pub(crate) struct Doctype {
    pub(crate) name: String,
    pub(crate) public: Option<String>,
    pub(crate) system: Option<String>,
}

impl Tree {
    /// # Safety
    /// `pointer` is null or a document that nobody else will free.
    pub(crate) unsafe fn own(table: &'static Table, pointer: *mut Document) -> Option<Self> {
        NonNull::new(pointer).map(|pointer| Self { pointer, table })
    }

    /// Leaves the freeing to somebody else.
    pub(crate) fn into_raw(self) -> *mut Document {
        let pointer = self.pointer.as_ptr();
        std::mem::forget(self);
        pointer
    }

    /// True for a tree that libxslt made by the html method.
    pub(crate) fn is_html(&self) -> bool {
        // SAFETY: the tree is ours and alive.
        unsafe { self.pointer.as_ref() }.node.kind == HTML_DOCUMENT_NODE
    }

    /// What the document is, as its DTD says.
    pub(crate) fn doctype(&self) -> Option<Doctype> {
        // SAFETY: the tree is ours and alive, and so are the strings of its DTD.
        unsafe {
            let dtd = (self.table.xmlGetIntSubset)(self.pointer.as_ptr()).as_ref()?;
            let id = |id: *const c_char| (!id.is_null()).then(|| text(id));
            Some(Doctype {
                name: text(dtd.node.name),
                public: id(dtd.external_id),
                system: id(dtd.system_id),
            })
        }
    }

    /// The URI of the document's external DTD.
    pub(crate) fn external_subset(&self) -> Option<String> {
        // SAFETY: the tree is ours and alive, and so are the strings of its DTD.
        let uri = unsafe { text((self.table.xmlGetIntSubset)(self.pointer.as_ptr()).as_ref()?.system_id) };
        (!uri.is_empty()).then_some(uri)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // SAFETY: the tree is ours.
        unsafe { (self.table.xmlFreeDoc)(self.pointer.as_ptr()) }
    }
}

/// A parser of one document.
pub(crate) struct Parser {
    pub(crate) pointer: NonNull<ParserContext>,
    free: unsafe extern "C" fn(*mut ParserContext),
}

impl Parser {
    pub(crate) fn xml(table: &Table) -> Option<Self> {
        // SAFETY: no precondition.
        let pointer = unsafe { (table.xmlNewParserCtxt)() };
        NonNull::new(pointer).map(|pointer| Self { pointer, free: table.xmlFreeParserCtxt })
    }

    pub(crate) fn html(table: &Table) -> Option<Self> {
        // SAFETY: no precondition.
        let pointer = unsafe { (table.htmlNewParserCtxt)() };
        NonNull::new(pointer).map(|pointer| Self { pointer, free: table.htmlFreeParserCtxt })
    }
}

impl Drop for Parser {
    fn drop(&mut self) {
        // SAFETY: the parser is ours, and `free` belongs to what made it.
        unsafe { (self.free)(self.pointer.as_ptr()) }
    }
}

/// The context of one run of one sheet.
pub(crate) struct Context {
    pub(crate) pointer: NonNull<TransformContext>,
    table: &'static Table,
}

impl Context {
    /// # Safety
    /// `style` is a compiled sheet that outlives the context, as does `tree`.
    pub(crate) unsafe fn new(
        engine: &'static Engine,
        style: NonNull<libxslt_sys::Stylesheet>,
        tree: &Tree,
        limits: &Limits,
    ) -> Option<Self> {
        let table = engine.table;
        // SAFETY: both pointers are alive; the preferences live as long as the process, and runs only read them. Any
        // pointer but null marks the reports of this run, see `current::report`.
        unsafe {
            let pointer =
                NonNull::new((table.xsltNewTransformContext)(style.as_ptr(), tree.pointer.as_ptr()))?;
            let context = Self { pointer, table };
            (table.xsltSetCtxtSecurityPrefs)(engine.prefs, pointer.as_ptr());
            let mark: *mut c_void = pointer.as_ptr().cast();
            (table.xsltSetTransformErrorFunc)(pointer.as_ptr(), mark, libxslt_sys::REPORT);
            let operations = usize::try_from(limits.operations).unwrap_or(usize::MAX);
            let raw = pointer.as_ptr();
            memory::end_when_over(&raw mut (*raw).state);
            (*raw).max_template_depth = clamped(limits.template_depth);
            (*raw).max_template_variables = clamped(limits.template_variables);
            (*raw).operation_limit = operations;
            if let Some(xpath) = (*raw).xpath.as_mut() {
                xpath.operation_limit = operations;
            }
            Some(context)
        }
    }

    /// Has the run count what its templates take, in the sheet.
    pub(crate) fn profile(&self) {
        // SAFETY: the context is ours and alive, and nothing runs in it yet.
        unsafe { (*self.pointer.as_ptr()).profile = 1 }
    }

    pub(crate) fn state(&self) -> c_int {
        // SAFETY: the context is ours and alive.
        unsafe { (*self.pointer.as_ptr()).state }
    }

    /// True when the run ended because it had no operations left.
    pub(crate) fn is_exhausted(&self) -> bool {
        // SAFETY: the context is ours and alive, and so is its XPath context.
        unsafe {
            let context = self.pointer.as_ref();
            context.operation_count >= context.operation_limit
                || context.xpath.as_ref().is_some_and(|xpath| xpath.operation_count >= xpath.operation_limit)
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        memory::end_when_over(std::ptr::null_mut());
        // SAFETY: the context is ours.
        unsafe { (self.table.xsltFreeTransformContext)(self.pointer.as_ptr()) }
    }
}

fn clamped(limit: u32) -> c_int {
    c_int::try_from(limit).unwrap_or(c_int::MAX)
}
