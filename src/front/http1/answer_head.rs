//! The head of an answer.

use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRAILER, TRANSFER_ENCODING};
use http::{HeaderMap, Response, StatusCode};
use http_body::Body;
use hyper::ext::ReasonPhrase;

use super::head::Asked;
use super::outgoing::{Framing, put_field};
use super::{date, words};
use crate::front::under_way::told_length;

/// How an answer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The length that the client is told.
    told: Option<u64>,
    /// How its body is sent; that of an answer without one is empty.
    pub(super) framing: Framing,
    /// Whether the connection ends with it.
    pub(super) is_last: bool,
}

/// Plans an answer. `may_follow`: nothing but the answer itself ends the connection.
pub(super) fn plan<B: Body>(answer: &Response<B>, asked: Asked, may_follow: bool) -> Plan {
    let told = told_length(answer).or_else(|| answer.body().size_hint().exact());
    let none = Framing::Length(0);
    let (told, framing) = match answer.status() {
        StatusCode::SWITCHING_PROTOCOLS | StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => (None, none),
        // Of an answer to HEAD without a body nobody knows the length.
        _ if asked.is_head => (told.filter(|length| *length > 0), none),
        _ => match told {
            Some(length) => (told, Framing::Length(length)),
            None if asked.is_http_1_0 => (None, Framing::Close),
            None => (None, Framing::Chunks { takes_trailers: asked.takes_trailers }),
        },
    };
    let is_last = !may_follow || !asked.is_kept || framing == Framing::Close || closes(answer.headers());
    Plan { told, framing, is_last }
}

/// Writes a head.
pub(super) fn put<B>(out: &mut Vec<u8>, answer: &Response<B>, asked: Asked, plan: Plan) {
    put_status(out, answer, asked);
    let is_chunked = matches!(plan.framing, Framing::Chunks { .. });
    let switches = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
    let mut has_date = false;
    for (name, value) in answer.headers() {
        match *name {
            CONTENT_LENGTH | TRANSFER_ENCODING => continue,
            CONNECTION if !switches => continue,
            TRAILER if !is_chunked => continue,
            DATE => has_date = true,
            _ => {}
        }
        put_field(out, name.as_str(), value.as_bytes());
    }
    if let Some(length) = plan.told {
        out.extend_from_slice(b"content-length: ");
        put_number(out, length);
        out.extend_from_slice(b"\r\n");
    } else if is_chunked {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    if !switches && plan.is_last {
        out.extend_from_slice(b"connection: close\r\n");
    } else if !switches && asked.is_http_1_0 {
        out.extend_from_slice(b"connection: keep-alive\r\n");
    }
    if !has_date {
        out.extend_from_slice(b"date: ");
        date::put(out);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
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

fn closes(headers: &HeaderMap) -> bool {
    let values = headers.get_all(CONNECTION).iter();
    values.flat_map(|value| words(value.as_bytes())).any(|word| word.eq_ignore_ascii_case(b"close"))
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
