//! Compiled stylesheets.

mod namespace;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::compile::{compile, compile_fetched, on_a_thread};
use crate::counters::{Counters, Counting};
use crate::documents::{Fetched, SourceFile};
use crate::engine::{Engine, engine};
use crate::error::XsltError;
use crate::html5;
use crate::output::{OutputKind, OutputSpec};
use namespace::Shared;

/// The stack of threads that compile and run sheets: libxslt recurses with the depth of templates, XPath with that of
/// its expressions, and both are limited by number, not by stack.
pub(crate) const STACK: usize = 16 << 20;

/// What sheets may read.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Policy {
    /// Folders whose files `xsl:import`, `xsl:include` and `document()` may read, beside the sheets' own folders
    pub folders: Vec<PathBuf>,
}

/// One stylesheet, or a list of them that are applied one after the other: compiled, and shared by all that use it.
#[derive(Clone)]
pub struct Stylesheet(pub(crate) Arc<Sheets>, pub(crate) OutputKind);

pub(crate) struct Sheets {
    pub(crate) engine: &'static Engine,
    /// In the order of application; never empty
    pub(crate) list: Vec<Sheet>,
    /// The canonical folders that it may read from
    pub(crate) folders: Arc<[PathBuf]>,
    pub(crate) sources: Sources,
    pub(crate) origin: Option<Origin>,
    pub(crate) counting: Counting,
    /// A run has read other documents: results depend on more than sheet, parameters and input.
    pub(crate) reads_documents: AtomicBool,
    pub(crate) fingerprint: u64,
}

/// What sheets of files can be compiled from again.
pub(crate) struct Origin {
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) policy: Policy,
}

/// What sheets were compiled from.
#[derive(Default)]
pub(crate) struct Sources {
    pub(crate) files: Vec<SourceFile>,
    pub(crate) fetched: Vec<String>,
    pub(crate) literals: Vec<String>,
}

/// A compiled sheet of libxslt.
pub(crate) struct Sheet {
    pub(crate) engine: &'static Engine,
    pub(crate) style: NonNull<libxslt_sys::Stylesheet>,
    pub(crate) output: OutputSpec,
    /// Runs count in the sheet itself: there is one at a time, see `profile`.
    pub(crate) is_profiled: bool,
    namespaces: Shared,
}

// SAFETY: libxslt changes a compiled sheet no more: templates, keys, attribute sets and extension elements are resolved
// when it is compiled, and what a run computes (keys, variables, generated ids) lives in the run's own context, as do
// new strings, in a dictionary of the context's that only reads the sheet's. The list of namespaces that libxml2 makes
// when "xml" is first looked up in a tree is made in `Sheet::warm`. XPath keeps the function that a name stands for in
// the expression when it is first called: a word-sized store of a value that is the same for all runs, as functions
// are registered once, by `engine`. libxslt's authors promise this use of a sheet ("a stylesheet can be shared").
unsafe impl Send for Sheet {}
// SAFETY: as above.
unsafe impl Sync for Sheet {}

impl Stylesheet {
    /// Compiles one sheet (`["theme.xsl"]`) or several, of which each gets the tree that the one before it made.
    ///
    /// It blocks while files are read. Where another user of libxslt in this process (Debian's lxml) has taken over the
    /// process-wide receiver of its compile errors, a sheet with mistakes is refused without their texts: compile
    /// before Python starts.
    pub fn compile<P: AsRef<Path>>(
        paths: impl IntoIterator<Item = P>,
        policy: &Policy,
    ) -> Result<Self, XsltError> {
        Self::compile_telling(paths, policy, &mut Vec::new())
    }

    /// Compiles as [`Stylesheet::compile`] does. `tried` gets the files that were read or looked for, also where that fails: a
    /// change of one of them may mend it.
    pub fn compile_telling<P: AsRef<Path>>(
        paths: impl IntoIterator<Item = P>,
        policy: &Policy,
        tried: &mut Vec<SourceFile>,
    ) -> Result<Self, XsltError> {
        let paths: Vec<PathBuf> = paths.into_iter().map(|path| path.as_ref().to_owned()).collect();
        let engine = engine()?;
        on_a_thread(paths.first(), || compile(engine, &paths, policy, tried))
    }

    /// Compiles a sheet that is no file: it and all that it imports stand in `fetched`, by their URIs. What is missing there
    /// is named by the error, [`XsltError::NotFetched`]: whoever fetches it may try again.
    pub fn compile_fetched(uri: &str, fetched: &Fetched, policy: &Policy) -> Result<Self, XsltError> {
        let engine = engine()?;
        let named = PathBuf::from(uri);
        on_a_thread(Some(&named), || compile_fetched(engine, uri, fetched, policy))
    }

    /// Compiles the same files again, as they are now. What was fetched stays what it was. It blocks as
    /// [`Stylesheet::compile`] does.
    pub fn compile_again(&self) -> Result<Self, XsltError> {
        match &self.0.origin {
            Some(origin) => Ok(Self::compile(&origin.paths, &origin.policy)?.writing(self.1)),
            None => Ok(self.clone()),
        }
    }

    /// The same sheets, their results written in this way. The default is [`OutputKind::Sheet`].
    #[must_use]
    pub fn writing(self, output: OutputKind) -> Self {
        Self(self.0, output)
    }

    /// What it has done since it was compiled.
    pub fn counters(&self) -> Counters {
        self.0.counting.now()
    }

    /// The files that it was compiled from: the sheets themselves and what they import, or looked for.
    pub fn files(&self) -> &[SourceFile] {
        &self.0.sources.files
    }

    /// The first of the files, or the URI, that it was compiled from.
    pub fn name(&self) -> String {
        let Sources { files, fetched, .. } = &self.0.sources;
        let file = files.first().map(|file| file.path.display().to_string());
        file.or_else(|| fetched.first().cloned()).unwrap_or_default()
    }

    /// The URIs of what it was compiled from and is no file.
    pub fn fetched(&self) -> &[String] {
        &self.0.sources.fetched
    }

    /// The URIs, other than those of files, that it calls `document()` with as they stand.
    pub fn documents(&self) -> &[String] {
        &self.0.sources.literals
    }

    /// The Content-Type of its results; `None` where each result decides it (a sheet without `xsl:output method`).
    pub fn content_type(&self) -> Option<String> {
        match self.1 {
            OutputKind::Sheet => self.0.last().output.content_type(),
            OutputKind::Html5 => Some(html5::CONTENT_TYPE.to_owned()),
        }
    }

    /// A number that changes when a file changes that the sheets were compiled from, or the way in which results are written.
    pub fn fingerprint(&self) -> u64 {
        let mut hash = DefaultHasher::new();
        (self.0.fingerprint, self.1).hash(&mut hash);
        hash.finish()
    }

    /// True once a run has read another document: its result then depends on more than input and parameters.
    pub fn reads_documents(&self) -> bool {
        self.0.reads_documents.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Stylesheet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stylesheet").field("fingerprint", &self.0.fingerprint).finish_non_exhaustive()
    }
}

impl Sheets {
    pub(crate) fn last(&self) -> &Sheet {
        self.list.last().expect("`compile` refuses an empty list")
    }
}

impl Sheet {
    pub(crate) fn new(
        engine: &'static Engine,
        style: NonNull<libxslt_sys::Stylesheet>,
        output: OutputSpec,
    ) -> Self {
        Self { engine, style, output, is_profiled: false, namespaces: Shared::default() }
    }

    /// Makes what libxml2 would make when a run first looks the prefix "xml" up: see the SAFETY above. And has libxslt recognise its
    /// elements at once.
    pub(crate) fn warm(&mut self) {
        let table = self.engine.table;
        let mut next = self.style.as_ptr();
        // SAFETY: the sheet and its imports are alive, and no other thread knows of them yet.
        unsafe {
            while let Some(sheet) = next.as_ref() {
                let root = (table.xmlDocGetRootElement)(sheet.document);
                if !root.is_null() {
                    (table.xmlSearchNs)(sheet.document, root, c"xml".as_ptr());
                }
                next = (table.xsltNextImport)(next);
            }
            self.namespaces = Shared::with_libxslt(self.engine, self.style);
        }
    }
}

impl Drop for Sheet {
    fn drop(&mut self) {
        self.namespaces.put_back();
        // SAFETY: the sheet is ours, and no run holds it: runs hold the `Arc` around it.
        unsafe { (self.engine.table.xsltFreeStylesheet)(self.style.as_ptr()) }
    }
}
