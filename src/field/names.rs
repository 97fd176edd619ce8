//! Names of fields from their text.
//!
//! Those that most messages have stand in a table, in the two spellings that nearly all senders use: to compare with one of them
//! takes less than half of the steps of making a name byte by byte, and one that `http` has no number for costs no allocation.

use std::sync::LazyLock;

use http::HeaderName;

/// As they are written by who does not write small letters only.
const USUAL: [&str; 68] = [
    "Accept",
    "Accept-Charset",
    "Accept-Encoding",
    "Accept-Language",
    "Accept-Ranges",
    "Access-Control-Allow-Credentials",
    "Access-Control-Allow-Headers",
    "Access-Control-Allow-Methods",
    "Access-Control-Allow-Origin",
    "Access-Control-Expose-Headers",
    "Age",
    "Allow",
    "Authorization",
    "Cache-Control",
    "Connection",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-Location",
    "Content-Range",
    "Content-Security-Policy",
    "Content-Type",
    "Cookie",
    "Cross-Origin-Opener-Policy",
    "DNT",
    "Date",
    "ETag",
    "Expect",
    "Expires",
    "Forwarded",
    "Host",
    "If-Modified-Since",
    "If-None-Match",
    "Keep-Alive",
    "Last-Modified",
    "Link",
    "Location",
    "Origin",
    "Permissions-Policy",
    "Pragma",
    "Priority",
    "Range",
    "Referer",
    "Referrer-Policy",
    "Sec-Fetch-Dest",
    "Sec-Fetch-Mode",
    "Sec-Fetch-Site",
    "Sec-Fetch-User",
    "Server",
    "Set-Cookie",
    "Strict-Transport-Security",
    "Transfer-Encoding",
    "Upgrade",
    "Upgrade-Insecure-Requests",
    "User-Agent",
    "Vary",
    "Via",
    "X-Content-Type-Options",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Frame-Options",
    "X-Powered-By",
    "X-Real-IP",
    "X-Request-ID",
    "X-Requested-With",
    "X-XSS-Protection",
];

/// About two for each spelling, and a power of two.
const SLOTS: usize = 256;

/// A spelling of a name.
struct Usual {
    text: Box<[u8]>,
    name: HeaderName,
}

static TABLE: LazyLock<Vec<Vec<Usual>>> = LazyLock::new(|| {
    let mut table: Vec<Vec<Usual>> = Vec::new();
    table.resize_with(SLOTS, Vec::new);
    for spelling in USUAL {
        let small = spelling.to_ascii_lowercase();
        for text in [spelling, &small] {
            let Ok(name) = HeaderName::try_from(&small) else { continue };
            table[slot(text.as_bytes())].push(Usual { text: text.as_bytes().into(), name });
        }
    }
    table
});

/// The name that a text is; `None` where it is none.
pub(super) fn find(text: &[u8]) -> Option<HeaderName> {
    let usual = TABLE[slot(text)].iter().find(|usual| *usual.text == *text);
    usual.map(|usual| usual.name.clone()).or_else(|| HeaderName::from_bytes(text).ok())
}

/// Where in the table a text is, if anywhere.
fn slot(text: &[u8]) -> usize {
    let [first, .., last] = text else { return 0 };
    let middle = text[text.len() / 2];
    let mixed =
        [*first, middle, *last].into_iter().fold(text.len(), |mixed, byte| 33 * mixed + usize::from(byte));
    mixed % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_every_spelling() {
        for usual in USUAL {
            for text in [usual.to_owned(), usual.to_lowercase(), usual.to_uppercase()] {
                assert_eq!(find(text.as_bytes()), HeaderName::from_bytes(text.as_bytes()).ok(), "{text}");
            }
        }
        assert_eq!(find(b"x-other").unwrap(), "x-other");
        for text in ["", "a ", "a:", "\u{e4}", "Host "] {
            assert_eq!(find(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_table_is_spread() {
        let longest = TABLE.iter().map(Vec::len).max();
        assert!(longest <= Some(3), "a slot with {longest:?}");
    }
}
