//! (2) The protocol that the front server speaks: HTTP/1.1 with keep-alive, and what every request must be like.
//!
//! What hyper refuses before there is a request (a malformed line, a head over its limits) it answers itself and the
//! connection is closed; it is logged with the connection. (Of Content-Length beside Transfer-Encoding it removes the
//! former, as RFC 9112 section 6.3 allows.) Here are refused: a request without exactly one Host, or with one that is no
//! host, a body in another transfer coding than chunks, and CONNECT. Headers with `_` in their names are dropped, because `X_Y` would pass for `X-Y` in the environ.

mod client_body;
mod ending;
mod patience;
mod under_way;

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use http::header::{CONNECTION, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use vestibule_config::Limits;
use vestibule_layers::{Cause, Request, rescue};

use crate::gateway::Gateway;
use crate::identity::{Connection, Peer};
use crate::runtime::Stage;
use crate::runtime::seldom::Seldom;
pub use ending::Socket;
use patience::{Expired, Patience};
use under_way::{CutOff, Talk, UnderWay};

/// A request that the front refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// HTTP/1.1 without Host, or with several
    #[error("a request needs exactly one Host (RFC 9112 section 3.2)")]
    Host,
    /// A Host that applications could take for something else
    #[error("a Host that is no host (RFC 3986 section 3.2)")]
    NoHost,
    /// `Transfer-Encoding: gzip, chunked` and the like: hyper takes the chunks away and leaves the gzip
    #[error("a transfer coding other than `chunked` (RFC 9112 section 6.1)")]
    Coding,
    /// CONNECT
    #[error("CONNECT is for proxies of another kind")]
    Connect,
}

/// Why an answer that is not read is broken off.
const UNREAD: &str = "nobody takes it, over `limits: send_time`";

/// Serves one connection, until it ends. From [`Stage::Retiring`] on, the next answer is the last.
pub async fn serve<I>(io: I, connection: Connection, gateway: Arc<Gateway>, mut stage: watch::Receiver<Stage>)
where
    I: Socket + AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let peer = connection.peer;
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
            if under_way.stage() != Stage::Serving {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(under_way.answered(answer))
        }
    });
    let mut conn = builder.serve_connection(TokioIo::new(patience.watch(io)), service);
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
                let io = conn.into_parts().io.into_inner().into_inner();
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
                    tracing::warn!(?peer, "a head is over `limits: header_time`: closed");
                    return;
                }
                Expired::Unread => {
                    talk.end(Cause::RequestTimeout, || UNREAD.into());
                    conn.into_parts().io.into_inner().into_inner().reset_on_close();
                    if !talk.is_told() {
                        tracing::warn!(?peer, "the end of an answer: {UNREAD}");
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

fn builder(limits: &Limits, patience: &Patience) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(patience.timer())
        .header_read_timeout(limits.header_time)
        .max_header_size(limits.header_bytes);
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
        tracing::warn!(?peer, "a head is over `limits: header_bytes` or `header_count`: {why}");
    } else {
        tracing::debug!(?peer, "connection ended: {why}");
    }
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
    value.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || b".:-_[]%~!$&'()*+,;=".contains(byte))
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
    fn the_targets_authority_is_the_host() {
        let mut request =
            http::Request::get("http://real/").header("host", "other").body(Body::Empty).unwrap();
        admit(&mut request).unwrap();
        assert_eq!(request.headers()[HOST], "real");
    }
}
