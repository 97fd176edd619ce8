//! Compiled stylesheets.

use std::ffi::CString;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::access::{Access, uri_of};
use crate::current::Scope;
use crate::documents::{Fetched, SourceFile, literals};
use crate::engine::{Engine, engine};
use crate::error::{Faults, XsltError};
use crate::input::parse_sheet;
use crate::output::OutputSpec;
use crate::place;

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
pub struct Stylesheet(pub(crate) Arc<Sheets>);

pub(crate) struct Sheets {
    pub(crate) engine: &'static Engine,
    /// In the order of application; never empty
    pub(crate) list: Vec<Sheet>,
    /// The canonical folders that it may read from
    pub(crate) folders: Arc<[PathBuf]>,
    sources: Sources,
    origin: Option<Origin>,
    /// A run has read other documents: results depend on more than sheet, parameters and input.
    pub(crate) reads_documents: AtomicBool,
    fingerprint: u64,
}

/// What sheets of files can be compiled from again.
struct Origin {
    paths: Vec<PathBuf>,
    policy: Policy,
}

/// What sheets were compiled from.
#[derive(Default)]
struct Sources {
    files: Vec<SourceFile>,
    fetched: Vec<String>,
    literals: Vec<String>,
}

/// A compiled sheet of libxslt.
pub(crate) struct Sheet {
    pub(crate) engine: &'static Engine,
    pub(crate) style: NonNull<libxslt_sys::Stylesheet>,
    pub(crate) output: OutputSpec,
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
        let paths: Vec<PathBuf> = paths.into_iter().map(|path| path.as_ref().to_owned()).collect();
        let engine = engine()?;
        on_a_thread(paths.first(), || compile(engine, &paths, policy))
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
            Some(origin) => Self::compile(&origin.paths, &origin.policy),
            None => Ok(self.clone()),
        }
    }

    /// The files that it was compiled from: the sheets themselves and what they import.
    pub fn files(&self) -> &[SourceFile] {
        &self.0.sources.files
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
        self.0.last().output.content_type()
    }

    /// A number that changes when a file changes that the sheets were compiled from.
    pub fn fingerprint(&self) -> u64 {
        self.0.fingerprint
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
    /// Makes what libxml2 would make when a run first looks the prefix "xml" up: see the SAFETY above.
    fn warm(&self) {
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
        }
    }
}

impl Drop for Sheet {
    fn drop(&mut self) {
        // SAFETY: the sheet is ours, and no run holds it: runs hold the `Arc` around it.
        unsafe { (self.engine.table.xsltFreeStylesheet)(self.style.as_ptr()) }
    }
}

/// A thread of its own: libxml2's error receivers are thread-local, and the caller's may have other uses.
fn on_a_thread(
    path: Option<&PathBuf>,
    compile: impl FnOnce() -> Result<Stylesheet, XsltError> + Send,
) -> Result<Stylesheet, XsltError> {
    std::thread::scope(|scope| {
        match std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, compile) {
            Ok(thread) => thread.join().unwrap_or(Err(XsltError::Panicked)),
            Err(source) => Err(XsltError::Unreadable { path: path.cloned().unwrap_or_default(), source }),
        }
    })
}

fn compile(engine: &'static Engine, paths: &[PathBuf], policy: &Policy) -> Result<Stylesheet, XsltError> {
    if paths.is_empty() {
        return Err(XsltError::Compile(Faults::new(Vec::new(), "the list of stylesheets is empty")));
    }
    let mut compiler = Compiler::new(engine, folders(paths, policy)?, Fetched::default());
    for path in paths {
        compiler.file(path)?;
    }
    let origin = Origin { paths: paths.to_vec(), policy: policy.clone() };
    Ok(compiler.finish(Some(origin)))
}

fn compile_fetched(
    engine: &'static Engine,
    uri: &str,
    fetched: &Fetched,
    policy: &Policy,
) -> Result<Stylesheet, XsltError> {
    let not_fetched = || XsltError::NotFetched { uri: uri.to_owned() };
    let bytes = fetched.get(uri).ok_or_else(not_fetched)?;
    let name = CString::new(uri).map_err(|_| not_fetched())?;
    let mut compiler = Compiler::new(engine, folders(&[], policy)?, fetched.clone());
    compiler.sources.fetched.push(uri.to_owned());
    compiler.read(bytes, uri);
    compiler.sheet(bytes, &name).map_err(|error| match error {
        XsltError::PolicyDenied { uri } => XsltError::NotFetched { uri },
        error => error,
    })?;
    Ok(compiler.finish(None))
}

/// The canonical folders that sheets may read from.
fn folders(paths: &[PathBuf], policy: &Policy) -> Result<Arc<[PathBuf]>, XsltError> {
    let own = paths.iter().map(|path| match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    });
    let canonical = |folder: &Path| {
        folder.canonicalize().map_err(|source| XsltError::Unreadable { path: folder.to_owned(), source })
    };
    own.chain(policy.folders.iter().map(PathBuf::as_path)).map(canonical).collect()
}

/// Sheets on their way to a [`Stylesheet`].
struct Compiler {
    engine: &'static Engine,
    folders: Arc<[PathBuf]>,
    fetched: Fetched,
    hash: DefaultHasher,
    list: Vec<Sheet>,
    sources: Sources,
}

impl Compiler {
    fn new(engine: &'static Engine, folders: Arc<[PathBuf]>, fetched: Fetched) -> Self {
        let (hash, sources) = (DefaultHasher::new(), Sources::default());
        Self { engine, folders, fetched, hash, list: Vec::new(), sources }
    }

    fn file(&mut self, path: &Path) -> Result<(), XsltError> {
        let unreadable = |source| XsltError::Unreadable { path: path.to_owned(), source };
        // Relative references are resolved against the path as given (made absolute), not against where a link leads.
        let absolute = std::path::absolute(path).map_err(unreadable)?;
        let uri = CString::new(uri_of(&absolute))
            .map_err(|_| unreadable(std::io::ErrorKind::InvalidFilename.into()))?;
        self.sources.files.push(SourceFile::now(absolute));
        let bytes = fs::read(path).map_err(unreadable)?;
        self.read(&bytes, &uri.to_string_lossy());
        self.sheet(&bytes, &uri)
    }

    /// Takes the source of a sheet into account.
    fn read(&mut self, bytes: &[u8], uri: &str) {
        bytes.hash(&mut self.hash);
        self.sources.literals.extend(literals(&String::from_utf8_lossy(bytes), uri));
    }

    fn sheet(&mut self, bytes: &[u8], uri: &CString) -> Result<(), XsltError> {
        let table = self.engine.table;
        let access = Access::Granted { folders: Arc::clone(&self.folders), fetched: self.fetched.clone() };
        let scope = Scope::enter(table, access);
        let Some(style) = parse_sheet(table, &scope, bytes, uri).and_then(|tree| {
            let tree = tree.into_raw();
            // SAFETY: the sheet takes the tree over; when there is none, the tree is still ours to free.
            unsafe {
                NonNull::new((table.xsltParseStylesheetDoc)(tree)).or_else(|| {
                    (table.xmlFreeDoc)(tree);
                    None
                })
            }
        }) else {
            return Err(refusal(&scope));
        };
        // SAFETY: the sheet was just compiled.
        let output = unsafe { OutputSpec::read(table, style) };
        let sheet = Sheet { engine: self.engine, style, output };
        if scope.with(|current| current.denied.is_some()) {
            return Err(refusal(&scope));
        }
        let (files, fetched) =
            scope.with(|current| (std::mem::take(&mut current.loaded), std::mem::take(&mut current.used)));
        for uri in &fetched {
            self.read(&self.fetched.get(uri).cloned().unwrap_or_default(), uri);
        }
        for SourceFile { path, .. } in &files {
            let source = fs::read(path);
            let source = source.map_err(|source| XsltError::Unreadable { path: path.clone(), source })?;
            self.read(&source, &String::from_utf8_lossy(&uri_of(path)));
        }
        self.sources.files.extend(files);
        self.sources.fetched.extend(fetched);
        tell_doubts(&scope);
        sheet.warm();
        self.list.push(sheet);
        Ok(())
    }

    fn finish(self, origin: Option<Origin>) -> Stylesheet {
        let sheets = Sheets {
            engine: self.engine,
            list: self.list,
            folders: self.folders,
            reads_documents: AtomicBool::new(!self.sources.literals.is_empty()),
            sources: self.sources,
            origin,
            fingerprint: self.hash.finish(),
        };
        Stylesheet(Arc::new(sheets))
    }
}

/// What libxslt tells as an error and compiles all the same: an element of XSLT that it does not know, for one, which a
/// run then leaves out without a word.
fn tell_doubts(scope: &Scope<'_>) {
    for mut fault in scope.with(|current| std::mem::take(&mut current.faults)) {
        place::refine(&mut fault);
        tracing::warn!("a stylesheet compiles, but hardly as it was meant: {fault}");
    }
}

/// Why there is no sheet.
fn refusal(scope: &Scope<'_>) -> XsltError {
    scope.with(|current| {
        if let Some(uri) = current.denied.take() {
            return XsltError::PolicyDenied { uri };
        }
        let parse = current.parse.take().map(|(_, fault)| fault);
        let mut faults: Vec<_> = parse.into_iter().chain(std::mem::take(&mut current.faults)).collect();
        faults.iter_mut().for_each(place::refine);
        XsltError::Compile(Faults::new(faults, "libxslt gave no reason"))
    })
}
