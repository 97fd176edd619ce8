//! Percent-encoding, for what goes back into a URI: a Location, a forwarded prefix.

/// Appends decoded text as part of a path, so that it reads as itself: `?`, `#` and `%` are encoded too.
///
/// `%2F` stays, for the path keeps an encoded slash as it was sent (see [`path`](mod@crate::path)).
pub fn push_decoded(uri: &mut Vec<u8>, decoded: &[u8]) {
    for (at, &byte) in decoded.iter().enumerate() {
        let is_slash = byte == b'%' && matches!(decoded.get(at + 1..at + 3), Some(b"2F" | b"2f"));
        push(uri, byte, is_slash || (is_legal(byte) && !matches!(byte, b'%' | b'?' | b'#' | b'[' | b']')));
    }
}

/// Appends text that is percent-encoded already; only what no URI may hold is encoded.
pub fn push_encoded(uri: &mut Vec<u8>, encoded: &[u8]) {
    for &byte in encoded {
        push(uri, byte, is_legal(byte));
    }
}

/// Appends a value within a query, such that nothing in it separates or is decoded twice.
pub fn push_value(uri: &mut Vec<u8>, value: &[u8]) {
    for &byte in value {
        push(uri, byte, byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    }
}

/// Appends a whole query; its separators and escapes stay.
pub fn push_query(uri: &mut Vec<u8>, query: &[u8]) {
    for &byte in query {
        push(uri, byte, is_legal(byte) && byte != b'#');
    }
}

fn push(uri: &mut Vec<u8>, byte: u8, as_itself: bool) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if as_itself {
        uri.push(byte);
    } else {
        uri.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

/// Whether a URI may hold the byte (RFC 3986 section 2). A backslash is none of them, and browsers take it for a slash.
fn is_legal(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(push: fn(&mut Vec<u8>, &[u8]), text: &[u8]) -> String {
        let mut uri = Vec::new();
        push(&mut uri, text);
        String::from_utf8(uri).unwrap()
    }

    #[test]
    fn decoded_text_reads_as_itself() {
        assert_eq!(by(push_decoded, "/café/a b?c#d 100%".as_bytes()), "/caf%C3%A9/a%20b%3Fc%23d%20100%25");
        assert_eq!(by(push_decoded, b"/a;v=1/~b:@!$&'()*+,"), "/a;v=1/~b:@!$&'()*+,");
        assert_eq!(by(push_decoded, b"/a%2Fb%2f%41%"), "/a%2Fb%2f%2541%25");
    }

    #[test]
    fn encoded_text_is_not_encoded_again() {
        assert_eq!(by(push_encoded, b"/a%20b?c=[d]&e#f"), "/a%20b?c=[d]&e#f");
    }

    #[test]
    fn a_value_stays_one_and_a_query_keeps_its_separators() {
        assert_eq!(by(push_value, "a&b=c d%é/~".as_bytes()), "a%26b%3Dc%20d%25%C3%A9%2F~");
        assert_eq!(by(push_query, b"a=%20&b=c d#e?/"), "a=%20&b=c%20d%23e?/");
    }

    #[test]
    fn no_byte_that_a_uri_may_not_hold_comes_through() {
        let all: Vec<u8> = (0..=255).collect();
        for push in [push_decoded, push_encoded, push_query, push_value] {
            let uri = by(push, &all);
            assert!(uri.bytes().all(is_legal), "{uri}");
            assert!(uri.contains("%0D") && uri.contains("%0A") && uri.contains("%5C") && uri.contains("%FF"));
        }
    }
}
