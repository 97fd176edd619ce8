//! (2) The protocol that the front server speaks, and what every request must be like.
//!
//! Each protocol has a file of its own and a row in the table below. Whatever the protocol, here are refused: a request without exactly one Host, or with one that is no host,
//! a body in another transfer coding than chunks, and CONNECT. Headers with `_` in their names are dropped, because `X_Y`
//! would pass for `X-Y` in the environ.

mod begun;
mod client_body;
mod ending;
mod fastcgi;
mod h2c;
mod http1;
mod patience;
mod reading;
mod rest;
pub mod scgi;
mod single_use;
mod under_way;
pub mod uwsgi;
pub mod variables;
mod visit;

use std::sync::Arc;

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use http_body::Body as _;
use http_environ::Server;
use http_environ::answer::is_hop_by_hop;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::time;
use vestibule_config::Protocol;
use vestibule_layers::{Request, rescue};

use self::begun::Begun;
use self::reading::Reading;
use self::visit::Visit;
use crate::gateway::Gateway;
use crate::identity::{Connection, Peer, tells_of_client};
use crate::listener::proxy_protocol;
use crate::runtime::Stage;
use crate::runtime::phase::Phase;
use crate::runtime::socket::Socket;

/// What may be spoken on a connection, and who serves it; the first is the default.
fn table<I: Socket>() -> [(&'static Protocol, Serve<I>); 5] {
    [
        (&http1::PROTOCOL, http1::serve),
        (&h2c::PROTOCOL, |io, visitor| {
            let Visitor { server, peer, gateway, stage } = visitor;
            let (io, connection) = (Reading::new(Begun::default(), io), Connection::new(server, peer));
            Phase::last(h2c::serve(io, connection, gateway, stage))
        }),
        (&uwsgi::PROTOCOL, |io, visitor| Phase::last(uwsgi::serve(io, Visit::new(visitor)))),
        (&scgi::PROTOCOL, |io, visitor| Phase::last(scgi::serve(io, Visit::new(visitor)))),
        (&fastcgi::PROTOCOL, |io, visitor| Phase::last(fastcgi::serve(io, Visit::new(visitor)))),
    ]
}

/// Each protocol has its own phases.
type Serve<I> = fn(I, Visitor) -> Phase;

/// What a listener may speak.
pub(crate) fn protocols() -> Vec<&'static Protocol> {
    table::<TcpStream>().iter().map(|(protocol, _)| *protocol).collect()
}

/// What a listener is for.
#[derive(Debug)]
pub(crate) struct Entrance {
    /// What is the same for all requests of the listener
    pub(crate) server: Arc<Server>,
    pub(crate) protocol: &'static Protocol,
    /// Whether each connection begins with a header of the PROXY protocol
    pub(crate) proxy_protocol: bool,
}

/// Whom a connection is with.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) server: Arc<Server>,
    pub(crate) peer: Peer,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) stage: watch::Receiver<Stage>,
}

/// The first phase of a connection, if it is served. From [`Stage::Retiring`] on, its next answer is the last.
pub(crate) fn begin<I: Socket>(
    io: I,
    entrance: Arc<Entrance>,
    peer: Peer,
    gateway: Arc<Gateway>,
    stage: watch::Receiver<Stage>,
) -> Option<Phase> {
    if !entrance.proxy_protocol {
        return speak(io, &entrance, peer, gateway, stage);
    }
    Some(Phase::new(async move {
        let client = handed_on(&io, peer, &gateway, stage.clone()).await?;
        speak(io, &entrance, client, gateway, stage)
    }))
}

/// Speaks what its listener speaks, if the peer may.
fn speak<I: Socket>(
    io: I,
    entrance: &Entrance,
    peer: Peer,
    gateway: Arc<Gateway>,
    stage: watch::Receiver<Stage>,
) -> Option<Phase> {
    let protocol = entrance.protocol;
    if protocol.speaks_for_clients && !gateway.trusts(peer) {
        let name = protocol.name;
        tracing::warn!(%peer, "closed: {name} is spoken by a peer that is not trusted (`trust: peers`)");
        return None;
    }
    let visitor = Visitor { server: Arc::clone(&entrance.server), peer, gateway, stage };
    let row = table().into_iter().find(|(known, _)| std::ptr::eq(*known, protocol));
    let (_, serve) = row.expect("the configuration uses protocols of the table");
    Some(serve(io, visitor))
}

/// Serves a connection by HTTP with somebody on this machine, until it ends: for whoever has a socket, and no listener. The
/// runtime must be one of a single thread.
pub async fn serve_local(io: UnixStream, gateway: Arc<Gateway>) {
    // Nothing of the worker ends while this lives.
    let (_worker, stage) = watch::channel(Stage::Serving);
    let server = gateway.server(None);
    http1::serve(io, Visitor { server, peer: Peer::Unix, gateway, stage }).await;
}

/// Who is behind a connection that begins with a header of the PROXY protocol; `None` where it is to be closed.
async fn handed_on(
    io: &impl Socket,
    peer: Peer,
    gateway: &Gateway,
    mut stage: watch::Receiver<Stage>,
) -> Option<Peer> {
    if !gateway.trusts(peer) {
        tracing::warn!(%peer, "closed: a PROXY header is taken from trusted peers only (`trust: peers`)");
        return None;
    }
    let limit = gateway.limits().header_time;
    let received = tokio::select! {
        received = time::timeout(limit, proxy_protocol::receive(io, peer)) => received,
        _ = stage.wait_for(|stage| *stage == Stage::Closing) => return None,
    };
    match received {
        Ok(Ok(client)) => return client,
        Ok(Err(error)) => {
            let why = rescue::chain(&error);
            tracing::warn!(%peer, "closed: a PROXY header is expected here, and {why}");
        }
        Err(_) => tracing::warn!(%peer, "closed: the PROXY header is over `limits: header_time`"),
    }
    None
}

/// A request that the front refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// HTTP/1.1 without Host, or with several
    #[error("a request needs exactly one Host (RFC 9112 section 3.2)")]
    Host,
    /// A Host that applications could take for something else
    #[error("a Host that is no host (RFC 3986 section 3.2)")]
    NoHost,
    /// `Transfer-Encoding: gzip, chunked` and the like: the chunks are taken away and the gzip is left
    #[error("a transfer coding other than `chunked` (RFC 9112 section 6.1)")]
    Coding,
    /// CONNECT
    #[error("CONNECT is for proxies of another kind")]
    Connect,
}

/// Refuses what no request may be like, and makes one truth of what may be said in two ways.
pub fn admit(request: &mut Request) -> Result<(), Refused> {
    if *request.method() == Method::CONNECT {
        return Err(Refused::Connect);
    }
    // Without a body there is no coding of it, and nothing to look for.
    if !request.body().is_end_stream() && !is_plain_or_chunked(request.headers()) {
        return Err(Refused::Coding);
    }
    let version = request.version();
    let authority = request.uri().authority().map(|authority| HeaderValue::from_str(authority.as_str()));
    let headers = request.headers_mut();
    drop_ambiguous(headers);
    drop_named_by_connection(headers);
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() || (host.is_none() && version == Version::HTTP_11) {
        return Err(Refused::Host);
    }
    // RFC 9112 section 3.2.2: the target's own authority counts.
    let authority = authority.and_then(Result::ok);
    if authority.as_ref().or(host).is_some_and(|host| !is_host(host)) {
        return Err(Refused::NoHost);
    }
    if let Some(authority) = authority {
        headers.insert(HOST, authority);
    }
    Ok(())
}

fn is_plain_or_chunked(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        _ => false,
    }
}

/// Whether it has only what a name or an address and a port are made of: no user, no path, no spaces.
pub(crate) fn is_host(value: &HeaderValue) -> bool {
    value.as_bytes().iter().all(|byte| IN_HOST[usize::from(*byte)])
}

/// Which bytes a Host may have: one look for each, as every request has one.
const IN_HOST: [bool; 256] = {
    let mut allowed = [false; 256];
    let all = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:-_[]%~!$&'()*+,;=";
    let mut at = 0;
    while at < all.len() {
        allowed[all[at] as usize] = true;
        at += 1;
    }
    allowed
};

/// What `Connection` names ends here (RFC 9110 section 7.6.1), before a layer adds anything of the same name: a client shall not
/// take that away again. It cannot name what says where a request ends and to whom it goes, nor what `trust` judges.
fn drop_named_by_connection(headers: &mut HeaderMap) {
    if !headers.contains_key(CONNECTION) {
        return;
    }
    let (mut of_this_hop, mut named) = (Vec::new(), Vec::new());
    let values = headers.get_all(CONNECTION).iter();
    for word in values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')) {
        match HeaderName::from_bytes(word.trim_ascii()) {
            Ok(name) if name.as_str() == "close" || is_hop_by_hop(name.as_str()) => of_this_hop.push(name),
            Ok(name) => named.push(name),
            Err(_) => {}
        }
    }
    if named.is_empty() {
        return;
    }
    for name in named.iter().filter(|name| !matches!(**name, HOST | CONTENT_LENGTH) && !tells_of_client(name))
    {
        headers.remove(name);
    }
    headers.remove(CONNECTION);
    for name in of_this_hop {
        headers.append(CONNECTION, name.into());
    }
}

fn drop_ambiguous(headers: &mut HeaderMap) {
    if headers.keys().any(|name| name.as_str().contains('_')) {
        let ambiguous: Vec<HeaderName> =
            headers.keys().filter(|name| name.as_str().contains('_')).cloned().collect();
        for name in ambiguous {
            headers.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vestibule_layers::Body;

    fn admitted(headers: &[(&'static str, &'static str)]) -> Result<Request, Refused> {
        let mut request = http::Request::get("/").body(Body::Empty).unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        admit(&mut request).map(|()| request)
    }

    #[test]
    fn exactly_one_host_is_wanted() {
        assert!(admitted(&[("host", "a")]).is_ok());
        assert_eq!(admitted(&[]).unwrap_err(), Refused::Host);
        assert_eq!(admitted(&[("host", "a"), ("host", "b")]).unwrap_err(), Refused::Host);
    }

    #[test]
    fn a_host_is_a_name_or_an_address() {
        for host in ["", "a", "shop-1.example:8080", "my_app", "[2001:db8::1]:80", "xn--bcher-kva.example"] {
            assert!(admitted(&[("host", host)]).is_ok(), "{host}");
        }
        for host in ["a b", "a/b", "user@a", "a?b", "a#b", "a\\b", "<a>", "\"a\""] {
            assert_eq!(admitted(&[("host", host)]).unwrap_err(), Refused::NoHost, "{host}");
        }
    }

    #[test]
    fn a_body_comes_as_it_is_or_in_chunks() {
        for (codings, expected) in [
            (&["chunked"][..], Ok(())),
            (&["Chunked"], Ok(())),
            (&[], Ok(())),
            (&["gzip, chunked"], Err(Refused::Coding)),
            (&["identity", "chunked"], Err(Refused::Coding)),
        ] {
            let mut request = http::Request::post("/").header("host", "a").body(Body::from("x")).unwrap();
            for coding in codings {
                request.headers_mut().append(TRANSFER_ENCODING, HeaderValue::from_static(coding));
            }
            assert_eq!(admit(&mut request), expected, "{codings:?}");
        }
    }

    #[test]
    fn headers_with_underscores_are_dropped() {
        let request = admitted(&[("host", "a"), ("x_forwarded_for", "1.2.3.4"), ("x-ok", "1")]).unwrap();
        assert_eq!(request.headers().keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["host", "x-ok"]);
    }

    #[test]
    fn what_connection_names_ends_here_but_for_what_must_not() {
        let request = admitted(&[
            ("host", "a"),
            ("connection", "X-One, close,host, x-forwarded-for"),
            ("connection", "no name, Upgrade"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("x-forwarded-for", "192.0.2.1"),
        ])
        .unwrap();
        let left: Vec<_> =
            request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        for (name, value) in [("host", "a"), ("x-two", "2"), ("x-forwarded-for", "192.0.2.1")] {
            assert!(left.contains(&(name, value.as_bytes())), "{left:?}");
        }
        let connection: Vec<_> = request.headers().get_all(CONNECTION).iter().collect();
        assert!(left.len() == 5 && connection == ["close", "upgrade"], "{left:?}");
    }

    #[test]
    fn the_targets_authority_is_the_host() {
        let mut request =
            http::Request::get("http://real/").header("host", "other").body(Body::Empty).unwrap();
        admit(&mut request).unwrap();
        assert_eq!(request.headers()[HOST], "real");
    }
}
