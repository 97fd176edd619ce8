//! HTTP/2 with prior knowledge, without TLS, by hyper: for gRPC, and for front servers that speak it.
//!
//! `protocol: h2c` expects it; where HTTP/1.1 is spoken, a connection that begins with the preface of HTTP/2 is handed to here, at
//! no cost for others. The limits are those of HTTP/1.1: a connection without a request waits for `limits: keep_alive`, a head that
//! has begun for `limits: header_time` ([`heads`]). Streams are few enough, and a client that resets them again and again (CVE-2023-44487) loses its
//! connection. A drain sends GOAWAY.

mod heads;
mod traffic;

use std::convert::Infallible;
use std::future::ready;
use std::pin::pin;
use std::sync::Arc;

use http::header::{CONTENT_LENGTH, COOKIE};
use http::{HeaderMap, HeaderValue, Method, Response as HttpResponse, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::sync::watch;
use tokio::time;
use vestibule_config::{Limits, Protocol};
use vestibule_layers::rescue::BrokenOff;
use vestibule_layers::{Answer, Body, Cause, Response, rescue};

use self::heads::Heads;
use self::traffic::{Outgoing, Traffic};
use super::begun::Begun;
use super::client_body;
use super::patience::{Expired, SLOW_HEAD, UNREAD};
use super::reading::Reading;
use super::under_way::{CutOff, Talk, UnderWay};
use crate::gateway::Gateway;
use crate::identity::Connection;
use crate::runtime::Stage;
use crate::runtime::socket::Socket;

/// What every connection of HTTP/2 begins with (RFC 9113 section 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) static PROTOCOL: Protocol = Protocol { name: "h2c", speaks_for_clients: false };

/// How many requests a connection may have at once.
const STREAMS: u32 = 128;

/// How many streams may be reset before anybody has looked at them, and how many because of mistakes in them, until the
/// connection is closed.
const RESETS: usize = 20;
const MISTAKES: usize = 256;

/// How much of a body is received before anybody takes it, for a stream and for all of a connection.
const WINDOW: u32 = 64 << 10;
const ALL_WINDOWS: u32 = 1 << 20;

/// How much of an answer waits for its client to take it.
const UNSENT: usize = 64 << 10;

/// Serves one connection, of which something was read already, until it ends. From [`Stage::Retiring`] on, the requests under
/// way are the last.
pub(super) async fn serve<I: Socket>(
    io: Reading<Begun, I>,
    connection: Connection,
    gateway: Arc<Gateway>,
    mut stage: watch::Receiver<Stage>,
) {
    let peer = connection.peer;
    let limits = *gateway.limits();
    let builder = builder(&limits);
    let traffic = Arc::new(Traffic::default());
    let talk = Arc::new(Talk::default());
    let (noted, counted) = (Arc::clone(&talk), Arc::clone(&traffic));
    let service = service_fn(move |request: http::Request<Incoming>| {
        let visit = counted.enter();
        let number = gateway.number();
        let under_way = UnderWay::of_stream(Arc::clone(&noted), number.clone());
        let is_head = *request.method() == Method::HEAD;
        let mut request = request.map(|body| {
            // What is malformed resets its stream, too.
            let body = body.map_err(|error| BrokenOff::new(Cause::ClientGone, error));
            client_body::guard(body, gateway.limits())
        });
        join_cookies(request.headers_mut());
        let most = gateway.limits().header_count;
        let answer: Answer = if request.headers().len() > most {
            tracing::warn!(?peer, "a head is over `limits: header_count`");
            Box::pin(ready(too_large()))
        } else {
            gateway.handle(&connection, number, request)
        };
        async move {
            let mut answer = answer.await;
            if is_head {
                drop_body(&mut answer);
            }
            Ok::<_, Infallible>(under_way.answered(answer).map(|body| Outgoing::new(body, visit)))
        }
    });
    let io = Reading::new(Heads::new(Arc::clone(&traffic)), io);
    let mut conn = pin!(builder.serve_connection(TokioIo::new(io), service));
    let _cut_off = CutOff(Arc::clone(&talk));
    let mut expired = pin!(traffic.expired(&limits));
    // An error means that the worker is at its end.
    let mut retiring = pin!(async { drop(stage.wait_for(|stage| *stage != Stage::Serving).await) });
    let mut is_open = true;
    loop {
        tokio::select! {
            biased;
            ended = &mut conn => {
                let why = ended.err().map_or_else(|| "the connection has ended".into(), |error| rescue::chain(&error));
                tracing::debug!(?peer, "connection ended: {why}");
                talk.end(Cause::ClientGone, || why);
                return;
            }
            why = &mut expired => {
                match why {
                    Expired::Unread => talk.end(Cause::RequestTimeout, || UNREAD.into()),
                    Expired::Head => {
                        tracing::warn!(%peer, "{SLOW_HEAD}");
                        talk.end(Cause::RequestTimeout, || SLOW_HEAD.into());
                    }
                    Expired::Tired | Expired::Idle => {
                        conn.as_mut().graceful_shutdown();
                        // The client has to answer before it is certain that no request was on its way.
                        drop(time::timeout(limits.header_time, conn).await);
                    }
                }
                return;
            }
            () = &mut retiring, if is_open => {
                conn.as_mut().graceful_shutdown();
                is_open = false;
            }
        }
    }
}

fn builder(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(MISTAKES)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(ALL_WINDOWS)
        .max_send_buf_size(UNSENT)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX));
    builder
}

/// The same as an HTTP/1 client is answered.
fn too_large() -> Response {
    let mut answer = HttpResponse::new(Body::Empty);
    *answer.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    answer
}

/// Clients may part their cookies, as HTTP/1 may not (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(COOKIE).iter();
    if cookies.next().is_none() || cookies.next().is_none() {
        return;
    }
    let cookies: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

/// Leaves of an answer to HEAD what is known of its body.
fn drop_body(answer: &mut Response) {
    let length = answer.body().size_hint().exact().filter(|length| *length > 0);
    if let Some(length) = length {
        answer.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    *answer.body_mut() = Body::Empty;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parted_cookies_are_one() {
        let mut headers = HeaderMap::new();
        join_cookies(&mut headers);
        assert!(headers.is_empty());
        for cookie in ["a=1", "b=2", "c=3"] {
            headers.append(COOKIE, HeaderValue::from_static(cookie));
        }
        join_cookies(&mut headers);
        assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
    }
}
