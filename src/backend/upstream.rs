//! What backends that forward to other processes have in common.

pub(super) mod address;
pub(super) mod complaints;
pub(super) mod connection;
pub(super) mod deadline;
pub(super) mod exchange;
pub(super) mod failure;
pub(super) mod fastcgi;
pub(super) mod kept;
pub(super) mod pool;
pub(super) mod single_use;
pub(super) mod spool;
pub(super) mod target;
pub(super) mod upload;

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use http_environ::answer::Reason;
use hyper::ext::ReasonPhrase;
use vestibule_config::{Reader, Size, Spanned};
use vestibule_layers::{Body, Response};

/// What an application has answered.
pub(super) enum Reply {
    /// An answer
    Answer(Response),
    /// A local redirect to this path and query
    Local(String),
}

/// How much of a body is read, and thrown away, where an answer has none.
const UNWANTED: usize = 1 << 20;

/// Whether an answer to this method, with this status, has a body.
pub(super) fn has_body(method: &Method, status: StatusCode) -> bool {
    *method != Method::HEAD && !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Has the front say what the application calls its status. What is no phrase of HTTP is left out.
fn keep_reason(response: &mut Response, reason: Option<Reason>) {
    if let Some(phrase) = reason.and_then(|Reason(reason)| ReasonPhrase::try_from(reason).ok()) {
        response.extensions_mut().insert(phrase);
    }
}

/// A body that is here in one piece.
pub(super) fn at_hand(body: Body) -> Result<Bytes, Body> {
    match body {
        Body::Empty => Ok(Bytes::new()),
        Body::Bytes(bytes) => Ok(bytes),
        body @ Body::Boxed(_) => Err(body),
    }
}

/// A duration that is not zero.
pub(super) fn wait(reader: &mut Reader<'_>, key: &'static str, default: Duration) -> Duration {
    let Some(given) = reader.optional::<Spanned<Duration>>(key) else { return default };
    if given.is_zero() {
        reader.mistake(&given.place, format!("`{key}` must be longer than 0"));
        return default;
    }
    given.value
}

/// The largest head of an answer.
pub(super) fn header_bytes(reader: &mut Reader<'_>) -> usize {
    const DEFAULT: usize = 64 << 10;
    const ALLOWED: std::ops::RangeInclusive<u64> = 1 << 10..=16 << 20;
    let Some(given) = reader.optional::<Spanned<Size>>("header_bytes") else { return DEFAULT };
    if !ALLOWED.contains(&given.0) {
        reader.mistake(&given.place, "`header_bytes` must be between 1KiB and 16MiB");
        return DEFAULT;
    }
    usize::try_from(given.0).unwrap_or(DEFAULT)
}
