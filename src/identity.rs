//! (3) Who asks: what the front server says of the client is believed as far as `trust` goes, and the environ begins.
//!
//! ```yaml
//! trust: { peers: [unix, 127.0.0.1], headers: [for, proto], user: false }
//! ```
//!
//! What is not believed is removed before anything sees it: a front server may pass on what a client made up. What is
//! believed is cut to the part that is: the addresses that a client put before its own in X-Forwarded-For go.
//!
//! Where a trusted peer names a client outside of the headers ([`told`]; the PROXY protocol), the request is as if that client
//! had connected: headers are believed as far as *it* is trusted.

mod forwarded;
pub mod told;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::{FORWARDED, HOST};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_environ::{Environ, PathError, RequestId, RequestPath, Scheme, Server};
use vestibule_config::{Trust, TrustedHeader};
use vestibule_layers::Request;

use self::told::Told;
use crate::front;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

const KNOWN: [(HeaderName, TrustedHeader); 6] = [
    (FOR, TrustedHeader::For),
    (PROTO, TrustedHeader::Proto),
    (FORWARDED_HOST, TrustedHeader::Host),
    (PORT, TrustedHeader::Port),
    (PREFIX, TrustedHeader::Prefix),
    (FORWARDED, TrustedHeader::Forwarded),
];

/// A connection: what it was accepted on, and from whom.
#[derive(Debug, Clone)]
pub struct Connection {
    /// What is the same for all requests of the listener
    pub server: Arc<Server>,
    /// Who connected
    pub peer: Peer,
    /// What a front server has told of this request, in a protocol that speaks for clients
    pub told: Option<Told>,
}

impl Connection {
    /// A connection whose peer speaks for itself.
    pub fn new(server: Arc<Server>, peer: Peer) -> Self {
        Self { server, peer, told: None }
    }
}

/// Who connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Somebody on this machine, over a unix socket
    Unix,
    /// An address
    Tcp(SocketAddr),
    /// Somebody for whom a trusted front server has connected, which may not know any address
    Behind {
        /// Its address
        address: Option<IpAddr>,
        /// Its port
        port: Option<u16>,
    },
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Behind { address: Some(address), port: Some(port) } => {
                SocketAddr::new(*address, *port).fmt(formatter)
            }
            Self::Behind { address: Some(address), port: None } => address.fmt(formatter),
            Self::Unix => formatter.write_str("unix"),
            Self::Behind { address: None, .. } => formatter.write_str("unknown"),
        }
    }
}

impl Peer {
    fn address(self) -> Option<IpAddr> {
        match self {
            Self::Unix => None,
            Self::Tcp(address) => Some(address.ip().to_canonical()),
            Self::Behind { address, .. } => address.map(|address| address.to_canonical()),
        }
    }

    fn port(self) -> Option<u16> {
        match self {
            Self::Unix => None,
            Self::Tcp(address) => Some(address.port()),
            Self::Behind { port, .. } => port,
        }
    }
}

/// What the front server says of the client, as far as it is believed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Claims {
    client: Option<IpAddr>,
    scheme: Option<Scheme>,
    host: Option<HeaderValue>,
    port: Option<u16>,
    prefix: Option<Box<[u8]>>,
}

/// Decides who asks.
#[derive(Debug)]
pub struct Identity {
    trust: Trust,
    serial: AtomicU64,
}

impl Identity {
    /// Trusts as the configuration says. `first` numbers the first request.
    pub fn new(trust: Trust, first: u64) -> Self {
        Self { trust, serial: AtomicU64::new(first) }
    }

    /// The number of the next request.
    pub fn number(&self) -> RequestId {
        RequestId::Serial(self.serial.fetch_add(1, Ordering::Relaxed))
    }

    /// Begins the environ of a request, and removes from its headers what is not believed.
    pub fn begin(
        &self,
        connection: &Connection,
        number: &RequestId,
        request: &mut Request,
    ) -> Result<(), PathError> {
        let mut environ = Environ::at(Arc::clone(&connection.server), request.uri())?;
        environ.request_id = number.clone();
        environ.remote_addr = connection.peer.address();
        environ.remote_port = connection.peer.port();
        if let Some(told) = &connection.told {
            told.join(&mut environ, request.headers());
            if self.trust.user {
                told.join_user(&mut environ);
            }
        }
        if request.headers().keys().any(tells_of_client) {
            self.believe(connection.peer, request.headers_mut(), &mut environ);
        }
        request.extensions_mut().insert(environ);
        Ok(())
    }

    fn believe(&self, peer: Peer, headers: &mut HeaderMap, environ: &mut Environ) {
        let trusted = self.trusts(peer);
        let names_client = trusted && headers.contains_key(REAL_IP);
        let doubtful =
            headers.keys().filter(|name| tells_of_client(name) && !(trusted && self.believes(name)));
        for name in doubtful.cloned().collect::<Vec<_>>() {
            headers.remove(name);
        }
        if !trusted {
            return;
        }
        let claims = self.claims(headers);
        if let Some(client) = claims.client {
            environ.remote_addr = Some(client);
            environ.remote_port = None;
        }
        environ.scheme = claims.scheme.unwrap_or(environ.scheme);
        environ.server_port = claims.port.or(environ.server_port);
        environ.prefix = claims.prefix.unwrap_or_default();
        if let Some(host) = claims.host {
            headers.insert(HOST, host);
        }
        // Applications read it, and nginx passes on what a client made up: it says the same as `REMOTE_ADDR`.
        let client = environ.remote_addr.filter(|_| names_client);
        if let Some(Ok(client)) = client.map(|client| HeaderValue::try_from(client.to_string())) {
            headers.insert(REAL_IP, client);
        }
    }

    /// Whether a header is one that `trust` lists.
    fn believes(&self, name: &HeaderName) -> bool {
        KNOWN.iter().any(|(known, header)| known == name && self.trust.headers.contains(header))
    }

    /// Reads what is left in the headers: all of it is believed.
    fn claims(&self, headers: &mut HeaderMap) -> Claims {
        if headers.contains_key(FORWARDED) {
            return forwarded::claims(headers, |address| self.trusts_address(address));
        }
        Claims {
            client: self.client(headers),
            scheme: last(headers, &PROTO, scheme),
            host: last(headers, &FORWARDED_HOST, host),
            port: last(headers, &PORT, |port| port.parse().ok()),
            prefix: last(headers, &PREFIX, prefix),
        }
    }

    /// The client of X-Forwarded-For: from the right, past the proxies that are trusted, the first that is not. What stands
    /// left of it is the client's own invention and goes.
    fn client(&self, headers: &mut HeaderMap) -> Option<IpAddr> {
        let mut believed: Vec<IpAddr> = Vec::new();
        // Piece by piece: bytes that are no text, in what a client made up, take nothing away from what stands right of them.
        let pieces =
            headers.get_all(FOR).iter().rev().flat_map(|value| value.as_bytes().rsplit(|&byte| byte == b','));
        for piece in pieces {
            let Some(address) =
                std::str::from_utf8(piece).ok().and_then(|text| forwarded::address(text.trim()))
            else {
                break;
            };
            believed.push(address);
            if !self.trusts_address(address) {
                break;
            }
        }
        let chain: Vec<String> = believed.iter().rev().map(IpAddr::to_string).collect();
        match HeaderValue::try_from(chain.join(", ")) {
            Ok(chain) if !believed.is_empty() => headers.insert(FOR, chain),
            _ => headers.remove(FOR),
        };
        believed.last().copied()
    }

    /// Whether a peer may say for whom it asks.
    pub fn trusts(&self, peer: Peer) -> bool {
        match peer.address() {
            Some(address) => self.trusts_address(address),
            None => peer == Peer::Unix && self.trust.peers.contains(&vestibule_config::Peer::Unix),
        }
    }

    fn trusts_address(&self, address: IpAddr) -> bool {
        self.trust.peers.iter().any(
            |trusted| matches!(trusted, vestibule_config::Peer::Net(network) if network.contains(address)),
        )
    }
}

/// Whether a header says who the client is, and through whom it asks.
pub(crate) fn tells_of_client(name: &HeaderName) -> bool {
    *name == FORWARDED || name.as_str().starts_with("x-forwarded-") || *name == REAL_IP
}

/// What the last proxy says in a header. What others have said before it goes, as does what cannot be read.
fn last<T>(headers: &mut HeaderMap, name: &HeaderName, read: impl Fn(&str) -> Option<T>) -> Option<T> {
    let mut values = headers.get_all(name).iter();
    let value = values.next_back()?.clone();
    let is_alone = values.next().is_none();
    let piece = value.as_bytes().rsplit(|&byte| byte == b',').next().unwrap_or_default().trim_ascii();
    let claim = std::str::from_utf8(piece).ok().and_then(read);
    match HeaderValue::from_bytes(piece) {
        Ok(piece) if claim.is_some() => {
            if !is_alone || piece != value {
                headers.insert(name, piece);
            }
        }
        _ => drop(headers.remove(name)),
    }
    claim
}

fn scheme(text: &str) -> Option<Scheme> {
    [Scheme::Http, Scheme::Https].into_iter().find(|scheme| scheme.as_str().eq_ignore_ascii_case(text))
}

/// A host that an application can take for one, as the front demands of Host itself.
fn host(text: &str) -> Option<HeaderValue> {
    text.parse().ok().filter(|host| !text.is_empty() && front::is_host(host))
}

/// A prefix without its trailing slash, decoded as a path is. One that begins with `//` would make another host's URL of what
/// an application puts it before.
fn prefix(text: &str) -> Option<Box<[u8]>> {
    let path = RequestPath::parse(text.trim_end_matches('/')).ok()?;
    (!path.decoded().starts_with(b"//")).then(|| path.decoded().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_environ::View;
    use vestibule_config::TrustedHeader as Header;
    use vestibule_layers::Body;

    const PROXY: &str = "127.0.0.1:40000";

    /// A request after the identity of `trust: { peers: [unix, 127.0.0.1, 10.0.0.0/8], headers: HEADERS }`.
    fn begun(peer: &str, trusted: &[Header], headers: &[(&'static str, &'static str)]) -> Request {
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| (*name, HeaderValue::from_static(value))).collect();
        begun_with(peer, trusted, &headers)
    }

    fn begun_with(peer: &str, trusted: &[Header], headers: &[(&'static str, HeaderValue)]) -> Request {
        let peers = vec![
            vestibule_config::Peer::Unix,
            vestibule_config::Peer::Net("127.0.0.1".parse().unwrap()),
            vestibule_config::Peer::Net("10.0.0.0/8".parse().unwrap()),
        ];
        let identity = Identity::new(Trust { peers, headers: trusted.to_vec(), user: false }, 0);
        let peer = peer.parse().map_or(Peer::Unix, Peer::Tcp);
        let mut request = http::Request::get("/").header("host", "inner").body(Body::Empty).unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.clone());
        }
        identity.begin(&Connection::new(Arc::default(), peer), &RequestId::default(), &mut request).unwrap();
        request
    }

    fn variable(request: &Request, name: &str) -> Option<String> {
        let value = View::of(request).get(&name.parse().unwrap())?;
        Some(String::from_utf8(value.into_owned()).unwrap())
    }

    fn client(peer: &str, forwarded_for: &'static str) -> (String, Option<String>) {
        let request = begun(peer, &[Header::For], &[("x-forwarded-for", forwarded_for)]);
        (variable(&request, "REMOTE_ADDR").unwrap(), variable(&request, "HTTP_X_FORWARDED_FOR"))
    }

    #[test]
    fn the_client_is_the_first_from_the_right_that_is_not_trusted() {
        let believed = |chain: &str| Some(chain.to_owned());
        assert_eq!(client(PROXY, "192.0.2.1"), ("192.0.2.1".into(), believed("192.0.2.1")));
        assert_eq!(client(PROXY, "6.6.6.6, 192.0.2.1"), ("192.0.2.1".into(), believed("192.0.2.1")));
        assert_eq!(
            client(PROXY, "6.6.6.6, 192.0.2.1, 10.0.0.7"),
            ("192.0.2.1".into(), believed("192.0.2.1, 10.0.0.7"))
        );
        assert_eq!(client("unix", "[2001:db8::1]:80"), ("2001:db8::1".into(), believed("2001:db8::1")));
        assert_eq!(client(PROXY, "6.6.6.6, nonsense"), ("127.0.0.1".into(), None));
        assert_eq!(client(PROXY, "10.0.0.7"), ("10.0.0.7".into(), believed("10.0.0.7")));
    }

    #[test]
    fn bytes_that_are_no_text_hide_no_client() {
        let values: [&'static [u8]; 2] = [b"6.6.6.6", b"\xe9, 192.0.2.1, 10.0.0.7"];
        for listed in [&values[..], &values[1..]] {
            let headers: Vec<_> = listed
                .iter()
                .map(|value| ("x-forwarded-for", HeaderValue::from_bytes(value).unwrap()))
                .collect();
            let request = begun_with(PROXY, &[Header::For], &headers);
            assert_eq!(variable(&request, "REMOTE_ADDR").unwrap(), "192.0.2.1");
            assert_eq!(variable(&request, "HTTP_X_FORWARDED_FOR").unwrap(), "192.0.2.1, 10.0.0.7");
        }
    }

    #[test]
    fn what_stands_before_nonsense_is_not_believed_even_in_another_line() {
        let headers = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "unix:, 10.0.0.7")];
        let request = begun(PROXY, &[Header::For], &headers);
        assert_eq!(variable(&request, "REMOTE_ADDR").unwrap(), "10.0.0.7");
    }

    #[test]
    fn a_forwarded_host_that_is_no_host_is_not_taken_over() {
        for (header, value) in [("x-forwarded-host", "evil.example/x?"), ("forwarded", "host=\"user@evil\"")]
        {
            let request = begun(PROXY, &[Header::Host, Header::Forwarded], &[(header, value)]);
            assert_eq!(variable(&request, "HTTP_HOST").unwrap(), "inner", "{value}");
        }
    }

    #[test]
    fn nobody_else_is_believed() {
        assert_eq!(client("192.0.2.9:5", "6.6.6.6"), ("192.0.2.9".into(), None));
        let all = [
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil"),
            ("x-forwarded-port", "1"),
            ("x-forwarded-prefix", "/evil"),
            ("x-real-ip", "6.6.6.6"),
            ("x-forwarded-ssl", "on"),
            ("forwarded", "for=6.6.6.6"),
        ];
        let request = begun("192.0.2.9:5", &[Header::For, Header::Proto], &all);
        assert_eq!(request.headers().keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["host"]);
        assert_eq!(variable(&request, "REQUEST_SCHEME").unwrap(), "http");
        assert_eq!(variable(&request, "REMOTE_PORT").unwrap(), "5");
    }

    #[test]
    fn what_is_not_listed_is_removed_even_from_a_trusted_peer() {
        let headers = [
            ("forwarded", "for=6.6.6.6"),
            ("x-forwarded-host", "evil"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-ssl", "on"),
        ];
        let request = begun(PROXY, &[Header::For, Header::Proto], &headers);
        assert_eq!(variable(&request, "HTTP_FORWARDED"), None);
        assert_eq!(variable(&request, "HTTP_X_FORWARDED_SSL"), None);
        assert_eq!(variable(&request, "HTTP_HOST").unwrap(), "inner");
        assert_eq!(variable(&request, "HTTPS").unwrap(), "on");
        assert_eq!(variable(&request, "SERVER_PORT").unwrap(), "443");
    }

    #[test]
    fn host_port_and_prefix_are_taken_over_when_listed() {
        let headers = [
            ("x-forwarded-host", "shop.example"),
            ("x-forwarded-port", "8443"),
            ("x-forwarded-prefix", "/outer%20x/"),
            ("x-forwarded-proto", "ftp"),
        ];
        let request = begun("unix", &[Header::Host, Header::Port, Header::Prefix, Header::Proto], &headers);
        for (name, value) in [
            ("HTTP_HOST", "shop.example"),
            ("SERVER_NAME", "shop.example"),
            ("SERVER_PORT", "8443"),
            ("SCRIPT_NAME", "/outer x"),
            ("REQUEST_SCHEME", "http"),
            ("REMOTE_ADDR", ""),
        ] {
            assert_eq!(variable(&request, name).as_deref(), Some(value), "{name}");
        }
    }

    #[test]
    fn what_is_believed_of_a_header_is_all_that_is_left_of_it() {
        let headers = [
            ("x-forwarded-host", "evil"),
            ("x-forwarded-host", "evil, shop.example"),
            ("x-forwarded-proto", "https, http"),
            ("x-forwarded-port", "all"),
            ("x-forwarded-prefix", "//evil.example"),
        ];
        let request = begun(PROXY, &[Header::Host, Header::Port, Header::Prefix, Header::Proto], &headers);
        for (name, value) in [
            ("HTTP_HOST", Some("shop.example")),
            ("HTTP_X_FORWARDED_HOST", Some("shop.example")),
            ("HTTP_X_FORWARDED_PROTO", Some("http")),
            ("HTTP_X_FORWARDED_PORT", None),
            ("HTTP_X_FORWARDED_PREFIX", None),
            ("SCRIPT_NAME", Some("")),
        ] {
            assert_eq!(variable(&request, name).as_deref(), value, "{name}");
        }
    }

    #[test]
    fn x_real_ip_says_what_is_believed() {
        let headers = [("x-real-ip", "6.6.6.6"), ("x-forwarded-for", "192.0.2.1")];
        let real_ip = |peer, headers| variable(&begun(peer, &[Header::For], headers), "HTTP_X_REAL_IP");
        assert_eq!(real_ip(PROXY, &headers).as_deref(), Some("192.0.2.1"));
        assert_eq!(real_ip("unix", &headers[..1]), None);
        assert_eq!(real_ip(PROXY, &headers[1..]), None);
    }

    #[test]
    fn requests_are_numbered() {
        let identity = Identity::new(Trust { peers: Vec::new(), headers: Vec::new(), user: false }, 7);
        let connection = Connection::new(Arc::default(), Peer::Unix);
        let ids = [(); 2].map(|()| {
            let mut request = http::Request::get("/").body(Body::Empty).unwrap();
            identity.begin(&connection, &identity.number(), &mut request).unwrap();
            variable(&request, "REQUEST_ID").unwrap()
        });
        assert_eq!(ids, ["0000000000000007", "0000000000000008"]);
    }
}
