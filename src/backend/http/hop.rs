//! What is meant for the next hop only (RFC 9110 section 7.6.1), in requests and in answers.

use http::header::{CONNECTION, CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderName};

use crate::field::words;

/// Whether a header is for the next hop only.
pub(super) fn is_hop_by_hop(name: &HeaderName) -> bool {
    // A `match` on the text asks for the length first: cheaper than to compare with each.
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// The headers that `Connection` names, but for those that are looked at on their own.
pub(super) fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    if !headers.contains_key(CONNECTION) {
        return Vec::new();
    }
    let values = headers.get_all(CONNECTION).iter();
    let words = values.flat_map(|value| words(value.as_bytes()));
    let names = words
        .filter(|word| !word.eq_ignore_ascii_case(b"close") && !word.eq_ignore_ascii_case(b"keep-alive"));
    let names = names.filter_map(|word| HeaderName::from_bytes(word).ok());
    names.filter(|name| *name != HOST && *name != CONTENT_LENGTH && !is_hop_by_hop(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http::header::TRANSFER_ENCODING;

    #[test]
    fn what_connection_names_is_for_the_next_hop() {
        let mut headers = HeaderMap::new();
        headers.append(CONNECTION, HeaderValue::from_static("close, X-One,te, Host"));
        headers.append(CONNECTION, HeaderValue::from_static("x-two, no name, Content-Length, keep-alive"));
        assert_eq!(named_by_connection(&headers), ["x-one", "x-two"]);
        assert!(is_hop_by_hop(&TRANSFER_ENCODING) && !is_hop_by_hop(&HOST));
    }
}
