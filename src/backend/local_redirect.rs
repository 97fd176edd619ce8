//! Local redirects (RFC 3875 section 6.2.2): an application names a path, whose answer becomes its own.
//!
//! The path is that of a new GET, which meets the routes as a client's would, by the same client, and within the layers that
//! stand around everything. The layers of the route that was left stand around its answer, too.

use std::sync::{Arc, OnceLock};

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, TRANSFER_ENCODING};
use http::uri::InvalidUri;
use http::{Method, Uri};
use http_environ::{PathError, RequestPath, View};
use vestibule_layers::{Body, BoxService, Cause, Request, Response, rescue};

/// How many redirects may follow each other.
const MOST: u8 = 10;

/// Where local redirects lead: the routes, once they are built. A clone leads to the same.
#[derive(Clone, Default)]
pub struct LocalRedirects(Arc<OnceLock<BoxService>>);

/// How many redirects led to a request.
#[derive(Clone, Copy, Default)]
struct Followed(u8);

#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("more than {MOST} local redirects follow each other")]
    TooMany,
    #[error("the target of a local redirect is no URL")]
    Target(#[from] InvalidUri),
    #[error("the path of a local redirect cannot be served")]
    Path(#[from] PathError),
    #[error("there are no routes yet")]
    NoRoutes,
}

impl LocalRedirects {
    /// Leads them to the routes.
    pub fn lead_to(&self, routes: BoxService) {
        // Routes are built once.
        drop(self.0.set(routes));
    }

    /// Answers a request with what a GET of `target` gives.
    pub(super) async fn follow(&self, request: Request, target: &str) -> Response {
        let id = View::of(&request).environ().request_id.clone();
        match self.get(request, target) {
            Ok((routes, request)) => routes.answer(request).await,
            Err(refusal) => rescue(&id, Cause::BadGateway, &refusal),
        }
    }

    fn get(&self, mut request: Request, target: &str) -> Result<(BoxService, Request), Refusal> {
        let routes = self.0.get().ok_or(Refusal::NoRoutes)?.clone();
        let followed = request.extensions().get().copied().unwrap_or(Followed(0)).0 + 1;
        if followed > MOST {
            return Err(Refusal::TooMany);
        }
        let old = View::of(&request).environ();
        // The front server's own prefix stands in every path that an application sees.
        let prefix = std::str::from_utf8(&old.prefix).unwrap_or("");
        let local = target.strip_prefix(prefix).filter(|rest| rest.starts_with('/')).unwrap_or(target);
        let uri: Uri = local.parse()?;
        let mut environ = old.clone();
        *environ.path_mut() = RequestPath::parse(uri.path())?;
        environ.set_query(uri.query().unwrap_or(""));
        if *request.method() != Method::HEAD {
            *request.method_mut() = Method::GET;
        }
        *request.uri_mut() = uri;
        *request.body_mut() = Body::Empty;
        for name in [CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING, TRANSFER_ENCODING, EXPECT] {
            request.headers_mut().remove(name);
        }
        request.extensions_mut().insert(environ);
        request.extensions_mut().insert(Followed(followed));
        Ok((routes, request))
    }
}
