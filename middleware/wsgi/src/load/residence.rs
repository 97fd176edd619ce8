//! An interpreter that applications live in: prepared by `bootstrap.py`, which then imports them.

use std::collections::HashSet;
use std::ffi::CStr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::disarmer::disarmer;
use super::error::StartError;
use super::keeper::keep;
use super::{LoadError, Settings};
use crate::discover::Discovered;
use crate::environ::{Facts, Template};
use crate::log;
use crate::python::{Exception, Interpreter, Kept, Object, PyResult, Python};
use crate::worker::{Classes, Host};

pub(super) struct Residence {
    pub(super) interpreter: Interpreter,
    bootstrap: Arc<Kept>,
    classes: Arc<Classes>,
    /// Virtualenvs and installations whose packages can be imported.
    prefixes: HashSet<PathBuf>,
}

/// What an import has left behind.
pub(super) struct Changes {
    /// For everybody in the process, each with file and line.
    pub(super) changes: Vec<String>,
    /// Extension modules that could not be loaded.
    pub(super) refused: Vec<String>,
}

/// What an application and another one, which is named first, cannot agree about.
struct Disagreement(String, String);

macro_rules! source {
    ($file:literal) => {
        match CStr::from_bytes_with_nul(concat!(include_str!($file), "\0").as_bytes()) {
            Ok(source) => source,
            Err(_) => panic!("a source has no NUL"),
        }
    };
}

/// The host's modules, each after those that it imports.
const MODULES: [(&CStr, &CStr); 5] = [
    (c"_tower_wsgi_changes", source!("../bootstrap/changes.py")),
    (c"_tower_wsgi_places", source!("../bootstrap/places.py")),
    (c"_tower_wsgi_neighbours", source!("../bootstrap/neighbours.py")),
    (c"_tower_wsgi_seclude", source!("../bootstrap/seclude.py")),
    (c"_tower_wsgi", source!("../bootstrap.py")),
];

impl Residence {
    /// Prepares an interpreter; `environment` is what the `os.environ` of one that is not the main one holds.
    pub(super) fn new(
        interpreter: Interpreter,
        python: &Discovered,
        environment: Option<Vec<String>>,
    ) -> Result<Self, StartError> {
        let prepared = interpreter
            .run(None, move |py| prepare(py, environment.as_deref()).map_err(|error| error.traceback()));
        let prepared = prepared.unwrap_or_else(|| Err("Python's main thread has ended".into()));
        let (bootstrap, classes) = prepared.map_err(StartError::Host)?;
        Ok(Self {
            interpreter,
            bootstrap: Arc::new(bootstrap),
            classes: Arc::new(classes),
            prefixes: HashSet::from([python.prefix.clone()]),
        })
    }

    /// This is no longer the only interpreter.
    pub(super) fn become_main(&self, settings: &Settings) -> Result<(), LoadError> {
        self.call(settings, |_, bootstrap| bootstrap.method("become_main")?.call([]).map(|_| Ok(())))
    }

    /// Leaves the virtualenv that Python was started with, for another one. Nothing was imported yet.
    pub(super) fn turn_to(&mut self, python: &Discovered, settings: &Settings) -> Result<(), LoadError> {
        if !self.prefixes.contains(&python.prefix) {
            let executable = python.executable.to_string_lossy().into_owned();
            self.call(settings, move |py, bootstrap| {
                bootstrap.method("use")?.call([&py.str(&executable)?]).map(|_| Ok(()))
            })?;
            self.prefixes = HashSet::from([python.prefix.clone()]);
        }
        Ok(())
    }

    /// Lets the packages of an application's virtualenv join those that are there.
    pub(super) fn join(&mut self, python: &Discovered, settings: &Settings) -> Result<(), LoadError> {
        let packages = texts_of(&python.packages);
        let name = settings.name.clone();
        self.call(settings, move |py, bootstrap| {
            let bring = bootstrap.method("bring_packages")?;
            agreed(&bring.call([&py.str(&name)?, &strings(py, &packages)?])?)
        })?;
        self.prefixes.insert(python.prefix.clone());
        Ok(())
    }

    /// Imports an application.
    pub(super) fn import(&self, settings: &Settings) -> Result<(Host, Changes), LoadError> {
        let (classes, facts) = (Arc::clone(&self.classes), settings.clone());
        let (host, changes, refused) = self.call(settings, move |py, bootstrap| {
            let host = match import(py, bootstrap, &facts, classes)? {
                Ok(host) => host,
                Err(disagreement) => return Ok(Err(disagreement)),
            };
            let changes = bootstrap.method("changes_of")?.call([&py.str(&facts.name)?])?;
            let refused = bootstrap.method("refusals")?.call([])?;
            Ok(Ok((host, texts(&changes)?, texts(&refused)?)))
        })?;
        Ok((host, Changes { changes, refused }))
    }

    /// Runs something with the host's functions on the interpreter's main thread, for an application.
    fn call<R: Send + 'static>(
        &self,
        settings: &Settings,
        run: impl for<'py> FnOnce(Python<'py>, &Object<'py>) -> PyResult<'py, Result<R, Disagreement>>
        + Send
        + 'static,
    ) -> Result<R, LoadError> {
        let bootstrap = Arc::clone(&self.bootstrap);
        let name: Arc<str> = settings.name.as_str().into();
        let result = self.interpreter.run(None, move |py| {
            let _context = log::enter(&name);
            let bootstrap = bootstrap.get(py);
            let finish_lines = || {
                if log::take_unfinished() {
                    bootstrap.method("finish_lines")?.call([])?;
                }
                Ok(())
            };
            let done = run(py, bootstrap).and_then(|result| finish_lines().map(|()| result));
            done.map_err(|error| {
                let traceback = error.traceback();
                let extension = extension_in(py, bootstrap, &traceback).ok().flatten();
                (traceback, extension)
            })
        });
        let application = settings.name.clone();
        match result.ok_or(LoadError::Over)? {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(Disagreement(other, reason))) => {
                Err(LoadError::Disagreement { application, other, reason })
            }
            Err((_, Some((module, place)))) => Err(LoadError::Extension { application, module, place }),
            Err((traceback, None)) => {
                Err(LoadError::Import { application, app: settings.app.clone(), traceback })
            }
        }
    }

    /// Does what Python does at its end, and ends the interpreter if it is not the main one; false where `until` passes
    /// first.
    pub(super) fn leave(&self, until: Instant) -> bool {
        let left = || until.saturating_duration_since(Instant::now());
        let bootstrap = Arc::clone(&self.bootstrap);
        // A thread of an application's own leaves time for `atexit`.
        let for_threads = isize::try_from((left() / 2).as_millis()).unwrap_or(isize::MAX);
        let done = self.interpreter.run(Some(left()), move |py| {
            let leave = || bootstrap.get(py).method("leave")?.call([&py.int(for_threads)?]).map(drop);
            leave().map_err(|error: Exception<'_>| error.traceback())
        });
        if let Some(Err(traceback)) = &done {
            tracing::error!("Python failed while it was leaving\n{traceback}");
        }
        self.interpreter.end(left());
        matches!(done, Some(Ok(())))
    }
}

fn prepare<'py>(py: Python<'py>, environment: Option<&[String]>) -> PyResult<'py, (Kept, Classes)> {
    let mut bootstrap = py.none();
    for (name, source) in MODULES {
        bootstrap = py.module(name, source)?;
    }
    let environment = environment.map_or_else(|| Ok(py.none()), |environment| strings(py, environment))?;
    bootstrap.method("start")?.call([&log::sink(py)?, &keep(py)?, &disarmer(py)?, &environment])?;
    Ok((bootstrap.keep(), Classes::new(py)?))
}

fn import<'py>(
    py: Python<'py>,
    bootstrap: &Object<'py>,
    settings: &Settings,
    classes: Arc<Classes>,
) -> PyResult<'py, Result<Host, Disagreement>> {
    let folders = settings.path.iter().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
    let folders = strings(py, &texts_of(&folders.collect::<Vec<_>>()))?;
    let what = [&py.str(&settings.name)?, &py.str(&settings.app)?, &folders];
    if let Err(disagreement) = agreed(&bootstrap.method("enter")?.call(what)?)? {
        return Ok(Err(disagreement));
    }
    let middleware = strings(py, &settings.middleware)?;
    let of_application = bootstrap.method("of_application")?;
    let application = bootstrap.method("load")?.call(what).and_then(|application| {
        let wrapped = bootstrap.method("wrap")?.call([what[0], &application, &middleware, what[2]])?;
        Ok((application, wrapped))
    });
    let application = application.map_err(|error| error.shortened(&of_application));
    let none = py.none();
    // The application itself tells what it is, not what is around it.
    let found = application.as_ref().map_or(&none, |(application, _)| application);
    let settled = bootstrap.method("settle")?.call([found])?;
    // Where an import fails because of its neighbour, the traceback would not tell.
    if let Err(disagreement) = agreed(&settled)? {
        return Ok(Err(disagreement));
    }
    Ok(Ok(Host {
        name: settings.name.as_str().into(),
        template: template(py, bootstrap, &classes, settings)?,
        bootstrap: bootstrap.clone().keep(),
        file_wrapper: file_wrapper(py)?.keep(),
        callable: application?.1.keep(),
        classes,
    }))
}

fn template<'py>(
    py: Python<'py>,
    bootstrap: &Object<'py>,
    classes: &Classes,
    settings: &Settings,
) -> PyResult<'py, Template> {
    let errors = bootstrap.method("Lines")?.call([&log::sink(py)?, &py.str("wsgi.errors")?])?;
    let (file_wrapper, no_input) = (file_wrapper(py)?, classes.no_input(py)?);
    let facts = Facts {
        no_input: &no_input,
        errors: &errors,
        file_wrapper: &file_wrapper,
        multithread: settings.threads > 1,
        multiprocess: settings.multiprocess,
        variables: &settings.variables,
    };
    Template::new(py, facts)
}

fn file_wrapper(py: Python<'_>) -> PyResult<'_, Object<'_>> {
    py.import(c"wsgiref.util")?.method("FileWrapper")
}

/// The extension module that an import failed for, because it cannot be loaded into a second interpreter, and the place
/// that asks for it.
fn extension_in<'py>(
    py: Python<'py>,
    bootstrap: &Object<'py>,
    traceback: &str,
) -> PyResult<'py, Option<(String, String)>> {
    let found = bootstrap.method("refused_in")?.call([&py.str(traceback)?])?;
    if found.is_none() { Ok(None) } else { pair(&found).map(Some) }
}

/// `None`, or the other application and the reason.
fn agreed<'py>(found: &Object<'py>) -> PyResult<'py, Result<(), Disagreement>> {
    if found.is_none() {
        return Ok(Ok(()));
    }
    pair(found).map(|(other, reason)| Err(Disagreement(other, reason)))
}

fn pair<'py>(tuple: &Object<'py>) -> PyResult<'py, (String, String)> {
    let text = |at| tuple.tuple_item(at)?.text().map(str::to_owned);
    Ok((text(0)?, text(1)?))
}

fn texts_of(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.to_string_lossy().into_owned()).collect()
}

fn strings<'py>(py: Python<'py>, texts: &[String]) -> PyResult<'py, Object<'py>> {
    let list = py.list()?;
    for text in texts {
        list.append(&py.str(text)?)?;
    }
    Ok(list)
}

fn texts<'py>(list: &Object<'py>) -> PyResult<'py, Vec<String>> {
    (0..list.list_len()?).map(|at| list.list_item(at)?.text().map(str::to_owned)).collect()
}
