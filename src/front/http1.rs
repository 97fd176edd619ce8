//! HTTP/1.1 with keep-alive, by hyper. A connection that begins as one of HTTP/2 goes to [`h2c`].
//!
//! What hyper refuses before there is a request (a malformed line, a head over its limits) it answers itself and the
//! connection is closed; it is logged with the connection. (Of Content-Length beside Transfer-Encoding it removes the
//! former, as RFC 9112 section 6.3 allows.)

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use http::header::CONNECTION;
use http::{HeaderValue, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use vestibule_config::{Limits, Protocol};
use vestibule_layers::{Cause, rescue};

use super::patience::{Expired, Patience, SLOW_HEAD, UNREAD};
use super::socket::Socket;
use super::under_way::{CutOff, Talk, UnderWay};
use super::{client_body, ending, h2c};
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
    let peer = connection.peer;
    let (host, house) = (connection.clone(), Arc::clone(&gateway));
    let patience = Patience::new(gateway.limits());
    let builder = builder(gateway.limits(), &patience);
    let talk = Arc::new(Talk::new(stage.clone()));
    let noted = Arc::clone(&talk);
    let service = service_fn(move |request: http::Request<Incoming>| {
        noted.has_body.store(!request.body().is_end_stream(), Ordering::Relaxed);
        let request = request.map(|body| client_body::guard(body, gateway.limits()));
        let number = gateway.number();
        let under_way = UnderWay::new(Arc::clone(&noted), number.clone());
        let answer = gateway.handle(&connection, number, request);
        async move {
            let mut answer = answer.await;
            if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
                under_way.switch(&mut answer);
            } else if under_way.stage() != Stage::Serving {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(under_way.answered(answer))
        }
    });
    let mut conn = builder.serve_connection(
        TokioIo::new(h2c::Reading::new(h2c::Preface::default(), patience.watch(io))),
        service,
    );
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
                let parts = conn.into_parts();
                let io = parts.io.into_inner().into_inner().into_inner();
                if let (Ok(()), Some(tunnel)) = (&ended, talk.tunnel()) {
                    // Boxed: few connections become one, and the others shall not carry the room for it.
                    let carried = Box::pin(tunnel.carry(io, parts.read_buf)).await;
                    tracing::debug!(?peer, "a tunnel has ended: {carried:?}");
                    return;
                }
                if parts.read_buf.starts_with(h2c::PREFACE) {
                    // Boxed, as above.
                    Box::pin(h2c::serve(io, parts.read_buf, host, house, talk.stages())).await;
                    return;
                }
                if !talk.is_told() {
                    log_end(peer, &ended);
                }
                // What is idle, or outlasts the drain, ends at once.
                let may_be_sending = waits && open && talk.has_body.load(Ordering::Relaxed);
                // Boxed: it comes once, and no connection shall carry the room for it.
                Box::pin(ending::end(io, ended, may_be_sending)).await;
                return;
            }
            why = &mut expired, if waits => match why {
                Expired::Idle => {
                    std::pin::Pin::new(&mut conn).graceful_shutdown();
                    waits = false;
                }
                Expired::Head => {
                    tracing::warn!(%peer, "{SLOW_HEAD}");
                    return;
                }
                Expired::Unread => {
                    talk.end(Cause::RequestTimeout, || UNREAD.into());
                    conn.into_parts().io.into_inner().into_inner().into_inner().reset_on_close();
                    if !talk.is_told() {
                        tracing::warn!(%peer, "the end of an answer: {UNREAD}");
                    }
                    return;
                }
            },
            () = &mut closing, if open => {
                std::pin::Pin::new(&mut conn).graceful_shutdown();
                open = false;
            }
        }
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

fn builder(limits: &Limits, patience: &Patience) -> http1::Builder {
    let mut builder = http1::Builder::new();
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
