//! A WSGI application (PEP 3333) in this process, in an embedded CPython: Django, Flask, or any callable.
//!
//! ```yaml
//! python: .venv
//! apps:
//!   shop: { wsgi: { app: "shop.wsgi:application", path: shop } }
//!   blog: { wsgi: { app: "blog:create_app()", path: blog, threads: 8, queue: 256 } }
//! ```
//!
//! Several applications stand side by side in one interpreter, each with threads and a queue of its own, so that a slow
//! one does not delay the others; `isolation: interpreter` gives one an interpreter of its own, `isolation: process`
//! ([`process`]) processes. An application that does
//! not import stops the start, with its traceback; so does one that its neighbours could be mixed up with.

mod process;
mod sendfile;

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, ready};
use std::time::Duration;

use http_environ::RequestId;
use tower_wsgi::{Application, GatherError, InputMode, Isolation, LoadError, ResponseFuture, WsgiError};
use vestibule_config::{
    Component, Config, Diagnostic, Kind, Reader, Settings as Checked, Spanned, sets_nothing,
};
use vestibule_layers::{Answer, Body, BoxService, Cause, Request, Response, rescue};

use self::process::Process;
use self::sendfile::{Handover, Sendfile};
use super::{BackendKind, Context};

pub(super) static KIND: BackendKind = BackendKind {
    kind: Kind {
        name: "wsgi",
        summary: "runs a WSGI application, in this process or in some of its own",
        example: "wsgi: { app: \"shop.wsgi:application\", path: shop }",
        read: |reader| Checked::new(Settings::read(reader)),
        sets: sets_nothing,
    },
    build: |settings, context| build(settings.get(), context),
    processes: Some(|settings| {
        let settings: &Settings = settings.get();
        Some(settings.process.as_ref()?.wanted(settings.threads, settings.queue))
    }),
};

struct Settings {
    /// What is imported: `module:attribute`, `module:factory()`, or a file, `site.py:application`.
    app: Spanned<String>,
    /// Python middleware around it, in the form of `app`; each is called with what it wraps. The first is the outermost.
    middleware: Vec<Spanned<String>>,
    /// Files that the application names by `X-Sendfile` are left to nginx.
    sendfile: Option<Sendfile>,
    /// Folders that come first on `sys.path`; by default the folder of the configuration.
    path: Vec<Spanned<PathBuf>>,
    /// The virtualenv or interpreter; by default that of the whole gateway.
    python: Option<Spanned<PathBuf>>,
    /// How many requests it answers at once; 4 by default.
    threads: usize,
    /// How many requests may wait for a thread; 512 by default. More are answered 503.
    queue: usize,
    /// How long it may take until its answer begins; 60s by default, 0s for any time. Then the client gets 504, the log
    /// tells where the thread stands, and another thread takes its place.
    timeout: Option<Duration>,
    /// Whether an exception (no `Exception`, but a `BaseException`) is raised in a request that is over its `timeout`.
    interrupt: bool,
    /// How many threads may take the place of those that do not come back; as many as `threads` by default. When they are
    /// used up, the worker is replaced.
    spare_threads: usize,
    /// After how many requests of this application the worker is replaced; never by default.
    max_requests: Option<u64>,
    /// How bodies over 64 KiB reach it: `auto` streams those that come quickly and spools the others to a temporary file,
    /// `stream` and `spool` do the one or the other always.
    input: InputMode,
    /// What it shares with others: `shared` (the default) is one interpreter with all of this kind, `interpreter` one of its
    /// own (Python 3.13 or later).
    isolation: Isolation,
    /// Variables that join the environ of its requests, before those of the whole gateway; with an interpreter or processes
    /// of its own they stand in `os.environ`, too.
    env: Vec<(String, String)>,
    /// The processes that it runs in, with `isolation: process`.
    process: Option<Process>,
}

impl Settings {
    fn read(reader: &mut Reader<'_>) -> Self {
        let app: Spanned<String> = reader.required("app");
        let own_folder = Spanned::new(folder_of(&app), app.place.clone());
        let path = reader.or("path", vec![own_folder]);
        let middleware = reader.or("middleware", Vec::new());
        let sendfile = reader.section("sendfile", Sendfile::read);
        let python = reader.optional("python");
        let threads = count(reader, "threads", 4, MOST_THREADS);
        let queue = count(reader, "queue", 512, MOST_WAITING);
        let timeout = reader.or("timeout", Duration::from_secs(60));
        let timeout = (!timeout.is_zero()).then_some(timeout);
        let interrupt = reader.or("interrupt", false);
        let spare_threads = spare_threads(reader, threads);
        let max_requests = max_requests(reader);
        let modes = [("auto", InputMode::Auto), ("stream", InputMode::Stream), ("spool", InputMode::Spool)];
        let input = reader.one_of("input", &modes, InputMode::Auto);
        let isolations = [
            ("shared", (Isolation::Shared, false)),
            ("interpreter", (Isolation::Interpreter, false)),
            ("process", (Isolation::Shared, true)),
        ];
        let (isolation, is_process) = reader.one_of("isolation", &isolations, isolations[0].1);
        let env = vestibule_config::read_env(reader, http_environ::is_standard);
        let process = Process::read(reader, is_process, &env);
        Self {
            app,
            middleware,
            sendfile,
            path,
            python,
            threads,
            queue,
            timeout,
            interrupt,
            spare_threads,
            max_requests,
            input,
            isolation,
            env,
            process,
        }
    }

    fn as_loaded(&self, name: &str, config: &Config) -> tower_wsgi::Settings {
        let python = self.python.as_ref().or(config.python.as_ref());
        tower_wsgi::Settings {
            middleware: self.middleware.iter().map(target).collect(),
            path: self.path.iter().map(|folder| folder.value.clone()).collect(),
            python: python.map(|python| python.value.clone()),
            threads: self.threads,
            queue: self.queue,
            timeout: self.timeout,
            interrupt: self.interrupt,
            spare_threads: self.spare_threads,
            max_requests: self.max_requests,
            input: self.input,
            multiprocess: self.process.as_ref().map_or(config.workers > 1, Process::are_several),
            is_alone: self.process.is_some(),
            isolation: self.isolation,
            variables: self.env.clone(),
            ..tower_wsgi::Settings::new(name, target(&self.app))
        }
    }
}

/// How an application of this kind is loaded, where the component is one.
pub(crate) fn as_loaded(component: &Component, name: &str, config: &Config) -> Option<tower_wsgi::Settings> {
    let is_wsgi = std::ptr::eq(component.kind, &raw const KIND.kind);
    is_wsgi.then(|| component.settings.get::<Settings>().as_loaded(name, config))
}

/// The folder of the file that names the application. That of a bare file name is the empty path, which nothing opens.
fn folder_of(app: &Spanned<String>) -> PathBuf {
    let folder = app.place.folder();
    if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() }
}

/// As `app` is written, but a file starts from the folder of the configuration, like every path.
fn target(app: &Spanned<String>) -> String {
    let module = app.split_once(':').map_or(app.as_str(), |(module, _)| module);
    if module.contains('/') || Path::new(module).extension().is_some_and(|ending| ending == "py") {
        app.place.folder().join(app.as_str()).to_string_lossy().into_owned()
    } else {
        app.value.clone()
    }
}

/// Each thread is a stack of 16 MiB, and each request that may wait has its place: beyond these, a start would fail for
/// want of memory, and not by a word.
const MOST_THREADS: usize = 1_000;
const MOST_WAITING: usize = 100_000;

/// A number from 1 to `most`.
fn count(reader: &mut Reader<'_>, key: &'static str, default: usize, most: usize) -> usize {
    let Some(count) = reader.optional::<Spanned<usize>>(key) else { return default };
    if !(1..=most).contains(&count.value) {
        reader.mistake(&count.place, format!("`{key}` is from 1 to {most}"));
    }
    count.value
}

fn spare_threads(reader: &mut Reader<'_>, threads: usize) -> usize {
    let Some(spare) = reader.optional::<Spanned<usize>>("spare_threads") else { return threads };
    if spare.value > MOST_THREADS {
        reader.mistake(&spare.place, format!("`spare_threads` is {MOST_THREADS} at most"));
    }
    spare.value
}

fn max_requests(reader: &mut Reader<'_>) -> Option<u64> {
    let most = reader.optional::<Spanned<u64>>("max_requests")?;
    if most.value == 0 {
        reader.mistake(&most.place, "`max_requests` is 1 at least");
    }
    Some(most.value)
}

fn build(settings: &Settings, context: &Context<'_>) -> Result<BoxService, Diagnostic> {
    if settings.process.is_some() {
        process::client(context, settings.input == InputMode::Stream, settings.timeout)
    } else {
        in_this_process(settings, context)
    }
}

fn in_this_process(settings: &Settings, context: &Context<'_>) -> Result<BoxService, Diagnostic> {
    let sendfile = settings.sendfile.as_ref().map(Sendfile::build).transpose()?;
    if let Some(missing) = settings.path.iter().find(|folder| !folder.is_dir()) {
        return Err(Diagnostic::error(format!("no folder `{}`", missing.display())).at(&missing.place));
    }
    tower_wsgi::before_exit(crate::logs::flush);
    let application = Application::load(settings.as_loaded(context.name, context.config));
    let python = settings.python.as_ref().or(context.config.python.as_ref());
    let application = application.map_err(|error| diagnostic(&error, settings, python))?;
    let sendfile = sendfile.map(Arc::new);
    Ok(BoxService::from_answering(move |request| answer(&application, sendfile.clone(), request)))
}

fn diagnostic(error: &LoadError, settings: &Settings, python: Option<&Spanned<PathBuf>>) -> Diagnostic {
    let place = match (error, python) {
        (
            LoadError::Discover(_)
            | LoadError::Start { .. }
            | LoadError::OtherVersion { .. }
            | LoadError::NoSubInterpreters { .. },
            Some(python),
        ) => &python.place,
        _ => &settings.app.place,
    };
    let text = rescue::chain(error);
    let diagnostic = Diagnostic::error_in_lines(&text).at(place);
    if text.contains("ModuleNotFoundError") {
        let folders: Vec<_> = settings.path.iter().map(|folder| format!("`{}`", folder.display())).collect();
        let packages = python.map_or_else(|| "Python".into(), |python| format!("`{}`", python.display()));
        let folders = folders.join(", ");
        return diagnostic.help(format!(
            "modules are looked for in {folders}, then in the packages of {packages}; `path` and `python` name others"
        ));
    }
    diagnostic
}

fn answer(application: &Application, sendfile: Option<Arc<Handover>>, request: Request) -> Answer {
    let id = http_environ::View::of(&request).environ().request_id.clone();
    Box::pin(Answering { answer: application.answer(request), id, sendfile })
}

/// The answer to one request. An `async` block would move what it waits for before it waits.
struct Answering {
    answer: ResponseFuture,
    id: RequestId,
    sendfile: Option<Arc<Handover>>,
}

impl Future for Answering {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Response> {
        let answer = match ready!(Pin::new(&mut self.answer).poll(context)) {
            Ok(answer) => answer,
            Err(error) => return Poll::Ready(rescue(&self.id, cause(&error), &error)),
        };
        let answer = answer.map(|body| body.into_full().map_or_else(Body::boxed, Body::from));
        Poll::Ready(match self.sendfile.take() {
            None => answer,
            Some(sendfile) => sendfile
                .apply(answer)
                .unwrap_or_else(|error| rescue(&self.id, Cause::ApplicationError, &error)),
        })
    }
}

fn cause(error: &WsgiError) -> Cause {
    match error {
        WsgiError::QueueFull(_) | WsgiError::NotBegun(..) => Cause::Busy,
        WsgiError::TooSlow(..) => Cause::GatewayTimeout,
        WsgiError::Draining(_) => Cause::Draining,
        WsgiError::Body(GatherError::Body(source)) => rescue::cause_of_body(&**source),
        WsgiError::ApplicationFailed(_) | WsgiError::Body(_) => Cause::ApplicationError,
    }
}
