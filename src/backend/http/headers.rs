//! What changes in the heads of requests and answers on their way through.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING,
    UPGRADE,
};
use http::uri::InvalidUri;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, Version};
use http_environ::{Scheme, View};
use hyper::body::Incoming;
use vestibule_layers::{Body, Request, Response};

use super::failure::Failure;
use super::server::Server;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// The Host that an upstream sees.
#[derive(Clone, Debug)]
pub(super) enum Host {
    /// The client's, or the server's own where the client named none.
    Preserve,
    /// The server's own.
    Upstream,
    Fixed(HeaderValue),
}

impl Host {
    pub(super) fn set(&self, headers: &mut HeaderMap, server: &Server) {
        match self {
            Self::Preserve if headers.contains_key(HOST) => {}
            Self::Preserve | Self::Upstream => drop(headers.insert(HOST, server.host().clone())),
            Self::Fixed(host) => drop(headers.insert(HOST, host.clone())),
        }
    }
}

/// Makes a request the upstream's: its target, its version, and the headers that are not for the next hop only.
pub(super) fn outgoing(request: Request) -> Result<Request, Failure> {
    let (mut parts, body) = request.into_parts();
    if let Some(authority) = parts.uri.authority().and_then(|authority| authority.as_str().parse().ok()) {
        // RFC 9112 section 3.2.2: the target in absolute form counts, not Host.
        parts.headers.insert(HOST, authority);
    }
    let view = View::of_parts(&parts);
    let target = target(&view).map_err(Failure::Target)?;
    let forwarded = Forwarded::of(&view);

    let headers = &mut parts.headers;
    if headers.contains_key(TRANSFER_ENCODING) {
        // The body is framed anew; of both, RFC 9112 section 6.3 lets only this one count.
        headers.remove(CONTENT_LENGTH);
    }
    remove_hop_by_hop(headers);
    // hyper's server has answered it, or will when the body is read.
    headers.remove(EXPECT);
    forwarded.write(headers);
    if let Some(target) = target {
        parts.uri = target;
    }
    parts.version = Version::HTTP_11;
    parts.extensions = Extensions::new();
    Ok(Request::from_parts(parts, body))
}

/// Makes an upstream's answer the client's.
pub(super) fn incoming(answer: http::Response<Incoming>, server: &Server) -> Result<Response, Failure> {
    let (mut parts, body) = answer.into_parts();
    let headers = &mut parts.headers;
    let nonsense = |what| Err(Failure::Nonsense { server: server.to_string(), what });
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        return nonsense("it switches to a protocol that nobody asked for");
    }
    if let Some(encoding) = headers.get(TRANSFER_ENCODING) {
        if !encoding.as_bytes().eq_ignore_ascii_case(b"chunked")
            || headers.get_all(TRANSFER_ENCODING).iter().count() > 1
        {
            return nonsense("its transfer encoding is not `chunked`");
        }
        if headers.contains_key(CONTENT_LENGTH) {
            return nonsense("it has a length and is chunked, too");
        }
    }
    if headers.get_all(CONTENT_LENGTH).iter().nth(1).is_some() {
        return nonsense("it has two lengths");
    }
    remove_hop_by_hop(headers);
    // The front's own; that of an old server would end the client's connection.
    parts.version = Version::HTTP_11;
    Ok(Response::from_parts(parts, Body::from(body)))
}

/// RFC 9110 section 7.6.1: what is meant for the next hop only, and what `Connection` names.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    const ALWAYS: [HeaderName; 7] = [
        KEEP_ALIVE,
        PROXY_CONNECTION,
        TRANSFER_ENCODING,
        UPGRADE,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        CONNECTION,
    ];
    if headers.contains_key(CONNECTION) {
        for name in named_by_connection(headers) {
            headers.remove(name);
        }
    }
    if headers.get(TE).is_some_and(|codings| !codings.as_bytes().eq_ignore_ascii_case(b"trailers")) {
        headers.remove(TE);
    }
    for name in ALWAYS {
        headers.remove(name);
    }
}

fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    // `TE: trailers` passes, `close` and `keep-alive` are no headers.
    let values =
        headers.get_all(CONNECTION).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let names = values.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
    names.filter(|name| *name != TE && *name != HOST && name != "close").collect()
}

/// The target in origin form, under a mount only what is below it; `None` where that is what was sent.
fn target(view: &View<'_>) -> Result<Option<Uri>, InvalidUri> {
    let (sent, query) = (view.uri(), view.query());
    let path = view.environ().path().raw_path_info();
    if sent.scheme().is_none() && path == sent.path().as_bytes() && query == sent.query().unwrap_or("") {
        return Ok(None);
    }
    let mut target = if path.is_empty() { b"/".to_vec() } else { path.to_vec() };
    if !query.is_empty() {
        target.push(b'?');
        target.extend_from_slice(query.as_bytes());
    }
    Uri::from_maybe_shared(Bytes::from(target)).map(Some)
}

/// What an upstream is told about the client. What the client says of itself was removed when its identity was found.
struct Forwarded {
    client: Option<HeaderValue>,
    scheme: Scheme,
    host: Option<HeaderValue>,
    prefix: Option<HeaderValue>,
}

impl Forwarded {
    fn of(view: &View<'_>) -> Self {
        let (environ, headers) = (view.environ(), view.headers());
        // A chain that is there was believed, and the client's address is in it.
        let unknown = environ.remote_addr.filter(|_| !headers.contains_key(X_FORWARDED_FOR));
        let prefix = [&environ.prefix, environ.path().raw_script_name()].concat();
        Self {
            client: unknown.and_then(address),
            scheme: environ.scheme,
            host: headers.get(HOST).filter(|_| !headers.contains_key(X_FORWARDED_HOST)).cloned(),
            prefix: HeaderValue::from_maybe_shared(Bytes::from(prefix))
                .ok()
                .filter(|prefix| !prefix.is_empty()),
        }
    }

    fn write(self, headers: &mut HeaderMap) {
        let scheme = HeaderValue::from_static(self.scheme.as_str());
        headers.insert(X_FORWARDED_PROTO, scheme);
        if let Some(client) = self.client {
            headers.insert(X_FORWARDED_FOR, client);
        }
        if let Some(host) = self.host {
            headers.insert(X_FORWARDED_HOST, host);
        }
        if let Some(prefix) = self.prefix {
            headers.insert(X_FORWARDED_PREFIX, prefix);
        }
    }
}

fn address(address: IpAddr) -> Option<HeaderValue> {
    HeaderValue::try_from(address.to_string()).ok()
}
