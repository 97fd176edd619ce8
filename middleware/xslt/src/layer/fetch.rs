//! What a layer asks for while a request waits: sheets that documents name, and documents that sheets read.
//!
//! All of it is fetched before a thread of the pool is taken: a thread that waited for a request of the same gateway could
//! wait for itself.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;

use crate::documents::Fetched;
use crate::error::XsltError;
use crate::sheet::Stylesheet;

/// A fetch under way.
pub type Fetching<'a, T> = Pin<Box<dyn Future<Output = Result<T, XsltError>> + Send + 'a>>;

/// Finds the stylesheets that documents name: a document must not choose code, so it is this that decides.
pub trait FindSheet: Send + Sync + 'static {
    /// The sheet that the answer to a request names by `href`, as it is written there.
    fn find<'a>(&'a self, href: &'a str, request: &'a Parts) -> Fetching<'a, Stylesheet>;
}

impl<T: FindSheet> FindSheet for Arc<T> {
    fn find<'a>(&'a self, href: &'a str, request: &'a Parts) -> Fetching<'a, Stylesheet> {
        (**self).find(href, request)
    }
}

/// Fetches what sheets read by `document()` beside files.
pub trait FetchDocument: Send + Sync + 'static {
    /// The document of a URI, in the name of a request.
    fn fetch<'a>(&'a self, uri: &'a str, request: &'a Parts) -> Fetching<'a, Bytes>;

    /// The URIs to be fetched for a request whatever the sheet says, as it may put them together.
    fn listed(&self, request: &Parts) -> Vec<String>;

    /// False where [`FetchDocument::listed`] lists nothing for any request.
    fn lists_some(&self) -> bool;
}

/// What a sheet may read for a request, and why some of it is missing.
#[derive(Default)]
pub(super) struct Ahead {
    pub(super) fetched: Fetched,
    failed: Vec<(String, XsltError)>,
}

impl Ahead {
    /// Fetches what a sheet reads for a request. What fails only matters if the run asks for it.
    pub(super) async fn of(documents: &dyn FetchDocument, stylesheet: &Stylesheet, request: &Parts) -> Self {
        let listed = documents.listed(request);
        let mut uris: Vec<&String> = stylesheet.documents().iter().chain(&listed).collect();
        uris.sort_unstable();
        uris.dedup();
        let (mut fetched, mut failed) = (Vec::new(), Vec::new());
        for uri in uris {
            match documents.fetch(uri, request).await {
                Ok(document) => fetched.push((uri.clone(), document)),
                Err(error) => failed.push((uri.clone(), error)),
            }
        }
        Self { fetched: fetched.into_iter().collect(), failed }
    }

    /// The error of a run: where it was refused what could not be fetched, that is why.
    pub(super) fn explain(self, error: XsltError) -> XsltError {
        let XsltError::PolicyDenied { uri } = &error else { return error };
        let reason = self.failed.into_iter().find(|(failed, _)| failed == uri);
        reason.map_or(error, |(_, reason)| reason)
    }
}
