//! What changes in the heads of requests and answers on their way through.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRANSFER_ENCODING};
use http::uri::InvalidUri;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, Version};
use http_environ::{Scheme, View};
use hyper::body::Incoming;
use vestibule_layers::{Body, Request, Response};

use super::failure::Failure;
use super::server::Server;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

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
pub(super) fn prepare(request: &mut Request) -> Result<(), Failure> {
    let view = View::of(request);
    let target = target(&view).map_err(Failure::Target)?;
    let forwarded = Forwarded::of(&view);
    if let Some(target) = target {
        *request.uri_mut() = target;
    }
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    remove_hop_by_hop(headers);
    // hyper's server answers it when the body is read.
    headers.remove(EXPECT);
    forwarded.write(headers);
    Ok(())
}

/// Makes an upstream's answer the client's.
pub(super) fn pass_on(mut answer: http::Response<Incoming>, server: &Server) -> Result<Response, Failure> {
    if let Some(what) = nonsense(&answer) {
        return Err(Failure::Nonsense { server: server.to_string(), what });
    }
    remove_hop_by_hop(answer.headers_mut());
    // The front's own; that of an old server would end the client's connection.
    *answer.version_mut() = Version::HTTP_11;
    Ok(answer.map(Body::from))
}

/// What hyper accepts, though the next one in line might read it otherwise.
fn nonsense(answer: &http::Response<Incoming>) -> Option<&'static str> {
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Some("it switches to a protocol that nobody asked for");
    }
    let mut lengths = answer.headers().get_all(CONTENT_LENGTH).iter();
    let length = lengths.next();
    if lengths.next().is_some() {
        return Some("it has two lengths");
    }
    let mut codings = answer.headers().get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => None,
        (Some(_), _) if length.is_some() => Some("it has a length and is chunked, too"),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => None,
        _ => Some("its transfer coding is not `chunked`"),
    }
}

/// RFC 9110 section 7.6.1: what is meant for the next hop only, and what `Connection` names.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let found: Vec<HeaderName> = headers.keys().filter(|name| is_hop_by_hop(name)).cloned().collect();
    for name in found {
        match name {
            CONNECTION => {
                for named in named_by_connection(headers) {
                    headers.remove(named);
                }
            }
            TE if headers[TE].as_bytes().eq_ignore_ascii_case(b"trailers") => continue,
            _ => {}
        }
        headers.remove(name);
    }
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    // A `match` on the text asks for the length first: cheaper than a look-up of each.
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// The headers that `Connection` names, but for those that are looked at on their own.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(CONNECTION).iter();
    let words = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let names = words
        .filter(|word| !word.eq_ignore_ascii_case(b"close") && !word.eq_ignore_ascii_case(b"keep-alive"));
    let names = names.filter_map(|word| HeaderName::from_bytes(word).ok());
    names.filter(|name| *name != HOST && *name != CONTENT_LENGTH && !is_hop_by_hop(name)).collect()
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
        let prefix = prefix(&environ.prefix, &environ.path().raw_script_name());
        Self {
            client: unknown.and_then(address),
            scheme: environ.scheme,
            host: headers.get(HOST).filter(|_| !headers.contains_key(X_FORWARDED_HOST)).cloned(),
            prefix,
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

/// The front server's prefix, which is decoded, and the mounts, which are as they were sent.
fn prefix(front: &[u8], mounts: &[u8]) -> Option<HeaderValue> {
    if front.is_empty() && mounts.is_empty() {
        return None;
    }
    let mut prefix = Vec::with_capacity(front.len() + mounts.len());
    for &byte in front {
        if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte) {
            prefix.push(byte);
        } else {
            prefix.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    prefix.extend_from_slice(mounts);
    HeaderValue::from_maybe_shared(Bytes::from(prefix)).ok()
}
