//! HTTP/1.1 with keep-alive. A connection that begins as one of HTTP/2 goes to [`h2c`]; one that has nothing to do goes to [`rest`],
//! and comes back.
//!
//! For each request ([`exchange`](mod@exchange)), two futures of one task share the connection: one writes the answer ([`outgoing`]), the
//! other reads the body and then waits for the client's end ([`incoming`]). What is no request (a malformed line, a head over its limits) is answered
//! here, the connection is closed, and the log tells whose it was. Of Content-Length beside Transfer-Encoding the former is
//! removed, as RFC 9112 section 6.3 allows.

mod answer_head;
mod date;
mod exchange;
mod head;
mod incoming;
mod outgoing;

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use http::{HeaderMap, Response};
use tokio::io::AsyncWriteExt as _;
use vestibule_config::Protocol;
use vestibule_layers::{Body, rescue};

use self::exchange::exchange;
use self::head::{Asked, Head, NoRequest};
use self::outgoing::Outgoing;
use super::begun::Begun;
use super::patience::Expired;
use super::reading::Reading;
use super::visit::{Over, Visit};
use super::{Visitor, ending, h2c, rest};
use crate::identity::{Connection, Peer};
use crate::runtime::phase::Phase;
use crate::runtime::socket::{Awaited, Socket};
use crate::tunnel::Tunnel;

pub(super) static PROTOCOL: Protocol = Protocol { name: "http", speaks_for_clients: false };

/// Serves one connection. From [`Stage::Retiring`](crate::runtime::Stage::Retiring) on, the next answer is the last.
pub(super) fn serve<I: Socket>(io: I, visitor: Visitor) -> Phase {
    let left = visitor.gateway.limits().keep_alive;
    Phase::new(converse(io, visitor, left))
}

/// A connection rests, until something comes. `left` is how long it may be idle yet.
fn rest<I: Socket>(io: I, mut visitor: Visitor, left: Duration) -> Phase {
    Phase::new(async move {
        tracing::debug!(peer = %visitor.peer, "an idle connection gives its buffers back");
        let rests_since = Instant::now();
        if !rest::is_disturbed(&io, left, &mut visitor.stage).await {
            return None;
        }
        Some(Phase::new(converse(io, visitor, left.saturating_sub(rests_since.elapsed()))))
    })
}

/// A connection, and what its requests use one after the other.
struct Line<I> {
    io: I,
    /// What was received, and is not used yet.
    received: BytesMut,
    /// What is to be written.
    out: Vec<u8>,
    /// Room for the headers of the next request.
    headers: HeaderMap,
    reader: head::Reader,
    /// Whether a request has come.
    has_asked: bool,
    awaited: Awaited,
}

impl<I> Line<I> {
    /// What is left when no request follows.
    fn into_parts(self) -> (I, BytesMut) {
        (self.io, self.received)
    }
}

/// How a conversation ends.
enum End {
    /// The client has ended it, or all is said
    Over,
    /// As above, but there is more that the client has sent, or may yet send
    Unread,
    /// What came is no request
    NoRequest(NoRequest),
    /// It broke while no request was under way
    Io(io::Error),
    /// It broke in the middle of a request, and the log knows
    Gone,
    /// An answer broke off, and the log knows
    Broken,
    /// The connection has become a tunnel
    Switched(Tunnel),
    /// It begins as one of HTTP/2
    Http2,
}

/// Answers the requests of a connection, until it ends or tires. `left` is how long it may be idle before the first of them.
async fn converse<I: Socket>(io: I, visitor: Visitor, left: Duration) -> Option<Phase> {
    let began = Instant::now();
    let mut line = Line {
        io,
        received: BytesMut::new(),
        out: Vec::new(),
        headers: HeaderMap::new(),
        reader: head::Reader::default(),
        has_asked: false,
        awaited: Awaited::default(),
    };
    let visit = Visit::that_tires(visitor, rest::AFTER);
    let connection = Connection::new(Arc::clone(&visit.server), visit.peer);
    let attended = visit.attend(pin!(talk(&mut line, &visit, &connection))).await;
    let end = match attended {
        Ok(end) => end,
        Err(Over::Expired(Expired::Tired)) => {
            // Nothing has come: a head that has begun is no rest.
            let idle_before = || left.saturating_sub(began.elapsed());
            // Empty lines are no request: they do not make it wait any longer.
            let left = if line.has_asked { visit.patience.left() } else { idle_before() };
            return (!left.is_zero()).then(|| rest(line.io, visit.into_visitor(), left));
        }
        Err(Over::Expired(Expired::Unread)) => {
            line.io.reset_on_close();
            return None;
        }
        Err(Over::Expired(Expired::Idle | Expired::Head) | Over::Closing) => return None,
    };
    let (io, received) = line.into_parts();
    Some(Phase::last(follow(end, io, received, visit, connection)))
}

/// Goes on with what a connection has become, or ends it.
async fn follow<I: Socket>(end: End, mut io: I, received: BytesMut, visit: Visit, connection: Connection) {
    let peer = visit.peer;
    match end {
        End::Over => drop(io.shutdown().await),
        End::Unread => unread(io, &visit).await,
        End::NoRequest(why) => {
            log_refusal(peer, why);
            unread(io, &visit).await;
        }
        End::Io(error) => tracing::debug!(%peer, "connection ended: {}", rescue::chain(&error)),
        End::Gone => {}
        End::Broken => io.reset_on_close(),
        End::Switched(tunnel) => {
            let carried = tunnel.carry(io, received.freeze()).await;
            tracing::debug!(?peer, "a tunnel has ended: {carried:?}");
        }
        End::Http2 => {
            let mut io = Reading::new(Begun::default(), io);
            io.look_mut().put_back(received.freeze());
            let Visitor { gateway, stage, .. } = visit.into_visitor();
            h2c::serve(io, connection, gateway, stage).await;
        }
    }
}

/// Ends a connection on which more may come.
async fn unread(mut io: impl Socket, visit: &Visit) {
    let is_sent = io.shutdown().await.is_ok();
    // What outlasts the drain ends at once.
    if is_sent && !visit.is_closing() {
        ending::linger(io).await;
    }
}

fn log_refusal(peer: Peer, why: NoRequest) {
    if why.is_too_large() {
        tracing::warn!(%peer, "closed: {why}");
    } else {
        tracing::debug!(%peer, "connection ended: what came is no request: {why}");
    }
}

/// Answers one request after the other.
async fn talk<I: Socket>(line: &mut Line<I>, visit: &Visit, connection: &Connection) -> End {
    loop {
        let head = match next(line, visit).await {
            Ok(head) => head,
            Err(end) => return end,
        };
        if let Err(end) = exchange(line, head, visit, connection).await {
            return end;
        }
        if visit.is_closing() {
            return End::Over;
        }
    }
}

/// Waits for the next request.
async fn next<I: Socket>(line: &mut Line<I>, visit: &Visit) -> Result<Head, End> {
    let _wait = visit.patience.wait();
    loop {
        if line.received.starts_with(h2c::PREFACE) {
            return Err(End::Http2);
        }
        if !is_part_of_preface(&line.received) {
            match line.reader.read(&mut line.received, &mut line.headers, visit.limits()) {
                Ok(Some(head)) => return Ok(head),
                Ok(None) => {}
                Err(why) => return Err(refuse(line, visit, why).await),
            }
        }
        if head::has_begun(&line.received) {
            visit.patience.begun();
        }
        let (mut read, _) = line.io.halves(&mut line.awaited);
        match incoming::receive(&mut read, &mut line.received).await {
            Ok(0) if line.received.is_empty() => return Err(End::Over),
            Ok(0) => return Err(End::Io(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => {}
            Err(error) => return Err(End::Io(error)),
        }
    }
}

/// The preface of HTTP/2 would be refused before it is there as a whole.
fn is_part_of_preface(received: &[u8]) -> bool {
    !received.is_empty() && h2c::PREFACE.starts_with(received)
}

/// Answers what is no request.
async fn refuse<I: Socket>(line: &mut Line<I>, visit: &Visit, why: NoRequest) -> End {
    let asked =
        Asked { is_http_1_0: false, is_head: false, is_kept: false, expects: false, takes_trailers: false };
    let mut answer = Response::new(Body::Empty);
    *answer.status_mut() = why.status();
    answer_head::put(&mut line.out, &answer, asked, false);
    let (_, write) = line.io.halves(&mut line.awaited);
    match Outgoing::new(write, &mut line.out, visit).flush().await {
        Ok(()) => End::NoRequest(why),
        Err(_) => End::Gone,
    }
}
