//! (6) Who answers: one file, or folder, for each kind of backend.
//!
//! A new backend is one new file, which holds its settings and its `KIND`, its `mod` line and one row in
//! [`KINDS`].

mod ajp;
mod background;
mod beneath;
mod cgi;
mod command;
mod fastcgi;
mod folder;
#[cfg(test)]
mod from_yaml;
mod http;
mod local_redirect;
pub(crate) mod processes;
mod redirect;
mod respond;
mod scgi;
mod script;
mod static_files;
mod upstream;
mod uwsgi;
pub(crate) mod wsgi;

use std::sync::Arc;
use std::time::Duration;

use vestibule_config::{Config, Diagnostic, Kind, Settings};
use vestibule_layers::BoxService;

pub use self::background::Background;
pub use self::local_redirect::LocalRedirects;
use self::processes::Wanted;
use crate::listener::Door;

/// A kind of backend: what the configuration knows of it, and how its settings become a service.
pub struct BackendKind {
    /// Its name, summary, example and settings.
    pub kind: Kind,
    /// Builds the service. All that can fail fails here, before a request is there.
    pub build: fn(&Settings, &Context<'_>) -> Result<BoxService, Diagnostic>,
    /// The processes of its own that its settings ask for, if it can have some.
    pub processes: Option<fn(&Settings) -> Option<Wanted>>,
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
    /// Takes what is to be done beside the requests.
    pub background: &'a Background,
    /// The way to the processes of this application, if it has any; `None` where none are started, as for `check`.
    pub(crate) door: Option<Arc<Door>>,
}

/// Every kind of backend.
pub static KINDS: &[&BackendKind] = &[
    &wsgi::KIND,
    &static_files::KIND,
    &http::KIND,
    &fastcgi::KIND,
    &cgi::KIND,
    &scgi::KIND,
    &uwsgi::KIND,
    &ajp::KIND,
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

/// Waits until what backends and layers have started in this process is worn out, and tells why: another worker should take over.
pub(crate) async fn worn_out() -> String {
    tokio::select! {
        why = tower_wsgi::worn_out() => why,
        why = vestibule_layers::worn_out() => why,
    }
}

/// Ends this process past what libraries of applications have left for its ordinary end: their threads may still run.
pub(crate) fn exit(status: u8) -> ! {
    tower_wsgi::exit(status)
}
