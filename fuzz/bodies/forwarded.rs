//! What a front server says of its client: believed of those who are trusted, and what comes of it is always sound.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http_environ::{RequestId, View};
use vestibule::identity::{Connection, Identity, Peer};
use vestibule_config::{Trust, TrustedHeader};
use vestibule_layers::Request;

use super::asking;

const EACH: [TrustedHeader; 5] = [
    TrustedHeader::For,
    TrustedHeader::Proto,
    TrustedHeader::Host,
    TrustedHeader::Port,
    TrustedHeader::Prefix,
];

pub(crate) fn run(data: &[u8]) {
    for headers in [EACH.as_slice(), &[TrustedHeader::Forwarded]] {
        let Some(request) = asking::with_headers(data) else { return };
        sound(&begun(request, headers, Ipv4Addr::LOCALHOST));
    }
    let Some(request) = asking::with_headers(data) else { return };
    let stranger = Ipv4Addr::new(192, 0, 2, 1);
    let request = begun(request, &EACH, stranger);
    assert_eq!(variable(&request, "REMOTE_ADDR"), stranger.to_string());
    let tells = |name: &str| name == "forwarded" || name == "x-real-ip" || name.starts_with("x-forwarded-");
    assert!(!request.headers().keys().any(|name| tells(name.as_str())));
}

/// A request from `peer`, where 127.0.0.1 is trusted.
fn begun(mut request: Request, headers: &[TrustedHeader], peer: Ipv4Addr) -> Request {
    let peers = vec![vestibule_config::Peer::Net("127.0.0.1".parse().expect("an address"))];
    let identity = Identity::new(Trust { peers, headers: headers.to_vec(), user: false }, 0);
    let peer = Peer::Tcp(SocketAddr::from((peer, 4711)));
    let connection = Connection::new(Arc::default(), peer);
    identity.begin(&connection, &RequestId::default(), &mut request).expect("a path");
    request
}

fn sound(request: &Request) {
    variable(request, "REMOTE_ADDR").parse::<IpAddr>().expect("the client has an address");
    variable(request, "SERVER_PORT").parse::<u16>().expect("the server has a port");
    let prefix = variable(request, "SCRIPT_NAME");
    assert!(prefix.is_empty() || (prefix.starts_with('/') && !prefix.starts_with("//")), "{prefix}");
    View::of(request).for_each(|name, _| assert!(!name.is_empty()));
}

fn variable(request: &Request, name: &str) -> String {
    let value = View::of(request).get(&name.parse().expect("a variable")).unwrap_or_default();
    String::from_utf8_lossy(&value).into_owned()
}
