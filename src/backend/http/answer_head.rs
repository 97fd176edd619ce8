//! The head of an answer: read strictly, because the next one in line might read a doubtful one otherwise.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use hyper::ext::ReasonPhrase;

use super::hop::{is_hop_by_hop, named_by_connection};
use crate::chunks;
use crate::field::lines::{self, Lines, Malformed, TooMany};
use crate::field::{number, words};

/// How many fields a head may have.
pub(super) const MOST_FIELDS: usize = 100;

/// Why an answer cannot be passed on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Nonsense {
    #[error("its head is malformed: {0}")]
    Head(#[from] Malformed),
    #[error("it has more than {MOST_FIELDS} fields")]
    TooMany,
    #[error("its status is no number from 100 to 999")]
    Status,
    #[error("it has two lengths")]
    TwoLengths,
    #[error("its length is no number")]
    Length,
    #[error("it has two transfer codings")]
    TwoCodings,
    #[error("it has a length and is chunked, too")]
    LengthAndChunks,
    #[error("its transfer coding is not `chunked`")]
    Coding,
    #[error("it switches to a protocol that nobody asked for")]
    Switches,
    #[error("its head is over {0} bytes")]
    TooLarge(usize),
    #[error(transparent)]
    Chunks(#[from] chunks::Malformed),
}

impl From<TooMany> for Nonsense {
    fn from(TooMany: TooMany) -> Self {
        Self::TooMany
    }
}

/// A head.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    /// Those that are not for the next hop only.
    pub(super) headers: HeaderMap,
    /// Where they are not the usual words of the status.
    pub(super) reason: Option<ReasonPhrase>,
    pub(super) length: Length,
    /// Whether the connection can carry another request.
    pub(super) is_kept: bool,
    /// The protocol that is switched to.
    pub(super) upgrade: Option<HeaderValue>,
}

/// How the end of the answer's body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// After so many bytes
    Known(u64),
    /// In chunks
    Chunks,
    /// With the connection
    Unknown,
}

/// What the headers that are for this hop say.
#[derive(Default)]
struct ThisHop<'a> {
    length: Option<&'a [u8]>,
    coding: Option<&'a [u8]>,
    /// The values of `Connection` that name headers.
    connection: Option<HeaderMap>,
    is_closing: bool,
    keeps_alive: bool,
    upgrade: Option<HeaderValue>,
}

/// Whether a head may begin like this: a server of another protocol shall not be waited for.
pub(super) fn begins(received: &[u8]) -> Result<(), Nonsense> {
    const VERSION: &[u8] = b"HTTP/1.";
    if let Some(at) = received.iter().position(|byte| *byte == b'\n') {
        return first_line(received[..at].strip_suffix(b"\r").ok_or(Malformed::BareNewline)?).map(|_| ());
    }
    let is_version = received.iter().zip(VERSION).all(|(received, byte)| received == byte);
    if is_version { Ok(()) } else { Err(Malformed::First.into()) }
}

/// Reads a whole head, which has these lines. `room` is an empty map that becomes the head's.
pub(super) fn read(head: &Bytes, mut lines: Lines<'_>, room: &mut HeaderMap) -> Result<Head, Nonsense> {
    let (is_http_1_1, status, reason) = first_line(lines.next_strict()?.unwrap_or_default())?;
    let hop = sort(head, lines, room)?;
    let length = hop.length(status)?;
    // An old server that sends chunks may have been misunderstood by whoever stands between (RFC 9112 section 6.1).
    let is_kept = !hop.is_closing
        && length != Length::Unknown
        && (is_http_1_1 || (hop.keeps_alive && length != Length::Chunks));
    let is_usual = status.canonical_reason().is_some_and(|usual| usual.as_bytes() == reason);
    let reason = if is_usual || reason.is_empty() { None } else { Some(head.slice_ref(reason)) };
    let reason = reason.map(ReasonPhrase::try_from).transpose().map_err(|_| Malformed::First)?;
    Ok(Head { status, headers: std::mem::take(room), reason, length, is_kept, upgrade: hop.upgrade })
}

/// Whether a status line is of HTTP/1.1, its status and its reason phrase (RFC 9112 section 4).
fn first_line(line: &[u8]) -> Result<(bool, StatusCode, &[u8]), Nonsense> {
    let (is_http_1_1, rest) = match line.strip_prefix(b"HTTP/1.1 ") {
        Some(rest) => (true, rest),
        None => (false, line.strip_prefix(b"HTTP/1.0 ").ok_or(Malformed::First)?),
    };
    let (status, reason) = rest.split_at_checked(3).ok_or(Malformed::First)?;
    let status = StatusCode::from_bytes(status).map_err(|_| Nonsense::Status)?;
    // Some servers leave the space away that belongs before a reason phrase, even an empty one.
    let reason =
        if reason.is_empty() { reason } else { reason.strip_prefix(b" ").ok_or(Malformed::First)? };
    Ok((is_http_1_1, status, reason))
}

/// Parts what is for the next hop only from what goes on.
fn sort<'a>(head: &Bytes, mut lines: Lines<'a>, headers: &mut HeaderMap) -> Result<ThisHop<'a>, Nonsense> {
    let mut hop = ThisHop::default();
    while let Some(line) = lines.next_strict()? {
        let (name, text) = lines::field(line)?;
        let value = HeaderValue::from_maybe_shared(head.slice_ref(text)).map_err(|_| Malformed::Value)?;
        if is_hop_by_hop(&name) {
            hop.note(&name, text, value)?;
            continue;
        }
        if name == CONTENT_LENGTH && hop.length.replace(text).is_some() {
            return Err(Nonsense::TwoLengths);
        }
        headers.append(name, value);
    }
    if let Some(connection) = &hop.connection {
        for name in named_by_connection(connection) {
            headers.remove(name);
        }
    }
    Ok(hop)
}

impl<'a> ThisHop<'a> {
    fn note(&mut self, name: &HeaderName, value: &'a [u8], shared: HeaderValue) -> Result<(), Nonsense> {
        if *name == TRANSFER_ENCODING && self.coding.replace(value).is_some() {
            return Err(Nonsense::TwoCodings);
        }
        if *name == CONNECTION {
            let mut names_headers = false;
            for word in words(value) {
                if word.eq_ignore_ascii_case(b"close") {
                    self.is_closing = true;
                } else if word.eq_ignore_ascii_case(b"keep-alive") {
                    self.keeps_alive = true;
                } else {
                    names_headers = true;
                }
            }
            if names_headers {
                self.connection.get_or_insert_default().append(CONNECTION, shared);
            }
        } else if *name == UPGRADE {
            self.upgrade = Some(shared);
        }
        Ok(())
    }

    /// RFC 9112 section 6.3, without its leniency.
    fn length(&self, status: StatusCode) -> Result<Length, Nonsense> {
        let length = match (self.length, self.coding) {
            (Some(_), Some(_)) => return Err(Nonsense::LengthAndChunks),
            (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => Length::Chunks,
            (None, Some(_)) => return Err(Nonsense::Coding),
            (Some(digits), None) => Length::Known(number(digits).ok_or(Nonsense::Length)?),
            (None, None) => Length::Unknown,
        };
        let is_bodiless =
            status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        Ok(if is_bodiless { Length::Known(0) } else { length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::lines::Finder;

    fn head(text: &str) -> Result<Head, Nonsense> {
        let (mut finder, head) = (Finder::default(), Bytes::from(text.to_owned()));
        assert_eq!(finder.find(&head, MOST_FIELDS)?, Some(text.len()));
        read(&head, finder.lines(&head), &mut HeaderMap::new())
    }

    #[test]
    fn the_end_of_the_body_is_found_in_one_way_only() {
        for (text, length, is_kept) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Length::Known(5), true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: Close\r\n\r\n", Length::Known(5), false),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", Length::Chunks, true),
            ("HTTP/1.1 200 OK\r\n\r\n", Length::Unknown, false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", Length::Known(5), false),
            (
                "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n",
                Length::Known(5),
                true,
            ),
            (
                "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n",
                Length::Chunks,
                false,
            ),
            ("HTTP/1.1 204 No Content\r\n\r\n", Length::Known(0), true),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", Length::Known(0), true),
        ] {
            let head = head(text).unwrap();
            assert_eq!((head.length, head.is_kept), (length, is_kept), "{text}");
        }
    }

    #[test]
    fn what_is_doubtful_is_nonsense() {
        use Malformed as M;
        use Nonsense as N;
        for (fields, nonsense) in [
            ("Content-Length: 2\r\nContent-Length: 2\r\n", N::TwoLengths),
            ("Content-Length: 2, 2\r\n", N::Length),
            ("Content-Length: +2\r\n", N::Length),
            ("Content-Length: \r\n", N::Length),
            ("Content-Length: 18446744073709551616\r\n", N::Length),
            ("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", N::LengthAndChunks),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", N::TwoCodings),
            ("Transfer-Encoding: gzip, chunked\r\n", N::Coding),
            ("Transfer-Encoding: identity\r\n", N::Coding),
            ("a: b\n", N::Head(M::BareNewline)),
            ("a: b\r\n c\r\n", N::Head(M::Name)),
            ("a : b\r\n", N::Head(M::Name)),
            ("a: b\rc\r\n", N::Head(M::Value)),
            ("a: b\0c\r\n", N::Head(M::Value)),
            (": b\r\n", N::Head(M::Name)),
            (&"a: b\r\n".repeat(101), N::TooMany),
        ] {
            let told = head(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n")).unwrap_err();
            assert_eq!(told, nonsense, "{fields}");
        }
        for line in ["HTTP/1.1 099 No", "HTTP/2.0 200 OK", "HTTP/1.1 OK", "HTTP/1.1 2000 OK", "ICY 200 OK"] {
            assert!(head(&format!("{line}\r\n\r\n")).is_err(), "{line}");
        }
    }

    #[test]
    fn a_head_that_may_become_one_is_waited_for() {
        let whole = "HTTP/1.1 200 Fine\r\nServer: x\r\nContent-Length: 2\r\n\r\n";
        for end in 0..whole.len() {
            assert_eq!(begins(&whole.as_bytes()[..end]), Ok(()), "{end}");
        }
        for other in ["SSH-2.0-OpenSSH", "\x15\x03", "220 mail.example\r\n", "HTTP/1.1 OK\r\nA: b\r\n"] {
            assert!(begins(other.as_bytes()).is_err(), "{other:?}");
        }
        let head = head(whole).unwrap();
        assert_eq!(head.reason.unwrap().as_bytes(), b"Fine");
        assert_eq!(head.headers["server"], "x");
    }
}
