//! Where stylesheets and documents come from while requests are answered: folders, routes of the gateway, other hosts.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::HOST;
use http::request::Parts;
use http_environ::{RequestPath, View};
use tokio::sync::Semaphore;
use tower_xslt::{Fetched, Fetching, FindSheet, Policy, Stylesheet, XsltError, resolve};

use super::files::Files;
use super::recent::Recent;
use super::sheets::{Address, Place, is_under};
use super::store::Store;

/// How many compiled sheets of routes and hosts are kept.
const KEPT: usize = 64;

/// Of how many documents a fetched sheet may be made, itself included.
const MOST_PARTS: usize = 32;

/// The sheets that documents may name.
pub(super) struct Library {
    places: Vec<Place>,
    files: Arc<Files>,
    store: Arc<Store>,
    policy: Policy,
    compiled: Mutex<Recent<String, Compiled>>,
    /// One sheet is compiled at a time: those who wait for the same one find it done.
    compiling: Semaphore,
}

/// A sheet that was fetched, and what it was made of.
#[derive(Clone)]
struct Compiled {
    stylesheet: Stylesheet,
    parts: Fetched,
}

impl Library {
    /// A library of these places. Sheets of folders may import from all of the folders.
    pub(super) fn new(places: Vec<Place>, policy: Policy, store: Arc<Store>) -> Self {
        let folder = |place: &Place| if let Place::Folder(path) = place { Some(path.clone()) } else { None };
        let mut own = policy.clone();
        own.folders.extend(places.iter().filter_map(folder).collect::<Vec<PathBuf>>());
        // What was fetched reads no files but those of the folders that the setting lists.
        Self {
            places,
            files: Arc::new(Files::new(own)),
            store,
            policy,
            compiled: Mutex::new(Recent::new(KEPT)),
            compiling: Semaphore::new(1),
        }
    }

    /// The sheets that are kept.
    pub(super) fn stylesheets(&self) -> Vec<Stylesheet> {
        let mut all = self.files.stylesheets();
        all.extend(self.lock().values().map(|compiled| compiled.stylesheet.clone()));
        all
    }

    async fn find_sheet(&self, href: &str, client: &Parts) -> Result<Stylesheet, XsltError> {
        let (base, host, prefix) = page(client);
        let uri = resolve(&base, href);
        let address = Address::of(&uri, &host, &prefix);
        for place in &self.places {
            match (place, &address) {
                (Place::Folder(folder), Address::Own(path)) => {
                    if let Some(stylesheet) = self.in_folder(folder.clone(), path).await? {
                        return Ok(stylesheet);
                    }
                }
                (Place::Route(_), Address::Own(path)) if admits(place, &format!("route:{path}")) => {
                    return self.fetched(&format!("route:{path}"), client).await;
                }
                (Place::Host(..), Address::Foreign(uri)) if admits(place, uri) => {
                    return self.fetched(uri, client).await;
                }
                _ => {}
            }
        }
        Err(XsltError::PolicyDenied { uri })
    }

    /// The sheet in a folder, by a thread that may block.
    async fn in_folder(&self, folder: PathBuf, path: &str) -> Result<Option<Stylesheet>, XsltError> {
        let Ok(path) = RequestPath::parse(path.split('?').next().unwrap_or_default()) else {
            return Ok(None);
        };
        let files = Arc::clone(&self.files);
        let found = tokio::task::spawn_blocking(move || files.sheet(&folder, &path)).await;
        found.unwrap_or(Err(XsltError::Panicked))
    }

    /// The sheet of a route or a host: as it was compiled last, if all that it was made of is still the same.
    async fn fetched(&self, uri: &str, client: &Parts) -> Result<Stylesheet, XsltError> {
        let mut parts = vec![(uri.to_owned(), self.store.document(uri, client).await?)];
        if let Some(stylesheet) = self.unchanged(uri, &mut parts, client).await? {
            return Ok(stylesheet);
        }
        // It is never closed; were it, sheets would be compiled side by side.
        let _alone = self.compiling.acquire().await;
        if let Some(stylesheet) = self.unchanged(uri, &mut parts, client).await? {
            return Ok(stylesheet);
        }
        loop {
            let fetched: Fetched = parts.iter().cloned().collect();
            match self.compile(uri, fetched.clone()).await {
                Ok(stylesheet) => {
                    let compiled = Compiled { stylesheet: stylesheet.clone(), parts: fetched };
                    self.lock().put(uri.to_owned(), compiled);
                    return Ok(stylesheet);
                }
                Err(XsltError::NotFetched { uri }) => {
                    if parts.len() >= MOST_PARTS || !self.places.iter().any(|place| admits(place, &uri)) {
                        return Err(XsltError::PolicyDenied { uri });
                    }
                    let document = self.store.document(&uri, client).await?;
                    parts.push((uri, document));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The sheet as it was compiled last, if it was made of what is there now. What was fetched for the answer joins `parts`.
    async fn unchanged(
        &self,
        uri: &str,
        parts: &mut Vec<(String, Bytes)>,
        client: &Parts,
    ) -> Result<Option<Stylesheet>, XsltError> {
        let Some(compiled) = self.lock().get(&uri.to_owned()).cloned() else { return Ok(None) };
        for part in compiled.stylesheet.fetched() {
            if !parts.iter().any(|(known, _)| known == part) {
                let document = self.store.document(part, client).await?;
                parts.push((part.clone(), document));
            }
        }
        let is_same = |part: &String| {
            let now = parts.iter().find(|(known, _)| known == part).map(|(_, document)| document);
            now == compiled.parts.get(part)
        };
        Ok(compiled.stylesheet.fetched().iter().all(is_same).then_some(compiled.stylesheet))
    }

    async fn compile(&self, uri: &str, fetched: Fetched) -> Result<Stylesheet, XsltError> {
        let (uri, policy) = (uri.to_owned(), self.policy.clone());
        let compiled =
            tokio::task::spawn_blocking(move || Stylesheet::compile_fetched(&uri, &fetched, &policy)).await;
        compiled.unwrap_or(Err(XsltError::Panicked))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Recent<String, Compiled>> {
        self.compiled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FindSheet for Library {
    fn find<'a>(&'a self, href: &'a str, request: &'a Parts) -> Fetching<'a, Stylesheet> {
        Box::pin(self.find_sheet(href, request))
    }
}

/// Whether a URI of a route or a host is in a place.
pub(super) fn admits(place: &Place, uri: &str) -> bool {
    match place {
        Place::Folder(_) => false,
        Place::Route(prefix) => uri.strip_prefix("route:").is_some_and(|path| is_clean_under(path, prefix)),
        Place::Host(host, prefix) => {
            let same_host = uri.get(..host.len()).is_some_and(|start| start.eq_ignore_ascii_case(host));
            let path = uri.get(host.len()..).unwrap_or_default();
            same_host && is_clean_under(if path.is_empty() { "/" } else { path }, prefix)
        }
    }
}

/// Whether a path is below another once its dots are resolved, however they are written.
fn is_clean_under(path: &str, prefix: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let Ok(parsed) = RequestPath::parse(path) else { return false };
    is_under(&String::from_utf8_lossy(parsed.decoded()), prefix)
}

/// The address of the page that a client asked for, its authority, and the prefix that a front server takes away.
fn page(client: &Parts) -> (String, String, String) {
    let view = View::of_parts(client);
    let host = client.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost").to_owned();
    let prefix = String::from_utf8_lossy(&view.environ().prefix).into_owned();
    let scheme = view.environ().scheme.as_str();
    (format!("{scheme}://{host}{prefix}{}", client.uri.path()), host, prefix)
}
