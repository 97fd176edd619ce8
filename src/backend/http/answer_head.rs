//! The head of an answer: read strictly, because the next one in line might read a doubtful one otherwise.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use httparse::ParserConfig;
use hyper::ext::ReasonPhrase;

use super::hop::{is_hop_by_hop, named_by_connection};
use crate::chunks::Malformed;
use crate::field::{number, words};

/// How many fields a head may have.
const MOST_FIELDS: usize = 100;

/// Why an answer cannot be passed on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Nonsense {
    #[error("its head is malformed: {0}")]
    Head(httparse::Error),
    #[error("a line of its head ends without a carriage return")]
    BareNewline,
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
    Chunks(#[from] Malformed),
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
    connection: HeaderMap,
    is_closing: bool,
    keeps_alive: bool,
    upgrade: Option<HeaderValue>,
}

/// Reads a head from the start of what has come, and tells its length; `None` where more must come. `room` is an
/// empty map that becomes the head's.
pub(super) fn read(received: &Bytes, room: &mut HeaderMap) -> Result<Option<(Head, usize)>, Nonsense> {
    let mut fields = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let parsing =
        ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, received, &mut fields);
    let httparse::Status::Complete(end) = parsing.map_err(Nonsense::Head)? else { return Ok(None) };
    if has_bare_newline(&received[..end], parsed.headers) {
        return Err(Nonsense::BareNewline);
    }
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(Nonsense::Status)?;
    let version = if parsed.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    let (headers, hop) = sort(received, parsed.headers, std::mem::take(room))?;
    let length = hop.length(status)?;
    // An old server that sends chunks may have been misunderstood by whoever stands between (RFC 9112 section 6.1).
    let is_kept = !hop.is_closing
        && length != Length::Unknown
        && (version == Version::HTTP_11 || (hop.keeps_alive && length != Length::Chunks));
    let reason = parsed.reason.filter(|reason| Some(*reason) != status.canonical_reason());
    let reason = reason.and_then(|reason| ReasonPhrase::try_from(received.slice_ref(reason.as_bytes())).ok());
    let upgrade = hop.upgrade;
    Ok(Some((Head { status, headers, reason, length, is_kept, upgrade }, end)))
}

/// The parser lets a line end with a newline alone; no line has one elsewhere.
fn has_bare_newline(head: &[u8], fields: &[httparse::Header<'_>]) -> bool {
    let start = head.as_ptr().addr();
    let mut starts = fields.iter().map(|field| field.name.as_ptr().addr() - start);
    // Each field stands behind the end of a line, and the last line is empty.
    !head.ends_with(b"\r\n\r\n") || starts.any(|at| !head[..at].ends_with(b"\r\n"))
}

/// Parts what is for the next hop only from what goes on.
fn sort<'a>(
    received: &Bytes,
    fields: &[httparse::Header<'a>],
    mut headers: HeaderMap,
) -> Result<(HeaderMap, ThisHop<'a>), Nonsense> {
    let mut hop = ThisHop::default();
    headers.reserve(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let name = name.map_err(|_| Nonsense::Head(httparse::Error::HeaderName))?;
        let value = HeaderValue::from_maybe_shared(received.slice_ref(field.value));
        let value = value.map_err(|_| Nonsense::Head(httparse::Error::HeaderValue))?;
        if is_hop_by_hop(&name) {
            hop.note(&name, field.value, value)?;
            continue;
        }
        if name == CONTENT_LENGTH && hop.length.replace(field.value).is_some() {
            return Err(Nonsense::TwoLengths);
        }
        headers.append(name, value);
    }
    if !hop.connection.is_empty() {
        for name in named_by_connection(&hop.connection) {
            headers.remove(name);
        }
    }
    Ok((headers, hop))
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
                self.connection.append(CONNECTION, shared);
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

    fn head(text: &str) -> Result<Head, Nonsense> {
        let read = read(&Bytes::from(text.to_owned()), &mut HeaderMap::new())?;
        let (head, end) = read.expect("a whole head");
        assert_eq!(end, text.len());
        Ok(head)
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
        use Nonsense as N;
        use httparse::Error as E;
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
            ("a: b\n", N::BareNewline),
            ("a: b\r\n c\r\n", N::Head(E::HeaderName)),
            ("a : b\r\n", N::Head(E::HeaderName)),
            ("a: b\rc\r\n", N::Head(E::HeaderValue)),
            ("a: b\0c\r\n", N::Head(E::HeaderValue)),
            (": b\r\n", N::Head(E::HeaderName)),
            (&"a: b\r\n".repeat(101), N::Head(E::TooManyHeaders)),
        ] {
            let told = head(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n")).unwrap_err();
            assert_eq!(told, nonsense, "{fields}");
        }
        for line in ["HTTP/1.1 099 No", "HTTP/2.0 200 OK", "HTTP/1.1 OK", "HTTP/1.1 2000 OK", "ICY 200 OK"] {
            assert!(head(&format!("{line}\r\n\r\n")).is_err(), "{line}");
        }
    }

    #[test]
    fn a_head_that_has_not_come_to_its_end_is_waited_for() {
        let whole = "HTTP/1.1 200 Fine\r\nServer: x\r\nContent-Length: 2\r\n\r\n";
        for end in 0..whole.len() {
            let part = Bytes::from_static(&whole.as_bytes()[..end]);
            assert!(read(&part, &mut HeaderMap::new()).unwrap().is_none(), "{end}");
        }
        let head = head(whole).unwrap();
        assert_eq!(head.reason.unwrap().as_bytes(), b"Fine");
        assert_eq!(head.headers["server"], "x");
    }
}
