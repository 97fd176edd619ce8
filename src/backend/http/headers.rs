//! What changes in the heads of requests and answers on their way through.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, Entry, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use http::uri::InvalidUri;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, Version};
use http_environ::{Scheme, View, encode};
use hyper::body::Incoming;
use vestibule_layers::{Body, Request, Response};

use super::failure::Failure;
use super::server::Server;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

static HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

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
    let (mut length, mut coding) = (None, None);
    for (name, value) in answer.headers() {
        if *name == CONTENT_LENGTH && length.replace(value).is_some() {
            return Some("it has two lengths");
        }
        if *name == TRANSFER_ENCODING && coding.replace(value).is_some() {
            return Some("it has two transfer codings");
        }
    }
    match coding {
        None => None,
        Some(_) if length.is_some() => Some("it has a length and is chunked, too"),
        Some(coding) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => None,
        Some(_) => Some("its transfer coding is not `chunked`"),
    }
}

/// RFC 9110 section 7.6.1: what is meant for the next hop only, and what `Connection` names.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    // A bit for each of them, in one pass: looking up all of them costs more, and so does a list of those found.
    let found = headers.keys().filter_map(hop_by_hop).fold(0_u8, |found, at| found | 1 << at);
    for (at, name) in HOP_BY_HOP.iter().enumerate() {
        if found & 1 << at == 0 {
            continue;
        }
        match *name {
            CONNECTION => {
                for named in named_by_connection(headers) {
                    headers.remove(named);
                }
            }
            TE if headers.get(TE).is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers")) => {
                continue;
            }
            _ => {}
        }
        headers.remove(name);
    }
}

/// Where a name stands in [`HOP_BY_HOP`].
fn hop_by_hop(name: &HeaderName) -> Option<usize> {
    // A `match` on the text asks for the length first: cheaper than to compare with each.
    match name.as_str() {
        "connection" => Some(0),
        "keep-alive" => Some(1),
        "proxy-authenticate" => Some(2),
        "proxy-authorization" => Some(3),
        "proxy-connection" => Some(4),
        "te" => Some(5),
        "transfer-encoding" => Some(6),
        "upgrade" => Some(7),
        _ => None,
    }
}

/// The headers that `Connection` names, but for those that are looked at on their own.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(CONNECTION).iter();
    let words = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let names = words
        .filter(|word| !word.eq_ignore_ascii_case(b"close") && !word.eq_ignore_ascii_case(b"keep-alive"));
    let names = names.filter_map(|word| HeaderName::from_bytes(word).ok());
    names.filter(|name| *name != HOST && *name != CONTENT_LENGTH && hop_by_hop(name).is_none()).collect()
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
    client: Option<IpAddr>,
    scheme: Scheme,
    host: Option<HeaderValue>,
    prefix: Option<HeaderValue>,
}

impl Forwarded {
    fn of(view: &View<'_>) -> Self {
        let environ = view.environ();
        Self {
            client: environ.remote_addr,
            scheme: environ.scheme,
            host: view.headers().get(HOST).cloned(),
            prefix: prefix(&environ.prefix, &environ.path().raw_script_name()),
        }
    }

    fn write(self, headers: &mut HeaderMap) {
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(self.scheme.as_str()));
        // A chain that is there was believed, and the client's address is in it.
        if let Some(client) = self.client
            && let Entry::Vacant(place) = headers.entry(X_FORWARDED_FOR)
        {
            place.insert(address(client));
        }
        if let Some(host) = self.host
            && let Entry::Vacant(place) = headers.entry(X_FORWARDED_HOST)
        {
            place.insert(host);
        }
        if let Some(prefix) = self.prefix {
            headers.insert(X_FORWARDED_PREFIX, prefix);
        }
    }
}

/// An address as text. That of IPv4 is written by hand, as it is for every request of a client without a front server:
/// `fmt` takes eight times as long.
fn address(address: IpAddr) -> HeaderValue {
    let value = match address {
        IpAddr::V4(address) => {
            let mut text = [0; "255.255.255.255.".len()];
            let mut end = 0;
            for octet in address.octets() {
                let [hundreds, tens, ones] =
                    [octet / 100, octet / 10 % 10, octet % 10].map(|digit| b'0' + digit);
                let (piece, length) = match octet {
                    0..10 => ([ones, b'.', 0, 0], 2),
                    10..100 => ([tens, ones, b'.', 0], 3),
                    100.. => ([hundreds, tens, ones, b'.'], 4),
                };
                text[end..end + 4].copy_from_slice(&piece);
                end += length;
            }
            HeaderValue::from_bytes(&text[..end - 1])
        }
        IpAddr::V6(address) => HeaderValue::try_from(address.to_string()),
    };
    value.expect("digits, dots and colons are legal in a header")
}

/// The front server's prefix, which is decoded, and the mounts, which are as they were sent.
fn prefix(front: &[u8], mounts: &[u8]) -> Option<HeaderValue> {
    if front.is_empty() && mounts.is_empty() {
        return None;
    }
    let mut prefix = Vec::with_capacity(front.len() + mounts.len());
    encode::push_decoded(&mut prefix, front);
    prefix.extend_from_slice(mounts);
    HeaderValue::from_maybe_shared(Bytes::from(prefix)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_the_standard_library_does() {
        for text in ["0.0.0.0", "1.22.133.4", "9.10.99.100", "192.0.2.7", "255.255.255.255", "2001:db8::1"] {
            assert_eq!(address(text.parse().unwrap()), text);
        }
    }

    #[test]
    fn each_name_for_the_next_hop_is_found_where_it_stands() {
        for (at, name) in HOP_BY_HOP.iter().enumerate() {
            assert_eq!(hop_by_hop(name), Some(at), "{name}");
        }
        assert_eq!(hop_by_hop(&HOST), None);
    }
}
