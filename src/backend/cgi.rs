//! Runs a program for each request: CGI/1.1 (RFC 3875).
//!
//! ```yaml
//! apps:
//!   forms: { cgi: { root: cgi-bin } }
//!   tools: { cgi: { root: tools, index: index.pl, interpreters: { .pl: /usr/bin/perl } } }
//! ```
//!
//! The path names a program beneath `root` ([`script`](super::script)); what follows it is PATH_INFO. Nothing outside of the
//! folder is run, and nothing whose name begins with a dot. A program needs its execute bit, or an interpreter by its ending. It
//! runs in its own folder and in a process group of its own, without arguments, with an environment of the request's variables
//! and what `pass_env` lists ([`start`]). Bodies stream both ways; one of unknown length is kept until its end, as the program is
//! told its length first. What it writes to stderr goes to the log, with the number of the request.
//!
//! The answer ends when its Content-Length is reached, else with the program or its stdout: children that it leaves behind are
//! not waited for, nor ended. A program that dies by a signal in the middle of an answer aborts it. One whose client has left,
//! or that says nothing for `timeout`, is ended with all its group: SIGTERM, then SIGKILL ([`keeper`]).

mod failure;
mod keeper;
mod pipes;
mod start;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::header::CONTENT_LENGTH;
use http_body::Body as _;
use http_environ::View;
use http_environ::answer as cgi;
use vestibule_config::{Diagnostic, Kind, Reader, Settings as Checked, Spanned, sets_nothing};
use vestibule_layers::places::Places;
use vestibule_layers::{BoxService, Request, Response};

use self::failure::Failure;
use self::keeper::Keeping;
use self::start::Program;
use super::beneath::{Root, RootError};
use super::script::{Eye, Found, Names, Script, Scripts};
use super::upstream::connection::Connection;
use super::upstream::exchange::Exchange;
use super::upstream::single_use::answer::{self, ReadHead};
use super::upstream::upload::{Framing, Upload};
use super::upstream::{Reply, header_bytes, spool, wait};
use super::{BackendKind, Context, LocalRedirects, folder};

pub(super) static KIND: BackendKind = BackendKind {
    kind: Kind {
        name: "cgi",
        summary: "runs a program for each request (CGI)",
        example: "cgi: { root: /usr/lib/cgi-bin }",
        read: |reader| Checked::new(Settings::read(reader)),
        sets: sets_nothing,
    },
    build: |settings, context| build(settings.get(), context),
    processes: None,
};

/// Each is a process, with whatever memory it needs.
const MOST_PROCESSES: usize = 10_000;

struct Settings {
    /// The folder of the programs.
    root: Spanned<PathBuf>,
    /// The program that answers for a folder; by default none does.
    index: Option<Spanned<String>>,
    /// What runs programs of an ending, as in `{ .pl: /usr/bin/perl }`; these need no execute bit.
    interpreters: Vec<(Spanned<String>, Spanned<String>)>,
    /// Which variables of the gateway's own environment a program gets, beside those of the request; PATH by default.
    pass_env: Vec<String>,
    /// How many programs run at once in each worker; 64 by default.
    processes: usize,
    /// How many requests wait for their turn, no longer than `timeout`, 128 by default; more are answered 503.
    queue: usize,
    /// How long to wait for the answer, then for each next piece of it, and then for the program's end; 60s by default.
    timeout: Duration,
    /// How long a program that is to end has from SIGTERM to SIGKILL; 5s by default.
    kill_after: Duration,
    /// The largest head of an answer; 64KiB by default.
    header_bytes: usize,
}

impl Settings {
    fn read(reader: &mut Reader<'_>) -> Self {
        let settings = Self {
            root: reader.required("root"),
            index: reader.optional("index"),
            interpreters: reader.pairs("interpreters"),
            pass_env: reader.or("pass_env", vec!["PATH".to_owned()]),
            processes: processes(reader),
            queue: reader.or("queue", 128),
            timeout: wait(reader, "timeout", Duration::from_secs(60)),
            kill_after: wait(reader, "kill_after", Duration::from_secs(5)),
            header_bytes: header_bytes(reader),
        };
        if let Some(index) = &settings.index
            && (matches!(index.as_str(), "" | "." | "..") || index.contains('/'))
        {
            reader.mistake(&index.place, format!("`{}` is not the name of a file", **index));
        }
        for (ending, program) in &settings.interpreters {
            if !ending.starts_with('.') || ending.contains('/') {
                reader.mistake(
                    &ending.place,
                    format!("`{}` is not the ending of a name, such as .pl", **ending),
                );
            }
            if !program.starts_with('/') {
                reader
                    .mistake(&program.place, "an interpreter is named by its whole path")
                    .help("for instance /usr/bin/perl");
            }
        }
        settings
    }
}

fn processes(reader: &mut Reader<'_>) -> usize {
    const DEFAULT: usize = 64;
    let Some(given) = reader.optional::<Spanned<usize>>("processes") else { return DEFAULT };
    if (1..=MOST_PROCESSES).contains(&given.value) {
        return given.value;
    }
    reader.mistake(&given.place, format!("`processes` must be between 1 and {MOST_PROCESSES}"));
    DEFAULT
}

fn build(settings: &Settings, context: &Context<'_>) -> Result<BoxService, Diagnostic> {
    for (_, program) in &settings.interpreters {
        if !Path::new(&**program).is_file() {
            let message = format!("no interpreter `{}`", **program);
            return Err(Diagnostic::error(message).at(&program.place));
        }
    }
    let interpreter = |(ending, program): &(Spanned<String>, Spanned<String>)| {
        (ending.value.clone(), PathBuf::from(&**program))
    };
    let passed = |name: &String| Some((OsString::from(name), std::env::var_os(name)?));
    let application = Arc::new(Application {
        scripts: scripts(settings)?,
        interpreters: settings.interpreters.iter().map(interpreter).collect(),
        passed: settings.pass_env.iter().filter_map(passed).collect(),
        places: Places::new(settings.processes, settings.queue, settings.timeout),
        keeping: Keeping {
            application: context.name.into(),
            timeout: settings.timeout,
            kill_after: settings.kill_after,
        },
        header_bytes: settings.header_bytes,
        redirects: context.redirects.clone(),
    });
    Ok(BoxService::from_fn(move |request| Arc::clone(&application).answer(request)))
}

fn scripts(settings: &Settings) -> Result<Scripts, Diagnostic> {
    let refused = |error: RootError| match error {
        RootError::Folder(_) => Diagnostic::error(format!("no folder `{}`", settings.root.display())),
        kernel @ RootError::Kernel(_) => Diagnostic::error(kernel.to_string()),
    };
    let folder = std::path::absolute(&*settings.root).map_err(RootError::Folder);
    let opened = folder.and_then(|folder| Root::open(&folder).map(|root| (folder, root)));
    let (folder, root) = opened.map_err(|error| refused(error).at(&settings.root.place))?;
    let index = settings.index.as_ref().map(|index| index.value.clone());
    let names = Names { index, endings: None, fallback: None };
    Ok(Scripts::new(folder, names, Eye::Beneath(root)))
}

/// A folder of programs.
struct Application {
    scripts: Scripts,
    interpreters: Vec<(String, PathBuf)>,
    passed: Vec<(OsString, OsString)>,
    places: Places,
    keeping: Keeping,
    header_bytes: usize,
    redirects: LocalRedirects,
}

impl Application {
    async fn answer(self: Arc<Self>, mut request: Request) -> Response {
        let view = View::of(&request);
        let id = view.environ().request_id.clone();
        let script = match self.scripts.find(view.environ().path().path_info()).await {
            Found::Script(script) => script,
            Found::Folder => return folder::redirect(&view),
            Found::Nothing => return Failure::NotFound.rescue(&id, &self.keeping.application),
        };
        match self.run(&script, &mut request).await {
            Ok(Reply::Answer(answer)) => answer,
            Ok(Reply::Local(target)) => self.redirects.follow(request, &target).await,
            Err(failure) => failure.rescue(&id, &self.keeping.application),
        }
    }

    /// Runs a program and waits for the head of its answer.
    async fn run(&self, script: &Script, request: &mut Request) -> Result<Reply, Failure> {
        let body = std::mem::take(request.body_mut());
        let (body, length) = if body.is_end_stream() { (body, 0) } else { spool::with_length(body).await? };
        if length > 0 || request.headers().contains_key(CONTENT_LENGTH) {
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        let view = View::of(request);
        let program = self.program(script, &view)?;
        let path = program.path().display().to_string();
        let place = self.places.enter().await?;
        let id = view.environ().request_id.clone();
        let pipes = keeper::start(program, length, &self.keeping, id, place).await;
        let pipes = pipes.map_err(|source| Failure::Start { program: path.clone(), source })?;
        let connection = Connection::on(pipes, self.keeping.timeout);
        let mut exchange =
            Exchange::new(Box::new(connection), Upload::new(Vec::new(), body, Framing::Length(length)));
        match answer::head(&mut exchange, read_head(script), self.header_bytes).await {
            Ok(head) => Ok(answer::reply(head, exchange, request.method()).await),
            Err(failure) => {
                Err(Failure::Exchange { ended: exchange.line().ended(), source: failure.at(&path) })
            }
        }
    }

    /// The program that answers a request, with its environment.
    fn program(&self, script: &Script, view: &View<'_>) -> Result<Program, Failure> {
        let path = PathBuf::from(OsStr::from_bytes(&[self.scripts.root(), &script.path].concat()));
        let ends = |ending: &str| script.path.ends_with(ending.as_bytes());
        let interpreter =
            self.interpreters.iter().find(|(ending, _)| ends(ending)).map(|(_, program)| program);
        let mut program = Program::new(path, interpreter.cloned(), &self.passed);
        let mut nul = None;
        self.scripts.variables(script, view, &mut |name, value| {
            if name.contains(&0) || value.contains(&0) {
                nul = Some(String::from_utf8_lossy(name).into_owned());
            }
            program.set(name, value);
        });
        nul.map_or(Ok(program), |name| Err(Failure::Nul(name)))
    }
}

/// A program whose name begins with `nph-` gives a whole HTTP answer (RFC 3875 section 5).
fn read_head(script: &Script) -> ReadHead {
    let name = script.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    if name.starts_with(b"nph-") { cgi::read_non_parsed } else { cgi::read }
}
