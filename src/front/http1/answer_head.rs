//! The head of an answer.

use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{Response, StatusCode};
use http_body::Body;
use hyper::ext::ReasonPhrase;

use super::date;
use super::head::Asked;
use super::outgoing::{Framing, put_field};
use crate::field::{number, words};

/// How the rest of an answer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// How its body is sent; that of an answer without one is empty.
    pub(super) framing: Framing,
    /// Whether the connection ends with it.
    pub(super) is_last: bool,
}

/// What the headers say that are written anew.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct ThisHop {
    length: Option<u64>,
    is_closing: bool,
    has_date: bool,
    has_trailer: bool,
    has_upgrade: bool,
}

/// Writes a head. `may_follow`: nothing but the answer itself ends the connection.
pub(super) fn put<B: Body>(out: &mut Vec<u8>, answer: &Response<B>, asked: Asked, may_follow: bool) -> Plan {
    put_status(out, answer, asked);
    let hop = put_fields(out, answer);
    let (told, framing) = framing(answer, asked, hop.length);
    // Behind an interim answer its client waits for the final one, which would be that of the next request.
    let is_final = !answer.status().is_informational();
    let is_last = !may_follow || !asked.is_kept || framing == Framing::Close || hop.is_closing || !is_final;
    if let Some(length) = told {
        out.extend_from_slice(b"content-length: ");
        put_number(out, length);
        out.extend_from_slice(b"\r\n");
    } else if matches!(framing, Framing::Chunks { .. }) {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
        for value in answer.headers().get_all(TRAILER).iter().filter(|_| hop.has_trailer) {
            put_field(out, TRAILER.as_str(), value.as_bytes());
        }
    }
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        if hop.has_upgrade {
            // RFC 9110 section 7.8: nothing between here and the client is to pass it on.
            out.extend_from_slice(b"connection: upgrade\r\n");
        }
        if is_last {
            out.extend_from_slice(b"connection: close\r\n");
        } else if asked.is_http_1_0 {
            out.extend_from_slice(b"connection: keep-alive\r\n");
        }
    }
    if !hop.has_date {
        out.extend_from_slice(b"date: ");
        date::put(out);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    Plan { framing, is_last }
}

/// Writes the headers that go on.
fn put_fields<B>(out: &mut Vec<u8>, answer: &Response<B>) -> ThisHop {
    let switches = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
    let mut hop = ThisHop::default();
    for (name, value) in answer.headers() {
        match *name {
            CONTENT_LENGTH => hop.length = number(value.as_bytes()),
            TRANSFER_ENCODING => {}
            TRAILER => hop.has_trailer = true,
            CONNECTION if !switches => {
                hop.is_closing |= words(value.as_bytes()).any(|word| word.eq_ignore_ascii_case(b"close"));
            }
            _ => {
                match *name {
                    DATE => hop.has_date = true,
                    UPGRADE => hop.has_upgrade = true,
                    _ => {}
                }
                put_field(out, name.as_str(), value.as_bytes());
            }
        }
    }
    hop
}

/// The length that the client is told, and how it finds the end of the body.
fn framing<B: Body>(answer: &Response<B>, asked: Asked, length: Option<u64>) -> (Option<u64>, Framing) {
    let known = answer.body().size_hint().exact();
    let told = length.or(known);
    match answer.status() {
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => (None, Framing::Length(0)),
        status if status.is_informational() => (None, Framing::Length(0)),
        // Of an answer to HEAD without a body nobody knows the length, but for who has told it.
        _ if asked.is_head => (length.or(known.filter(|known| *known > 0)), Framing::Length(0)),
        _ => match told {
            Some(length) => (told, Framing::Length(length)),
            None if asked.is_http_1_0 => (None, Framing::Close),
            None => (None, Framing::Chunks { takes_trailers: asked.takes_trailers }),
        },
    }
}

fn put_status<B>(out: &mut Vec<u8>, answer: &Response<B>, asked: Asked) {
    let status = answer.status();
    let reason = answer.extensions().get::<ReasonPhrase>();
    if status == StatusCode::OK && reason.is_none() && !asked.is_http_1_0 {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    let version: &[u8] = if asked.is_http_1_0 { b"HTTP/1.0 " } else { b"HTTP/1.1 " };
    let usual = || status.canonical_reason().unwrap_or_default().as_bytes();
    let reason = reason.map_or_else(usual, |reason| reason.as_bytes());
    for part in [version, status.as_str().as_bytes(), b" ", reason, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Writes a number in decimal digits.
fn put_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use bytes::Bytes;
    use http::HeaderValue;
    use vestibule_layers::{Body, BodyError};

    use super::*;

    const ASKED: Asked =
        Asked { is_http_1_0: false, is_head: false, is_kept: true, expects: false, takes_trailers: false };

    /// The head without its date, and how the answer goes on.
    fn written(answer: &Response<Body>, asked: Asked) -> (String, Plan) {
        let mut out = Vec::new();
        let plan = put(&mut out, answer, asked, true);
        let text = String::from_utf8(out).unwrap();
        let (head, date) = text.split_once("date: ").unwrap();
        assert!(date.ends_with(" GMT\r\n\r\n"), "{date}");
        (head.replace("\r\n", "|"), plan)
    }

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: Body) -> Response<Body> {
        let mut answer = Response::new(body);
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        for (name, value) in headers {
            answer.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        answer
    }

    /// A body of unknown length.
    fn stream() -> Body {
        Body::boxed(Never)
    }

    struct Never;

    impl http_body::Body for Never {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
            Poll::Pending
        }
    }

    #[test]
    fn the_client_learns_where_the_body_ends() {
        let length = Framing::Length;
        let chunks = Framing::Chunks { takes_trailers: false };
        let http_1_0 = Asked { is_http_1_0: true, ..ASKED };
        let head = Asked { is_head: true, ..ASKED };
        let wrong = &[("transfer-encoding", "gzip")][..];
        for (answer, asked, expected, framing) in [
            (answer(200, wrong, "hi".into()), ASKED, "HTTP/1.1 200 OK|content-length: 2|", length(2)),
            (answer(200, &[], Body::Empty), ASKED, "HTTP/1.1 200 OK|content-length: 0|", length(0)),
            (
                answer(404, &[("content-length", "7")], stream()),
                ASKED,
                "HTTP/1.1 404 Not Found|content-length: 7|",
                length(7),
            ),
            (answer(200, &[], stream()), ASKED, "HTTP/1.1 200 OK|transfer-encoding: chunked|", chunks),
            (answer(200, &[], stream()), http_1_0, "HTTP/1.0 200 OK|connection: close|", Framing::Close),
            (
                answer(200, &[], "hi".into()),
                http_1_0,
                "HTTP/1.0 200 OK|content-length: 2|connection: keep-alive|",
                length(2),
            ),
            (answer(200, &[], "hi".into()), head, "HTTP/1.1 200 OK|content-length: 2|", length(0)),
            (answer(200, &[], stream()), head, "HTTP/1.1 200 OK|", length(0)),
            (answer(200, &[], Body::Empty), head, "HTTP/1.1 200 OK|", length(0)),
            (
                answer(200, &[("content-length", "0")], Body::Empty),
                head,
                "HTTP/1.1 200 OK|content-length: 0|",
                length(0),
            ),
            (
                answer(204, &[("content-length", "0")], Body::Empty),
                ASKED,
                "HTTP/1.1 204 No Content|",
                length(0),
            ),
            (
                answer(304, &[("etag", "\"a\"")], Body::Empty),
                ASKED,
                "HTTP/1.1 304 Not Modified|etag: \"a\"|",
                length(0),
            ),
            (answer(299, &[], Body::Empty), ASKED, "HTTP/1.1 299 |content-length: 0|", length(0)),
        ] {
            let (head, plan) = written(&answer, asked);
            assert_eq!((head.as_str(), plan.framing), (expected, framing));
            assert_eq!(plan.is_last, framing == Framing::Close, "{expected}");
        }
    }

    #[test]
    fn the_last_answer_says_so() {
        let closing = answer(200, &[("connection", "x, Close"), ("x-a", "1"), ("x-a", "2")], "hi".into());
        let (head, plan) = written(&closing, ASKED);
        let expected = "HTTP/1.1 200 OK|x-a: 1|x-a: 2|content-length: 2|connection: close|";
        assert_eq!((head.as_str(), plan.is_last), (expected, true));
        let usual = answer(200, &[], "hi".into());
        assert!(written(&usual, Asked { is_kept: false, ..ASKED }).1.is_last);
        assert!(put(&mut Vec::new(), &usual, ASKED, false).is_last);
        assert!(written(&answer(103, &[], Body::Empty), ASKED).1.is_last);
    }

    #[test]
    fn a_protocol_that_is_offered_or_required_is_for_this_hop() {
        let required =
            answer(426, &[("upgrade", "websocket"), ("connection", "upgrade, close")], Body::Empty);
        let (head, _) = written(&required, ASKED);
        let told = "upgrade: websocket|content-length: 0|connection: upgrade|connection: close|";
        assert_eq!(head, format!("HTTP/1.1 426 Upgrade Required|{told}"));
    }

    #[test]
    fn what_has_its_own_date_reason_or_protocol_keeps_it() {
        let mut own = answer(200, &[("date", "Thu, 01 Jan 1970 00:00:00 GMT")], Body::Empty);
        own.extensions_mut().insert(ReasonPhrase::from_static(b"Fine"));
        let mut out = Vec::new();
        put(&mut out, &own, ASKED, true);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("HTTP/1.1 200 Fine\r\n") && text.matches("date: ").count() == 1, "{text}");
        let switching = answer(101, &[("connection", "upgrade"), ("upgrade", "websocket")], Body::Empty);
        let (head, _) = written(&switching, ASKED);
        assert_eq!(head, "HTTP/1.1 101 Switching Protocols|connection: upgrade|upgrade: websocket|");
    }

    #[test]
    fn trailers_are_announced_where_they_can_come() {
        let trailer = &[("trailer", "x-sum")][..];
        let (chunked, _) = written(&answer(200, trailer, stream()), ASKED);
        assert_eq!(chunked, "HTTP/1.1 200 OK|transfer-encoding: chunked|trailer: x-sum|");
        let (known, _) = written(&answer(200, trailer, "hi".into()), ASKED);
        assert_eq!(known, "HTTP/1.1 200 OK|content-length: 2|");
    }

    #[test]
    fn numbers_are_digits() {
        for number in [0, 7, 10, 12_345, u64::MAX] {
            let mut out = Vec::new();
            put_number(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
    }
}
