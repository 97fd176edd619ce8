//! The headers that describe a body.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::output::Output;

/// What stands in Content-Encoding, if it says that the body is compressed.
pub(super) fn content_encoding(headers: &HeaderMap) -> Option<String> {
    let encoding = headers.get(header::CONTENT_ENCODING)?;
    let text = String::from_utf8_lossy(encoding.as_bytes()).trim().to_owned();
    (!text.is_empty() && !text.eq_ignore_ascii_case("identity")).then_some(text)
}

/// Headers that describe the bytes of a body that is no more.
const OF_THE_BYTES: [HeaderName; 7] = [
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TRAILER,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

pub(super) fn forget_bytes(headers: &mut HeaderMap) {
    for name in OF_THE_BYTES {
        headers.remove(name);
    }
}

/// Describes the result instead.
pub(super) fn describe(headers: &mut HeaderMap, output: &Output) {
    forget_bytes(headers);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(output.bytes.len()));
    set_content_type(headers, Some(&output.content_type));
}

/// A type that is unknown, or that no header can carry, is better left out than wrong.
pub(super) fn set_content_type(headers: &mut HeaderMap, content_type: Option<&str>) {
    match content_type.and_then(|value| HeaderValue::from_str(value).ok()) {
        Some(value) => headers.insert(header::CONTENT_TYPE, value),
        None => headers.remove(header::CONTENT_TYPE),
    };
}
