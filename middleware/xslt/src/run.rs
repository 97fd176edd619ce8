//! Running compiled sheets over a document.

use std::ffi::{CString, c_char};
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use libxslt_sys::{STATE_OK, STATE_STOPPED};

use crate::access::Access;
use crate::current::Scope;
use crate::documents::Fetched;
use crate::error::{Faults, Limit, XsltError};
use crate::html5;
use crate::input::{Input, parse_document};
use crate::limits::Limits;
use crate::memory::Metered;
use crate::output::{Output, OutputKind, serialise};
use crate::place;
use crate::sheet::{Sheet, Sheets, Stylesheet};
use crate::stop::Stop;
use crate::tree::{Context, Tree};

impl Stylesheet {
    /// Transforms a document, on the calling thread. Parameters are strings to the sheet, whatever they hold; a name is
    /// a local name or `{namespace}local`.
    ///
    /// It blocks, recurses deeply (see [`Limits::template_depth`]) and knows no time limit:
    /// [`Pool::transform`](crate::Pool::transform) is for services.
    pub fn transform<'a>(
        &self,
        input: impl Into<Input<'a>>,
        params: &[(String, String)],
        limits: &Limits,
    ) -> Result<Output, XsltError> {
        self.run(input.into(), params, &Fetched::default(), limits, &Stop::default())
    }

    pub(crate) fn run(
        &self,
        input: Input<'_>,
        params: &[(String, String)],
        fetched: &Fetched,
        limits: &Limits,
        stop: &Stop,
    ) -> Result<Output, XsltError> {
        self.0.run(input, self.1, params, fetched, limits, stop)
    }
}

impl Sheets {
    fn run(
        &self,
        input: Input<'_>,
        output: OutputKind,
        params: &[(String, String)],
        fetched: &Fetched,
        limits: &Limits,
        stop: &Stop,
    ) -> Result<Output, XsltError> {
        let params = Params::new(params)?;
        let start = Instant::now();
        // Before the scope, so that it ends after it: what the scope lets go of was made in this run, too.
        let metered = Metered::start(limits.memory);
        let scope = Scope::enter(self.engine.table, Access::Nothing);
        let tree = self.run_within(&scope, input, &params, fetched, limits, stop);
        let mut result = tree.and_then(|tree| self.write(&tree, output, input.bytes.len(), limits));
        if metered.is_over() {
            result = Err(XsltError::Limit(Limit::Memory));
        }
        self.counting.run(start.elapsed());
        for message in scope.with(|current| std::mem::take(&mut current.messages)) {
            tracing::info!(target: "tower_xslt::message", "{message}");
        }
        result
    }

    fn run_within(
        &self,
        scope: &Scope<'_>,
        input: Input<'_>,
        params: &Params,
        fetched: &Fetched,
        limits: &Limits,
        stop: &Stop,
    ) -> Result<Tree, XsltError> {
        let mut tree = parse_document(self.engine.table, scope, input, limits, stop)?;
        let access = Access::Granted { folders: Arc::clone(&self.folders), fetched: fetched.clone() };
        scope.with(|current| current.access = access);
        for sheet in &self.list {
            let outcome = sheet.apply(&tree, params, limits, stop);
            tree = self.judge(scope, outcome)?;
        }
        Ok(tree)
    }

    /// Writes the result. It is likely about as large as the document.
    fn write(
        &self,
        tree: &Tree,
        output: OutputKind,
        expected: usize,
        limits: &Limits,
    ) -> Result<Output, XsltError> {
        let (bytes, content_type) = match output {
            OutputKind::Html5 => {
                (html5::write(tree, expected, limits.output_bytes)?, html5::CONTENT_TYPE.to_owned())
            }
            OutputKind::Sheet => {
                let (table, last) = (self.engine.table, self.last());
                // SAFETY: the last sheet made the tree.
                unsafe { serialise(table, last.style, &last.output, tree, expected, limits.output_bytes)? }
            }
        };
        Ok(Output { bytes, content_type })
    }

    /// What a run's outcome and its complaints come to.
    fn judge(&self, scope: &Scope<'_>, outcome: Outcome) -> Result<Tree, XsltError> {
        scope.with(|current| {
            if !(current.loaded.is_empty() && current.used.is_empty()) {
                self.reads_documents.store(true, Ordering::Relaxed);
            }
            if let Some(uri) = current.denied() {
                return Err(XsltError::PolicyDenied { uri });
            }
            let mut faults = std::mem::take(&mut current.faults);
            match outcome {
                Outcome::Done(tree) => Ok(tree),
                Outcome::GivenUp => Err(XsltError::Stopped),
                Outcome::Exhausted => Err(XsltError::Limit(Limit::Operations)),
                Outcome::Ended if faults.is_empty() => Err(XsltError::Terminated {
                    message: current.messages.last().cloned().unwrap_or_default(),
                    trace: Box::new(std::mem::take(&mut current.trace)),
                }),
                Outcome::Ended | Outcome::Failed => {
                    if let Some(limit) = faults.iter().find_map(|fault| limit_of(&fault.message)) {
                        return Err(XsltError::Limit(limit));
                    }
                    faults.dedup_by(|later, first| first.absorbs(later));
                    faults.iter_mut().for_each(place::refine);
                    faults.iter_mut().for_each(place::quote);
                    Err(XsltError::Failed(Faults::new(faults, "libxslt gave no reason")))
                }
            }
        })
    }
}

/// How a sheet came to its end.
enum Outcome {
    Done(Tree),
    Failed,
    /// By `terminate="yes"`, or by libxslt for faults that it told of
    Ended,
    Exhausted,
    GivenUp,
}

impl Sheet {
    fn apply(&self, tree: &Tree, params: &Params, limits: &Limits, stop: &Stop) -> Outcome {
        let table = self.engine.table;
        // SAFETY: sheet and tree outlive the context.
        let Some(context) = (unsafe { Context::new(self.engine, self.style, tree, limits) }) else {
            return Outcome::Failed;
        };
        let raw = context.pointer.as_ptr();
        if self.is_profiled {
            context.profile();
        }
        let result = stop.during(&context, || {
            // SAFETY: context, sheet and tree belong together; the list of parameters ends with null and outlives the
            // call. A run of libxslt writes to nothing but its context, its result and the tree it was given.
            unsafe {
                if (table.xsltQuoteUserParams)(raw, params.as_ptr()) != 0 {
                    return None;
                }
                let (style, tree) = (self.style.as_ptr(), tree.pointer.as_ptr());
                Tree::own(
                    table,
                    (table.xsltApplyStylesheetUser)(style, tree, null(), null(), null_mut(), raw),
                )
            }
        });
        match (result, context.state()) {
            (None, _) => Outcome::GivenUp,
            _ if stop.is_stopped() => Outcome::GivenUp,
            (Some(Some(tree)), STATE_OK) => Outcome::Done(tree),
            _ if context.is_exhausted() => Outcome::Exhausted,
            (_, STATE_STOPPED) => Outcome::Ended,
            _ => Outcome::Failed,
        }
    }
}

/// The limit that a fault of libxslt's stands for: it has words for them, but no codes.
fn limit_of(message: &str) -> Option<Limit> {
    match message {
        _ if !message.contains("infinite template recursion") => None,
        _ if message.contains("maxTemplateVars") => Some(Limit::TemplateVariables),
        _ => Some(Limit::TemplateDepth),
    }
}

/// The parameters as C wants them: names and values in turn, then null.
struct Params {
    _texts: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl Params {
    fn new(params: &[(String, String)]) -> Result<Self, XsltError> {
        let mut texts = Vec::with_capacity(params.len() * 2);
        for (name, value) in params {
            for text in [name, value] {
                let text = CString::new(text.as_str());
                texts.push(text.map_err(|_| XsltError::Parameter { name: name.clone() })?);
            }
        }
        let pointers = texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect();
        Ok(Self { _texts: texts, pointers })
    }

    fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}
