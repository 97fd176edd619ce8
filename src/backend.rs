//! (6) Who answers: one file, or folder, for each kind of backend.
//!
//! A new backend is one new file, which holds its settings and its `KIND`, its `mod` line and one row in
//! [`KINDS`].

mod fastcgi;
mod folder;
#[cfg(test)]
mod from_yaml;
mod http;
mod local_redirect;
mod redirect;
mod respond;
mod scgi;
mod static_files;
mod upstream;
mod uwsgi;
pub(crate) mod wsgi;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use vestibule_config::{Config, Diagnostic, Kind, Settings};
use vestibule_layers::BoxService;

pub use self::local_redirect::LocalRedirects;
use crate::listener::Door;
use crate::listener::owner::Login;

/// A kind of backend: what the configuration knows of it, and how its settings become a service.
pub struct BackendKind {
    /// Its name, summary, example and settings.
    pub kind: Kind,
    /// Builds the service. All that can fail fails here, before a request is there.
    pub build: fn(&Settings, &Context<'_>) -> Result<BoxService, Diagnostic>,
    /// How it runs in processes of its own, if it can.
    pub processes: Option<Processes>,
}

/// How a kind of backend runs in processes of its own (`application.rs`).
pub struct Processes {
    /// What the settings ask for; `None` where it runs in the workers.
    pub wanted: fn(&Settings) -> Option<Wanted>,
    /// Builds what such a process serves; the workers' `build` leads there.
    pub build: fn(&Settings, &Context<'_>) -> Result<BoxService, Diagnostic>,
}

/// The processes that an application asks for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// How many there are.
    pub count: usize,
    /// How many requests each of them takes at once.
    pub at_once: usize,
    /// How many more requests wait until one of them takes them.
    pub waiting: usize,
    /// The user and the group that they run as; those of the supervisor by default.
    pub user: Option<Login>,
    /// Their working directory; that of the supervisor by default.
    pub folder: Option<PathBuf>,
    /// What their environment has beside the supervisor's, or what is left of that for another user.
    pub env: Vec<(String, String)>,
    /// With more memory than this, in bytes, one is replaced.
    pub max_memory: Option<u64>,
}

/// What a backend may know of the gateway that it is built for.
pub struct Context<'a> {
    /// The name of the application, or of the route that holds the backend: for logs.
    pub name: &'a str,
    /// The whole configuration.
    pub config: &'a Config,
    /// How many cores serve requests: the size of what is kept per core (see [`crate::runtime::core`]).
    pub cores: usize,
    /// Answers what an application wants to have answered in its place.
    pub redirects: &'a LocalRedirects,
    /// The way to the processes of this application, if it has any; `None` where none are started, as for `check`.
    pub(crate) door: Option<Arc<Door>>,
}

/// Every kind of backend.
pub static KINDS: &[&BackendKind] = &[
    &wsgi::KIND,
    &static_files::KIND,
    &http::KIND,
    &fastcgi::KIND,
    &scgi::KIND,
    &uwsgi::KIND,
    &respond::KIND,
    &redirect::KIND,
];

/// Forwards requests that layers make to the hosts of their absolute URIs.
pub(crate) fn outside() -> BoxService {
    http::outside()
}

/// Ends what backends have started in this process (Python with its threads and `atexit` functions), once no request is left.
/// False where `deadline` was not enough. Blocks.
pub(crate) fn shutdown(deadline: Duration) -> bool {
    tower_wsgi::shutdown(deadline)
}

/// Waits until what backends have started in this process is worn out, and tells why: another worker should take over.
pub(crate) async fn worn_out() -> String {
    tower_wsgi::worn_out().await
}

/// Ends this process past what libraries of applications have left for its ordinary end: their threads may still run.
pub(crate) fn exit(status: u8) -> ! {
    tower_wsgi::exit(status)
}
