//! Decodes compressed bodies, of requests or of answers, for what reads them: Brotli, gzip, deflate.
//!
//! ```yaml
//! layers: [ { decompress: { on: request, max: 16MiB } } ]
//! ```
//!
//! What comes out has no `Content-Encoding` and no `Content-Length` (and of an answer, no `Accept-Ranges`, and a weak `ETag`).
//!
//! * A request body that decodes to more than `max` gets 413: a small body can hold a very large one. One that does
//!   not decode gets 400; a coding that is not known here, or several, 415. If the answer has begun by then, it stays.
//! * Of an answer, what is not known is left alone, as are answers to HEAD, 206 and 304. One that does not decode,
//!   or is over `max`, breaks off.
//!
//! Place it outside of what reads the bodies: with `on: request` outside of `body_limit` (which then counts decoded bytes) and of
//! applications; with `on: response` outside of the backend and inside of `xslt`. Pieces of more than 2 kB are decoded
//! off the I/O core. tower-http's layers of this kind have no limit.

mod decoder;

use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, HeaderValue,
};
use http::{Method, StatusCode};
use http_body::Body as _;
use http_environ::View;
use vestibule_config::{Diagnostic, Kind, Reader, Settings as Checked, Size, sets_nothing};

use self::decoder::{Coding, Decoder};
use crate::transcode::{Transcoded, weaken_etag};
use crate::verdict::{Verdict, unread};
use crate::{Body, BoxLayer, Cause, LayerKind, Request, Response, rescue};

pub(crate) static KIND: LayerKind = LayerKind {
    kind: Kind {
        name: "decompress",
        summary: "decodes compressed bodies, of requests or of answers, for what reads them",
        example: "decompress: { on: request, max: 16MiB }",
        read: |reader| Checked::new(Settings::read(reader)),
        sets: sets_nothing,
    },
    build: |settings| build(settings.get()),
};

#[derive(Clone, Copy)]
struct Settings {
    /// Which bodies are decoded: of the `request` (the default), of the `response`, or of `both`.
    on: On,
    /// How many bytes a body may decode to; 16 MiB by default.
    max: u64,
}

#[derive(Clone, Copy)]
struct On {
    request: bool,
    response: bool,
}

impl Settings {
    fn read(reader: &mut Reader<'_>) -> Self {
        let choices = [
            ("request", On { request: true, response: false }),
            ("response", On { request: false, response: true }),
            ("both", On { request: true, response: true }),
        ];
        Self { on: reader.one_of("on", &choices, choices[0].1), max: reader.or("max", Size(16 << 20)).0 }
    }
}

fn build(settings: &Settings) -> Result<BoxLayer, Diagnostic> {
    let Settings { on, max } = *settings;
    Ok(BoxLayer::from_fn(move |request, inner| async move {
        let id = View::of(&request).environ().request_id.clone();
        let is_head = request.method() == Method::HEAD;
        let verdict = Verdict::default();
        let request = match on.request.then(|| coding(request.headers())).transpose() {
            Ok(coding) => decoded_request(request, coding.flatten(), max, &verdict),
            Err(unknown) => return refuse(rescue(&id, Cause::UnsupportedMediaType, &unknown)),
        };
        let answer = verdict.over(inner.answer(request).await, &id);
        if on.response && !is_head { decoded_answer(answer, max) } else { answer }
    }))
}

fn decoded_request(request: Request, coding: Option<Coding>, max: u64, verdict: &Verdict) -> Request {
    let Some(coding) = coding else { return request };
    let mut request = request.map(|body| decoded(body, Decoder::new(coding, max, Some(verdict.clone()))));
    request.headers_mut().remove(CONTENT_ENCODING);
    request.headers_mut().remove(CONTENT_LENGTH);
    request
}

fn decoded_answer(answer: Response, max: u64) -> Response {
    let is_part = matches!(answer.status(), StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED)
        || answer.headers().contains_key(CONTENT_RANGE);
    let Ok(Some(coding)) = coding(answer.headers()) else { return answer };
    if is_part || answer.body().is_end_stream() {
        return answer;
    }
    let mut answer = answer.map(|body| decoded(body, Decoder::new(coding, max, None)));
    let headers = answer.headers_mut();
    for name in [CONTENT_ENCODING, CONTENT_LENGTH, ACCEPT_RANGES] {
        headers.remove(name);
    }
    weaken_etag(headers);
    answer
}

fn decoded(body: Body, decoder: Decoder) -> Body {
    Body::boxed(Transcoded::new(body, decoder, true))
}

/// How a body is encoded; `None` for not at all.
fn coding(headers: &HeaderMap) -> Result<Option<Coding>, UnknownCoding> {
    let mut values = headers.get_all(CONTENT_ENCODING).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let name = value.to_str().unwrap_or("").trim().to_ascii_lowercase();
    match (name.as_str(), values.next()) {
        ("" | "identity", None) => Ok(None),
        ("gzip" | "x-gzip", None) => Ok(Some(Coding::Gzip)),
        ("deflate", None) => Ok(Some(Coding::Deflate)),
        ("br", None) => Ok(Some(Coding::Brotli)),
        _ => Err(UnknownCoding(String::from_utf8_lossy(value.as_bytes()).into_owned())),
    }
}

/// Tells what would have been understood (RFC 9110 section 15.5.16).
fn refuse(mut answer: Response) -> Response {
    answer.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("br, gzip, deflate"));
    unread(answer)
}

#[derive(Debug, thiserror::Error)]
#[error("the body is encoded as {0:?}, which is not known here (layer decompress)")]
struct UnknownCoding(String);

#[cfg(test)]
mod tests;
