//! Forwards requests to an application that speaks FastCGI: php-fpm, or any other responder.
//!
//! ```yaml
//! apps:
//!   wiki: { fastcgi: { address: "unix:/run/php/php-fpm.sock", root: /srv/wiki, fallback: index.php } }
//!   c:    { fastcgi: { address: "127.0.0.1:9000" } }
//! ```
//!
//! With a `root`, the path names a script beneath it ([`script`](super::script)), and the application gets `SCRIPT_FILENAME`; an application
//! without one gets the path as every other does. Bodies stream both ways, as fast as the slower side takes them; one of
//! unknown length is kept until its end, as the application is told its length first. What the application writes to stderr
//! goes to the log, with the number of the request. What it does wrong before its answer begins is 502, 503 or 504; an
//! answer that breaks off later, or whose end never comes, is aborted.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_environ::View;
use vestibule_config::{Diagnostic, Kind, Reader, Settings as Checked, Spanned, sets_nothing};
use vestibule_layers::{BoxService, Cause, Request, Response, rescue};

use super::command::Takes;
use super::script::{Eye, Found, Names, NotFound, Scripts};
use super::upstream::failure::Failure;
use super::upstream::fastcgi::{Client, Limits};
use super::upstream::target::Target;
use super::upstream::{Reply, header_bytes, wait};
use super::{BackendKind, Context, LocalRedirects, folder};

pub(super) static KIND: BackendKind = BackendKind {
    kind: Kind {
        name: "fastcgi",
        summary: "forwards requests to a FastCGI application, such as php-fpm",
        example: "fastcgi: { address: \"unix:/run/php/php-fpm.sock\", root: /srv/www }",
        read: |reader| Checked::new(Settings::read(reader)),
        sets: sets_nothing,
    },
    build: |settings, context| build(settings.get(), context),
    processes: Some(|settings| settings.get::<Settings>().target.as_ref()?.wanted()),
};

struct Settings {
    /// Where the application listens: `HOST:PORT` or `unix:PATH`, or else a `command` that starts it.
    target: Option<Target>,
    /// The folder of the scripts, for the application, too. Without it, the application is asked without a script.
    root: Option<Spanned<PathBuf>>,
    /// The script that answers for a folder; index.php by default.
    index: Spanned<String>,
    /// How names of scripts end; what follows in a path is PATH_INFO. [.php] by default.
    split: Vec<Spanned<String>>,
    /// The script, beneath `root`, that answers where there is none; by default the answer is 404.
    fallback: Option<Spanned<String>>,
    /// How long a connection may take to open; 5s by default.
    connect_timeout: Duration,
    /// How long to wait for the answer, and then for each next piece of it; 60s by default.
    timeout: Duration,
    /// How long a connection is kept for another request; 1s by default. Each holds a process of php-fpm.
    idle_timeout: Duration,
    /// How many unused connections a core keeps, 8 by default; with 0, each request has a connection of its own.
    idle_connections: usize,
    /// The largest head of an answer; 64KiB by default.
    header_bytes: usize,
}

impl Settings {
    fn read(reader: &mut Reader<'_>) -> Self {
        let place = reader.place();
        let settings = Self {
            target: Target::read(reader, Takes::PathOrStdin),
            root: reader.optional("root"),
            index: reader.or("index", Spanned::new("index.php".to_owned(), place.clone())),
            split: reader.or("split", vec![Spanned::new(".php".to_owned(), place)]),
            fallback: reader.optional("fallback"),
            connect_timeout: wait(reader, "connect_timeout", Duration::from_secs(5)),
            timeout: wait(reader, "timeout", Duration::from_secs(60)),
            idle_timeout: wait(reader, "idle_timeout", Duration::from_secs(1)),
            idle_connections: reader.or("idle_connections", 8),
            header_bytes: header_bytes(reader),
        };
        settings.check(reader);
        settings
    }

    fn check(&self, reader: &mut Reader<'_>) {
        let is_name =
            |name: &str| !name.is_empty() && name.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !is_name(&self.index) || self.index.contains('/') {
            reader.mistake(&self.index.place, format!("`{}` is not the name of a file", *self.index));
        }
        for ending in self.split.iter().filter(|ending| !ending.starts_with('.') || ending.contains('/')) {
            reader
                .mistake(&ending.place, format!("`{}` is not the ending of a name, such as .php", **ending));
        }
        let Some(fallback) = &self.fallback else { return };
        if !is_name(fallback) {
            let message = format!("`{}` is not the path of a script beneath `root`", **fallback);
            reader.mistake(&fallback.place, message).help("for instance index.php");
        } else if self.root.is_none() {
            reader.mistake(&fallback.place, "`fallback` needs a `root`");
        }
    }
}

fn build(settings: &Settings, context: &Context<'_>) -> Result<BoxService, Diagnostic> {
    let target = settings.target.as_ref().ok_or_else(|| Diagnostic::error("no address was read"))?;
    let address = target.address(context)?;
    let limits = Limits {
        connect_timeout: settings.connect_timeout,
        timeout: settings.timeout,
        head_timeout: None,
        idle_timeout: settings.idle_timeout,
        idle_connections: settings.idle_connections,
        header_bytes: settings.header_bytes,
        is_body_first: false,
        asks_for_body: false,
    };
    let application = Arc::new(Application {
        client: Client::new(context.name, address, limits, context.cores),
        scripts: settings.root.as_ref().map(|root| scripts(root, settings)).transpose()?,
        redirects: context.redirects.clone(),
    });
    Ok(BoxService::from_fn(move |request| Arc::clone(&application).answer(request)))
}

fn scripts(root: &Spanned<PathBuf>, settings: &Settings) -> Result<Scripts, Diagnostic> {
    let missing = || Diagnostic::error(format!("no folder `{}`", root.display())).at(&root.place);
    let folder = std::path::absolute(&**root).ok().filter(|folder| folder.is_dir()).ok_or_else(missing)?;
    let names = Names {
        index: Some(settings.index.value.clone()),
        endings: Some(settings.split.iter().map(|ending| ending.value.clone()).collect()),
        fallback: settings.fallback.as_ref().map(|fallback| fallback.value.clone()),
    };
    Ok(Scripts::new(folder, names, Eye::Following(Mutex::default())))
}

/// An application and its scripts.
struct Application {
    client: Client,
    scripts: Option<Scripts>,
    redirects: LocalRedirects,
}

impl Application {
    /// No `async fn`: its future would have room for the arguments twice, and be beyond what is allocated fast.
    fn answer(self: Arc<Self>, mut request: Request) -> impl Future<Output = Response> {
        let id = View::of(&request).environ().request_id.clone();
        async move {
            match self.forward(&mut request).await {
                Ok(Reply::Answer(answer)) => answer,
                // Boxed: hardly any answer is one.
                Ok(Reply::Local(target)) => Box::pin(self.redirects.follow(request, &target)).await,
                Err(failure) => failure.rescue(&id, self.client.name()),
            }
        }
    }

    /// Finds the script, and sends it the request.
    async fn forward(&self, request: &mut Request) -> Result<Reply, Failure> {
        let view = View::of(request);
        let script = match &self.scripts {
            None => None,
            Some(scripts) => match scripts.find(view.environ().path().path_info()).await {
                Found::Script(script) => Some(script),
                Found::Folder => return Ok(Reply::Answer(folder::redirect(&View::of(request)))),
                Found::Nothing => {
                    let answer = rescue(&view.environ().request_id, Cause::NotFound, &NotFound);
                    return Ok(Reply::Answer(answer));
                }
            },
        };
        let variables = |view: &View<'_>, add: &mut dyn FnMut(&[u8], &[u8])| match (&self.scripts, &script) {
            (Some(scripts), Some(script)) => scripts.variables(script, view, add),
            _ => view.for_each(|name, value| add(name.as_bytes(), value)),
        };
        self.client.send(request, variables).await
    }
}
