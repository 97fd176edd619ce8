//! The head of a request as HTTP/2 has it: a target in parts, and headers of which none is for the connection only.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, TE};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};
use http_environ::View;
use vestibule_layers::Request;

use crate::backend::http::failure::Failure;
use crate::backend::http::request_head::{self, Fields, Manner};
use crate::backend::http::server::Server;
use crate::backend::upstream::upload::Framing;

impl Fields for HeaderMap {
    fn pass(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.append(name, value.clone());
    }

    fn put(&mut self, name: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        let mut value = Vec::new();
        write(&mut value);
        // As with HTTP/1, what is no text for a header never comes so far.
        if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(value)) {
            self.append(name, value);
        }
    }
}

/// The head of a request in the name of its client: to what is below the mount, and with who asks.
pub(super) fn forward(
    request: &Request,
    framing: Framing,
    manner: &Manner,
    server: &Server,
) -> Result<http::Request<()>, Failure> {
    let view = View::of(request);
    let target = request_head::target(&view).map_err(Failure::Target)?;
    let target = target.as_ref().unwrap_or(request.uri()).path_and_query();
    let mut headers = HeaderMap::with_capacity(request.headers().len() + 4);
    let hop = request_head::fields(&mut headers, request, &view, manner, server);
    if hop.takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if let Framing::Length(length) = framing
        && (hop.tells_length || length > 0)
    {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    head(request.method(), target.cloned(), headers, server)
}

/// The head of a request of the gateway's own, without a body.
pub(super) fn ask(request: &Request, server: &Server) -> Result<http::Request<()>, Failure> {
    let target = request.uri().path_and_query().cloned();
    head(request.method(), target, request.headers().clone(), server)
}

fn head(
    method: &Method,
    target: Option<PathAndQuery>,
    mut headers: HeaderMap,
    server: &Server,
) -> Result<http::Request<()>, Failure> {
    let uri = uri(headers.remove(HOST), target, server).map_err(Failure::Target)?;
    let mut head = http::Request::new(());
    *head.method_mut() = method.clone();
    *head.version_mut() = Version::HTTP_2;
    *head.uri_mut() = uri;
    *head.headers_mut() = headers;
    Ok(head)
}

/// The target: its authority is what Host says in HTTP/1.
fn uri(
    host: Option<HeaderValue>,
    target: Option<PathAndQuery>,
    server: &Server,
) -> Result<Uri, http::uri::InvalidUri> {
    let host = host.filter(|host| !host.is_empty()).unwrap_or_else(|| server.host().clone());
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(http::uri::Scheme::HTTP);
    parts.authority = Some(Authority::try_from(host.as_bytes())?);
    parts.path_and_query = Some(target.unwrap_or_else(|| PathAndQuery::from_static("/")));
    Ok(Uri::from_parts(parts).expect("a scheme, an authority and a path are a URI"))
}
