//! The head of a request as it is written to a server: its target, and the headers that are not for the next hop only.

use std::io::Write as _;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST};
use http::uri::InvalidUri;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use http_body::Body as _;
use http_environ::View;
use vestibule_layers::{Body, Request, told_length};

use super::forwarded::Forwarded;
use super::hop::is_hop_by_hop;
use super::server::Server;
use crate::backend::upstream::upload::Framing;
use crate::field::words;
use crate::tunnel::MayBegin;

/// Room for most heads, within what is allocated fast.
const ROOM: usize = 1 << 10;

/// The Host that an upstream sees.
#[derive(Clone, Debug)]
pub(super) enum Host {
    /// The client's, or the server's own where the client named none.
    Preserve,
    /// The server's own.
    Upstream,
    Fixed(HeaderValue),
}

/// How requests are changed on their way.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    /// `preserve` (the default), `upstream` or a fixed text.
    pub(super) host: Host,
    /// The protocols that a client may switch to; `websocket` by default. What passes then is seen by nobody.
    pub(super) upgrade: Vec<String>,
    /// `forwarded`: whether `Forwarded` (RFC 7239) is written, too, beside `X-Forwarded-…`; not by default.
    pub(super) writes_forwarded: bool,
    /// `rewrite_answers`: whether `Location` and the paths of cookies are led back to where the client is; so by default.
    pub(super) rewrites_answers: bool,
}

/// What a request has asked for beside its answer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// Whether its body is wanted.
    pub(super) expects: bool,
    /// Another protocol.
    pub(super) upgrades: bool,
}

/// What the headers say that are written anew for this hop.
#[derive(Default)]
pub(super) struct ThisHop<'a> {
    pub(super) takes_trailers: bool,
    expects: bool,
    upgrade: Option<&'a HeaderValue>,
    /// Whether the length of the body is told, even if it is none.
    pub(super) tells_length: bool,
}

impl ThisHop<'_> {
    fn put(self, head: &mut Vec<u8>, request: &Request, framing: Framing, manner: &Manner) -> Asked {
        let has_body = framing != Framing::Length(0);
        let upgrade = self.upgrade.filter(|protocols| !has_body && manner.may_switch(request, protocols));
        // RFC 9110 sections 7.8 and 10.1.4: both are named by `Connection`.
        if let Some(protocols) = upgrade {
            put_field(head, "connection", if self.takes_trailers { b"upgrade, te" } else { b"upgrade" });
            put_field(head, "upgrade", protocols.as_bytes());
        } else if self.takes_trailers {
            put_field(head, "connection", b"te");
        }
        if self.takes_trailers {
            put_field(head, "te", b"trailers");
        }
        let expects = self.expects && has_body;
        if expects {
            put_field(head, "expect", b"100-continue");
        }
        Asked { expects, upgrades: upgrade.is_some() }
    }
}

impl Manner {
    /// Whether a request may ask for these protocols: the client's connection can become a tunnel, and they are listed.
    fn may_switch(&self, request: &Request, protocols: &HeaderValue) -> bool {
        let names_upgrade =
            |value: &HeaderValue| words(value.as_bytes()).any(|word| word.eq_ignore_ascii_case(b"upgrade"));
        let is_listed =
            |word: &[u8]| self.upgrade.iter().any(|listed| word.eq_ignore_ascii_case(listed.as_bytes()));
        request.extensions().get::<MayBegin>().is_some()
            && request.headers().get_all(CONNECTION).iter().any(names_upgrade)
            && words(protocols.as_bytes()).all(is_listed)
    }
}

/// How the server is to learn where the body ends.
pub(super) fn framing(headers: &HeaderMap, body: &Body) -> Framing {
    if body.is_end_stream() {
        return Framing::Length(0);
    }
    // A layer may have wrapped a body so that nothing but the header knows its length.
    body.size_hint().exact().or_else(|| told_length(headers)).map_or(Framing::Chunks, Framing::Length)
}

/// Writes the head of a request in the name of its client: to what is below the mount, and with who asks.
pub(super) fn forward(
    request: &Request,
    framing: Framing,
    manner: &Manner,
    server: &Server,
) -> Result<(Vec<u8>, Asked), InvalidUri> {
    let view = View::of(request);
    let target = target(&view)?;
    let mut head = begin(request, target.as_ref().unwrap_or(request.uri()));
    let hop = fields(&mut head, request, &view, manner, server);
    let is_told = hop.tells_length;
    let asked = hop.put(&mut head, request, framing, manner);
    Ok((end(head, framing, is_told), asked))
}

/// A head that is being written, in the form of a version of HTTP.
pub(super) trait Fields {
    /// Writes a field as it is.
    fn pass(&mut self, name: &HeaderName, value: &HeaderValue);

    /// Writes a field whose value `write` appends.
    fn put(&mut self, name: &'static str, write: impl FnOnce(&mut Vec<u8>));
}

impl Fields for Vec<u8> {
    fn pass(&mut self, name: &HeaderName, value: &HeaderValue) {
        put_field(self, name.as_str(), value.as_bytes());
    }

    fn put(&mut self, name: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        self.extend_from_slice(name.as_bytes());
        self.extend_from_slice(b": ");
        write(self);
        self.extend_from_slice(b"\r\n");
    }
}

/// Writes the headers that are not for the next hop only, Host, and who asks. Tells what is left to be written. What the client's
/// `Connection` names, the front has removed.
pub(super) fn fields<'a>(
    head: &mut impl Fields,
    request: &'a Request,
    view: &View<'_>,
    manner: &Manner,
    server: &Server,
) -> ThisHop<'a> {
    let (mut forwarded, mut hop) = (Forwarded::default(), ThisHop::default());
    // One look at each header: looking up those that matter costs more.
    for (name, value) in request.headers() {
        match name.as_str() {
            "host" => forwarded.client_host = Some(value),
            "content-length" => hop.tells_length = true,
            "te" => hop.takes_trailers |= value.as_bytes().eq_ignore_ascii_case(b"trailers"),
            "upgrade" => hop.upgrade = Some(value),
            "expect" => hop.expects |= value.as_bytes().eq_ignore_ascii_case(b"100-continue"),
            _ if is_hop_by_hop(name) || forwarded.replaces(name) => {}
            _ => head.pass(name, value),
        }
    }
    let host = match &manner.host {
        Host::Preserve => forwarded.client_host.unwrap_or(server.host()),
        Host::Upstream => server.host(),
        Host::Fixed(host) => host,
    };
    head.pass(&HOST, host);
    forwarded.put(head, view.environ(), manner.writes_forwarded);
    hop
}

/// Writes the head of a request of the gateway's own.
pub(super) fn ask(request: &Request, framing: Framing) -> Vec<u8> {
    let mut head = begin(request, request.uri());
    for (name, value) in request.headers().iter().filter(|(name, _)| *name != CONTENT_LENGTH) {
        put_field(&mut head, name.as_str(), value.as_bytes());
    }
    end(head, framing, false)
}

/// The request line.
fn begin(request: &Request, target: &Uri) -> Vec<u8> {
    let mut head = Vec::with_capacity(ROOM);
    let target = target.path_and_query().map_or("/", |target| target.as_str());
    for piece in [request.method().as_str(), " ", target, " HTTP/1.1\r\n"] {
        head.extend_from_slice(piece.as_bytes());
    }
    head
}

fn put_field(head: &mut Vec<u8>, name: &str, value: &[u8]) {
    head.reserve(name.len() + value.len() + 4);
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(b": ");
    head.extend_from_slice(value);
    head.extend_from_slice(b"\r\n");
}

/// The framing of the body. `is_told`: the client has told the length, even if it is none.
fn end(mut head: Vec<u8>, framing: Framing, is_told: bool) -> Vec<u8> {
    match framing {
        Framing::Length(0) if !is_told => {}
        Framing::Length(length) => {
            write!(head, "content-length: {length}\r\n").expect("memory takes all that is written");
        }
        Framing::Chunks => put_field(&mut head, "transfer-encoding", b"chunked"),
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// The target in origin form, under a mount only what is below it; `None` where that is what was sent.
pub(super) fn target(view: &View<'_>) -> Result<Option<Uri>, InvalidUri> {
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
