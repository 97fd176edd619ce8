//! Compiling: from files, or from what was fetched, to a [`Stylesheet`].

use std::ffi::CString;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::access::{Access, uri_of};
use crate::counters::Counting;
use crate::current::Scope;
use crate::documents::{Fetched, SourceFile, literals};
use crate::engine::Engine;
use crate::error::{Faults, XsltError};
use crate::input::parse_sheet;
use crate::output::{OutputKind, OutputSpec};
use crate::place;
use crate::sheet::{Origin, Policy, STACK, Sheet, Sheets, Sources, Stylesheet};

/// A thread of its own: libxml2's error receivers are thread-local, and the caller's may have other uses.
pub(crate) fn on_a_thread(
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

/// Compiles files, applied in this order. `tried` gets those that were read or looked for, also where that fails.
pub(crate) fn compile(
    engine: &'static Engine,
    paths: &[PathBuf],
    policy: &Policy,
    tried: &mut Vec<SourceFile>,
) -> Result<Stylesheet, XsltError> {
    if paths.is_empty() {
        return Err(XsltError::Compile(Faults::new(Vec::new(), "the list of stylesheets is empty")));
    }
    let mut compiler = Compiler::new(engine, Fetched::default());
    let outcome = compiler.files(paths, policy);
    tried.extend_from_slice(&compiler.sources.files);
    outcome?;
    let origin = Origin { paths: paths.to_vec(), policy: policy.clone() };
    Ok(compiler.finish(Some(origin)))
}

/// Compiles what was fetched.
pub(crate) fn compile_fetched(
    engine: &'static Engine,
    uri: &str,
    fetched: &Fetched,
    policy: &Policy,
) -> Result<Stylesheet, XsltError> {
    let not_fetched = || XsltError::NotFetched { uri: uri.to_owned() };
    let bytes = fetched.get(uri).ok_or_else(not_fetched)?;
    let name = CString::new(uri).map_err(|_| not_fetched())?;
    let mut compiler = Compiler::new(engine, fetched.clone());
    compiler.folders = folders(&[], policy)?;
    compiler.sources.fetched.push(uri.to_owned());
    compiler.read(bytes, uri);
    compiler.sheet(bytes, &name).map_err(|error| match error {
        XsltError::PolicyDenied { uri } => XsltError::NotFetched { uri },
        error => error,
    })?;
    Ok(compiler.finish(None))
}

fn absolute(path: &Path) -> Result<PathBuf, XsltError> {
    std::path::absolute(path).map_err(|source| XsltError::Unreadable { path: path.to_owned(), source })
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
    fn new(engine: &'static Engine, fetched: Fetched) -> Self {
        let (hash, sources) = (DefaultHasher::new(), Sources::default());
        Self { engine, folders: Arc::default(), fetched, hash, list: Vec::new(), sources }
    }

    fn files(&mut self, paths: &[PathBuf], policy: &Policy) -> Result<(), XsltError> {
        // All of them first: where one fails, or its folder is not there, no other is looked at.
        for path in paths {
            self.sources.files.push(SourceFile::now(absolute(path)?));
        }
        self.folders = folders(paths, policy)?;
        paths.iter().try_for_each(|path| self.file(path))
    }

    fn file(&mut self, path: &Path) -> Result<(), XsltError> {
        let unreadable = |source| XsltError::Unreadable { path: path.to_owned(), source };
        // Relative references are resolved against the path as given (made absolute), not against where a link leads.
        let uri = CString::new(uri_of(&absolute(path)?))
            .map_err(|_| unreadable(std::io::ErrorKind::InvalidFilename.into()))?;
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
        let access = Access::Granted { folders: Arc::clone(&self.folders), fetched: self.fetched.clone() };
        let scope = Scope::enter(self.engine.table, access);
        let sheet = self.parse(&scope, bytes, uri);
        let (files, fetched) =
            scope.with(|current| (std::mem::take(&mut current.loaded), std::mem::take(&mut current.used)));
        self.sources.files.extend_from_slice(&files);
        let mut sheet = sheet?;
        for uri in &fetched {
            self.read(&self.fetched.get(uri).cloned().unwrap_or_default(), uri);
        }
        for SourceFile { path, .. } in files.iter().filter(|file| file.metadata.is_some()) {
            let source = fs::read(path);
            let source = source.map_err(|source| XsltError::Unreadable { path: path.clone(), source })?;
            self.read(&source, &String::from_utf8_lossy(&uri_of(path)));
        }
        self.sources.fetched.extend(fetched);
        tell_doubts(&scope);
        sheet.warm();
        self.list.push(sheet);
        Ok(())
    }

    fn parse(&self, scope: &Scope<'_>, bytes: &[u8], uri: &CString) -> Result<Sheet, XsltError> {
        let table = self.engine.table;
        let Some(style) = parse_sheet(table, scope, bytes, uri).and_then(|tree| {
            let tree = tree.into_raw();
            // SAFETY: the sheet takes the tree over; when there is none, the tree is still ours to free.
            unsafe {
                NonNull::new((table.xsltParseStylesheetDoc)(tree)).or_else(|| {
                    (table.xmlFreeDoc)(tree);
                    None
                })
            }
        }) else {
            return Err(refusal(scope));
        };
        // SAFETY: the sheet was just compiled.
        let output = unsafe { OutputSpec::read(table, style) };
        let sheet = Sheet::new(self.engine, style, output);
        // libxslt gives a sheet also where it has found mistakes at the very end.
        // SAFETY: as above.
        let is_mistaken = unsafe { style.as_ref() }.errors > 0;
        if is_mistaken || scope.with(|current| !current.denied.is_empty()) {
            return Err(refusal(scope));
        }
        Ok(sheet)
    }

    fn finish(self, origin: Option<Origin>) -> Stylesheet {
        let sheets = Sheets {
            engine: self.engine,
            list: self.list,
            folders: self.folders,
            reads_documents: AtomicBool::new(!self.sources.literals.is_empty()),
            sources: self.sources,
            origin,
            counting: Counting::default(),
            fingerprint: self.hash.finish(),
        };
        Stylesheet(Arc::new(sheets), OutputKind::default())
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
        if let Some(uri) = current.denied() {
            return XsltError::PolicyDenied { uri };
        }
        let parse = current.parse.take().map(|(_, fault)| fault);
        let mut faults: Vec<_> = parse.into_iter().chain(std::mem::take(&mut current.faults)).collect();
        faults.iter_mut().for_each(place::refine);
        XsltError::Compile(Faults::new(faults, "libxslt gave no reason"))
    })
}
