//! HTTP/1.1 with keep-alive, by hyper. A connection that begins as one of HTTP/2 goes to [`h2c`]; one that has nothing to do goes
//! to [`rest`], and comes back.
//!
//! What hyper refuses before there is a request (a malformed line, a head over its limits) it answers itself and the
//! connection is closed; it is logged with the connection. (Of Content-Length beside Transfer-Encoding it removes the
//! former, as RFC 9112 section 6.3 allows.)

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http1::{Builder, Parts};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use vestibule_config::{Limits, Protocol};
use vestibule_layers::{Cause, rescue};

use super::begun::Begun;
use super::patience::{Expired, Patience, SLOW_HEAD, UNREAD, Watched};
use super::reading::Reading;
use super::socket::Socket;
use super::under_way::{CutOff, Sending, Talk, UnderWay};
use super::{client_body, ending, h2c, rest};
use crate::gateway::Gateway;
use crate::identity::{Connection, Peer};
use crate::runtime::Stage;
use crate::runtime::seldom::Seldom;

pub(super) static PROTOCOL: Protocol = Protocol { name: "http", speaks_for_clients: false };

/// Serves one connection, until it ends. From [`Stage::Retiring`] on, the next answer is the last.
pub(super) async fn serve<I: Socket>(
    io: I,
    connection: Connection,
    gateway: Arc<Gateway>,
    mut stage: watch::Receiver<Stage>,
) {
    let mut io = Reading::new(Begun::default(), io);
    loop {
        // Boxed: a connection that rests shall not carry the room for it.
        let Some(tired) = Box::pin(converse(io, &connection, &gateway, stage.clone())).await else { return };
        io = tired.io;
        tracing::debug!(peer = %connection.peer, kept = io.look().len(), "an idle connection gives its buffers back");
        if io.look().len() == 0 && !rest::is_disturbed(io.io(), tired.left, &mut stage).await {
            return;
        }
    }
}

/// A connection that has had nothing to do for a while.
struct Tired<I> {
    /// With what has come of the next request, which hyper knew already.
    io: Reading<Begun, I>,
    /// How long it may be idle yet.
    left: Duration,
}

/// Serves one connection, until it ends (`None`) or tires.
async fn converse<I: Socket>(
    io: Reading<Begun, I>,
    connection: &Connection,
    gateway: &Arc<Gateway>,
    mut stage: watch::Receiver<Stage>,
) -> Option<Tired<I>> {
    let peer = connection.peer;
    let patience = Patience::that_tires(gateway.limits(), rest::AFTER);
    let builder = builder(gateway.limits(), &patience);
    let talk = Arc::new(Talk::new(stage.clone()));
    let service = service_fn(|request| answer(request, connection, gateway, &talk));
    let io = Reading::new(h2c::Preface::default(), patience.watch(io));
    let mut conn = builder.serve_connection(TokioIo::new(io), service);
    let _cut_off = CutOff(Arc::clone(&talk));
    let mut expired = pin!(patience.expired());
    let mut expired = seldom(|cx| expired.as_mut().poll(cx));
    // An error means that the worker is at its end.
    let mut closing = pin!(async { drop(stage.wait_for(|stage| *stage == Stage::Closing).await) });
    let mut closing = seldom(|cx| closing.as_mut().poll(cx));
    let (mut waits, mut open) = (true, true);
    loop {
        tokio::select! {
            biased;
            ended = &mut conn => {
                talk.end(Cause::ClientGone, || why(&ended));
                let (io, read) = taken_back(conn.into_parts());
                // What is idle, or outlasts the drain, ends at once.
                let may_be_sending = waits && open && talk.has_body.load(Ordering::Relaxed);
                let end = End { ended, may_be_sending };
                // Boxed: it comes once, and no connection shall carry the room for it.
                Box::pin(end.follow(io, read, connection, gateway, &talk)).await;
                return None;
            }
            why = &mut expired, if waits => match why {
                // hyper was asked just now: what it has not read will be found by whoever reads next.
                Expired::Tired => {
                    let (mut io, read) = taken_back(conn.into_parts());
                    // A line of its own behind a body begins no head (RFC 9112 section 2.2).
                    let line_ends = read.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                    io.look_mut().put_back(read.slice(line_ends..));
                    return Some(Tired { io, left: patience.left() });
                }
                Expired::Idle => {
                    Pin::new(&mut conn).graceful_shutdown();
                    waits = false;
                }
                Expired::Head => {
                    tracing::warn!(%peer, "{SLOW_HEAD}");
                    return None;
                }
                Expired::Unread => {
                    talk.end(Cause::RequestTimeout, || UNREAD.into());
                    taken_back(conn.into_parts()).0.io().reset_on_close();
                    if !talk.is_told() {
                        tracing::warn!(%peer, "the end of an answer: {UNREAD}");
                    }
                    return None;
                }
            },
            () = &mut closing, if open => {
                Pin::new(&mut conn).graceful_shutdown();
                open = false;
            }
        }
    }
}

/// A connection as hyper has it.
type Guarded<I> = TokioIo<Reading<h2c::Preface, Watched<Reading<Begun, I>>>>;

/// A connection that hyper serves no more, and what it has read of it in vain.
fn taken_back<I, S>(parts: Parts<Guarded<I>, S>) -> (Reading<Begun, I>, Bytes) {
    (parts.io.into_inner().into_inner().into_inner(), parts.read_buf)
}

/// How HTTP/1.1 has ended on a connection.
struct End {
    ended: Result<(), hyper::Error>,
    /// The client may not have sent all of its last request.
    may_be_sending: bool,
}

impl End {
    /// Goes on with what the connection has become, or ends it.
    async fn follow<I: Socket>(
        self,
        mut io: Reading<Begun, I>,
        read: Bytes,
        connection: &Connection,
        gateway: &Arc<Gateway>,
        talk: &Talk,
    ) {
        let peer = connection.peer;
        if let (Ok(()), Some(tunnel)) = (&self.ended, talk.tunnel()) {
            let carried = tunnel.carry(io, read).await;
            tracing::debug!(?peer, "a tunnel has ended: {carried:?}");
        } else if read.starts_with(h2c::PREFACE) {
            io.look_mut().put_back(read);
            // Boxed: it takes far more room than the other ends.
            Box::pin(h2c::serve(io, connection.clone(), Arc::clone(gateway), talk.stages())).await;
        } else {
            if !talk.is_told() {
                log_end(peer, &self.ended);
            }
            ending::end(io.into_inner(), self.ended, self.may_be_sending).await;
        }
    }
}

/// Answers one request.
fn answer(
    request: http::Request<Incoming>,
    connection: &Connection,
    gateway: &Gateway,
    talk: &Arc<Talk>,
) -> impl Future<Output = Result<http::Response<Sending>, Infallible>> + use<> {
    talk.has_body.store(!request.body().is_end_stream(), Ordering::Relaxed);
    let request = request.map(|body| client_body::guard(body, gateway.limits()));
    let number = gateway.number();
    let under_way = UnderWay::new(Arc::clone(talk), number.clone());
    let answer = gateway.handle(connection, number, request);
    async move {
        let mut answer = answer.await;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            under_way.switch(&mut answer);
        } else if under_way.stage() != Stage::Serving {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(under_way.answered(answer))
    }
}

/// A future of what is asked only after it has woken the task.
fn seldom<T>(mut ask: impl FnMut(&mut Context<'_>) -> Poll<T> + Unpin) -> impl Future<Output = T> + Unpin {
    let mut seldom = Seldom::default();
    std::future::poll_fn(move |cx| seldom.poll(cx, &mut ask))
}

/// How much of an answer is gathered before it is written, and how much of a request is read at once. With hyper's own 400 KiB, a
/// long answer leaves the processor's cache on its way.
const BUFFER: usize = 64 << 10;

fn builder(limits: &Limits, patience: &Patience) -> Builder {
    let mut builder = Builder::new();
    builder
        .timer(patience.timer())
        .header_read_timeout(limits.header_time)
        .max_header_size(limits.header_bytes)
        .max_buf_size(limits.header_bytes.max(BUFFER));
    // hyper keeps room for 100 headers on the stack, unless it is told a number.
    if limits.header_count != 100 {
        builder.max_headers(limits.header_count);
    }
    builder
}

fn why(ended: &Result<(), hyper::Error>) -> String {
    ended.as_ref().err().map_or_else(|| "the connection has ended".into(), |error| rescue::chain(error))
}

/// Logs what no request is to blame for.
fn log_end(peer: Peer, ended: &Result<(), hyper::Error>) {
    let Err(error) = ended else { return };
    let why = rescue::chain(error);
    if error.is_parse_too_large() {
        tracing::warn!(%peer, "a head is over `limits: header_bytes` or `header_count`: {why}");
    } else {
        tracing::debug!(%peer, "connection ended: {why}");
    }
}
