//! Compresses answers for clients that accept it: Brotli or gzip.
//!
//! ```yaml
//! layers: [ { compress: { min: 1KiB, types: [text/*, application/json] } } ]
//! ```
//!
//! Left alone are: answers to HEAD, 204, 206 and 304; bodies that are small, encoded already, digested
//! (`Content-Digest`) or of a type that does not shrink; `Cache-Control: no-transform`. A compressed answer has no
//! `Content-Length` and no `Accept-Ranges`, and a weak `ETag`: its bytes are others. What could be compressed says
//! `Vary: Accept-Encoding`, whether it was or not. Each piece of a body of unknown length goes out at once: an application
//! that streams is not held back. Trailers stay.
//!
//! Pieces of more than 2 kB are compressed off the I/O core. Brotli and gzip are what every browser takes; Zstandard
//! would bring a library in C. tower-http's `CompressionLayer` compresses on the I/O core, whatever the size.
//!
//! Place it outside of every layer that changes bodies (`xslt`) and inside of `access_log`. Where secrets and what a client
//! sends meet in one page, compression over TLS tells its length (BREACH): leave such routes out.

mod encoder;
mod negotiate;

use std::sync::Arc;

use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, HeaderMap, HeaderValue, VARY,
};
use http::{Method, StatusCode};
use http_body::Body as _;
use vestibule_config::{Diagnostic, Kind, Reader, Settings as Checked, Size, Spanned, sets_nothing};

use self::encoder::Encoder;
use self::negotiate::{Coding, choose};
use crate::transcode::{Transcoded, weaken_etag};
use crate::{Body, BoxLayer, LayerKind, Response};

pub(crate) static KIND: LayerKind = LayerKind {
    kind: Kind {
        name: "compress",
        summary: "compresses answers for clients that accept it",
        example: "compress: { min: 1KiB, types: [text/*, application/json] }",
        read: |reader| Checked::new(Arc::new(Settings::read(reader))),
        sets: sets_nothing,
    },
    build: |settings| build(settings.get()),
};

/// What shrinks, of what the web is made of.
const TYPES: [&str; 16] = [
    "text/*",
    "application/atom+xml",
    "application/javascript",
    "application/json",
    "application/ld+json",
    "application/manifest+json",
    "application/rss+xml",
    "application/soap+xml",
    "application/vnd.ms-fontobject",
    "application/wasm",
    "application/x-javascript",
    "application/xhtml+xml",
    "application/xml",
    "font/otf",
    "font/ttf",
    "image/svg+xml",
];

struct Settings {
    /// Smaller bodies are left alone; 1 KiB by default. A body of unknown length counts as large.
    min: u64,
    /// Media types that are compressed, `text/*` for all of a kind; by default those of text, JSON, XML, scripts, SVG, fonts.
    types: Vec<String>,
}

impl Settings {
    fn read(reader: &mut Reader<'_>) -> Self {
        let types: Option<Vec<Spanned<String>>> = reader.optional("types");
        for kind in types.iter().flatten().filter(|kind| !kind.contains('/')) {
            let message = format!("`{}` is not a media type", kind.value);
            reader.mistake(&kind.place, message).help("such as `application/json` or `text/*`");
        }
        let types = types.map(|types| types.iter().map(|kind| kind.to_ascii_lowercase()).collect());
        Self {
            min: reader.or("min", Size(1024)).0,
            types: types.unwrap_or_else(|| TYPES.map(str::to_owned).to_vec()),
        }
    }

    /// Whether an answer would be compressed for somebody.
    fn covers(&self, answer: &Response) -> bool {
        let headers = answer.headers();
        let has_body = !matches!(
            answer.status(),
            StatusCode::NO_CONTENT | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED
        ) && !answer.status().is_informational();
        has_body
            && answer.body().size_hint().exact().is_none_or(|size| size >= self.min)
            && !headers.contains_key(CONTENT_ENCODING)
            && !headers.contains_key(CONTENT_RANGE)
            && !["content-digest", "repr-digest", "digest", "content-md5"]
                .iter()
                .any(|name| headers.contains_key(*name))
            && !mentions(headers, &CACHE_CONTROL, "no-transform")
            && headers
                .get(CONTENT_TYPE)
                .and_then(|kind| kind.to_str().ok())
                .is_some_and(|kind| self.has_type(kind))
    }

    fn has_type(&self, content_type: &str) -> bool {
        let essence = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        self.types.iter().any(|kind| match kind.strip_suffix('*') {
            Some(beginning) => essence.starts_with(beginning),
            None => *kind == essence,
        })
    }
}

fn build(settings: &Arc<Settings>) -> Result<BoxLayer, Diagnostic> {
    let settings = Arc::clone(settings);
    Ok(BoxLayer::from_fn(move |request, inner| {
        let settings = Arc::clone(&settings);
        let coding = choose(request.headers().get_all(ACCEPT_ENCODING));
        let is_head = request.method() == Method::HEAD;
        async move {
            let mut answer = inner.answer(request).await;
            if !settings.covers(&answer) {
                return answer;
            }
            if !mentions(answer.headers(), &VARY, "accept-encoding")
                && !mentions(answer.headers(), &VARY, "*")
            {
                answer.headers_mut().append(VARY, HeaderValue::from_static("accept-encoding"));
            }
            match coding {
                Some(coding) if !is_head => compressed(answer, coding),
                _ => answer,
            }
        }
    }))
}

fn compressed(mut answer: Response, coding: Coding) -> Response {
    let headers = answer.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.remove(ACCEPT_RANGES);
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    weaken_etag(headers);
    answer.map(|body| {
        let is_stream = body.size_hint().exact().is_none();
        Body::boxed(Transcoded::new(body, Encoder::new(coding), is_stream))
    })
}

/// Whether a comma-separated header has this member.
fn mentions(headers: &HeaderMap, name: &http::HeaderName, member: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|found| found.trim().eq_ignore_ascii_case(member))
}

#[cfg(test)]
mod tests;
