//! The head of a request.

use bytes::{Buf as _, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version};
use vestibule_config::Limits;

use crate::field::lines::{self, Finder, Lines, Malformed, TooMany};
use crate::field::{number, words};
use crate::tunnel::MayBegin;

/// A longer target is no `Uri`.
const MOST_TARGET: usize = u16::MAX as usize - 1;

/// Why what comes is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoRequest {
    #[error("malformed: {0}")]
    Malformed(#[from] Malformed),
    #[error("the target is no URL")]
    Target,
    #[error("the target is over {MOST_TARGET} bytes")]
    LongTarget,
    #[error("a head is over `limits: header_bytes`")]
    TooLong,
    #[error("a head is over `limits: header_count`")]
    TooMany,
    #[error("its length is no number, or two")]
    Length,
    #[error("its last transfer coding is not `chunked`, or it is HTTP/1.0")]
    Coding,
}

impl NoRequest {
    /// The status of the answer.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::LongTarget => StatusCode::URI_TOO_LONG,
            Self::TooLong | Self::TooMany => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Whether a limit is to blame.
    pub(super) fn is_too_large(self) -> bool {
        matches!(self, Self::TooLong | Self::TooMany)
    }
}

impl From<TooMany> for NoRequest {
    fn from(TooMany: TooMany) -> Self {
        Self::TooMany
    }
}

/// A head.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) request: Request<()>,
    pub(super) length: Length,
    pub(super) asked: Asked,
}

/// How the end of the body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Known(u64),
    Chunks,
}

/// What concerns the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Asked {
    pub(super) is_http_1_0: bool,
    pub(super) is_head: bool,
    /// Whether another request may follow.
    pub(super) is_kept: bool,
    /// Whether the body comes only when it is asked for.
    pub(super) expects: bool,
    pub(super) takes_trailers: bool,
}

/// Reads heads.
#[derive(Debug, Default)]
pub(super) struct Reader {
    finder: Finder,
}

impl Reader {
    /// Takes a head from what has come; `None` where more must come. `room` is an empty map that becomes the head's.
    pub(super) fn read(
        &mut self,
        received: &mut BytesMut,
        room: &mut HeaderMap,
        limits: &Limits,
    ) -> Result<Option<Head>, NoRequest> {
        let is_new = self.finder.is_new();
        if is_new {
            received.advance(line_ends(received));
        }
        if !has_begun(received) {
            return Ok(None);
        }
        let Some(end) = self.finder.find(received, limits.header_count)? else {
            // What is no head shall not be waited for.
            if is_new {
                begins(received)?;
            }
            return if received.len() > limits.header_bytes { Err(NoRequest::TooLong) } else { Ok(None) };
        };
        if end > limits.header_bytes {
            return Err(NoRequest::TooLong);
        }
        let is_all = end == received.len();
        let head = if is_all { std::mem::take(received) } else { received.split_to(end) }.freeze();
        let read = request(&head, self.finder.lines(&head), room);
        self.finder.begin();
        read.map(Some)
    }
}

/// How much of what has come are empty lines before a head, which are none of it (RFC 9112 section 2.2).
fn line_ends(received: &[u8]) -> usize {
    let mut rest = received;
    while let Some(next) = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")) {
        rest = next;
    }
    received.len() - rest.len()
}

/// Whether there is more than what may yet be an empty line.
pub(super) fn has_begun(received: &[u8]) -> bool {
    !matches!(received, b"" | b"\r")
}

/// Whether a head may begin like this.
fn begins(received: &[u8]) -> Result<(), NoRequest> {
    match received.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        Some(at) if received[at..].starts_with(b"\n") || received[at..].starts_with(b"\r\n") => {
            first_line(&received[..at]).map(|_| ())
        }
        Some(at) if at + 1 < received.len() => Err(Malformed::First.into()),
        _ => {
            let method = received.split(|byte| *byte == b' ').next().unwrap_or_default();
            Method::from_bytes(method).map(|_| ()).map_err(|_| Malformed::First.into())
        }
    }
}

/// The method and the target of a request line, and whether it is of HTTP/1.0 (RFC 9112 section 3).
fn first_line(line: &[u8]) -> Result<(Method, &[u8], bool), NoRequest> {
    let (asked, is_http_1_0) = match line.strip_suffix(b" HTTP/1.1") {
        Some(asked) => (asked, false),
        None => (line.strip_suffix(b" HTTP/1.0").ok_or(Malformed::First)?, true),
    };
    let space = asked.iter().position(|byte| *byte == b' ').ok_or(Malformed::First)?;
    let method = Method::from_bytes(&asked[..space]).map_err(|_| Malformed::First)?;
    Ok((method, &asked[space + 1..], is_http_1_0))
}

/// What the headers say of the connection and the body.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Framing {
    length: Option<u64>,
    /// Whether there is a coding, and whether the last is `chunked`.
    coding: Option<bool>,
    is_closing: bool,
    keeps_alive: bool,
    expects: bool,
    takes_trailers: bool,
    upgrades: bool,
}

/// Reads a whole head, which has these lines.
fn request(head: &Bytes, mut lines: Lines<'_>, room: &mut HeaderMap) -> Result<Head, NoRequest> {
    let (method, target, is_http_1_0) = first_line(lines.next().unwrap_or_default())?;
    if target.len() > MOST_TARGET {
        return Err(NoRequest::LongTarget);
    }
    // `Uri` drops a fragment without a look at it: it might hold a bare carriage return, or a second version.
    let fragment = memchr::memchr(b'#', target).map_or(&[][..], |at| &target[at..]);
    if !fragment.iter().all(u8::is_ascii_graphic) {
        return Err(NoRequest::Target);
    }
    let uri = Uri::from_maybe_shared(head.slice_ref(target)).map_err(|_| NoRequest::Target)?;
    let mut framing = Framing::default();
    while let Some(line) = lines.next() {
        let (name, value) = lines::field(line)?;
        if framing.note(&name, value)? {
            let value =
                HeaderValue::from_maybe_shared(head.slice_ref(value)).map_err(|_| Malformed::Value)?;
            room.append(name, value);
        }
    }
    let length = framing.body(is_http_1_0)?;
    if length == Length::Chunks {
        // RFC 9112 section 6.3: it may be meant to deceive, and does not go on.
        room.remove(CONTENT_LENGTH);
    }
    let asked = Asked {
        is_http_1_0,
        is_head: method == Method::HEAD,
        is_kept: framing.is_kept(is_http_1_0),
        expects: framing.expects && !is_http_1_0 && length != Length::Known(0),
        takes_trailers: framing.takes_trailers,
    };
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = if is_http_1_0 { Version::HTTP_10 } else { Version::HTTP_11 };
    std::mem::swap(request.headers_mut(), room);
    if framing.upgrades && !is_http_1_0 {
        request.extensions_mut().insert(MayBegin);
    }
    Ok(Head { request, length, asked })
}

impl Framing {
    /// Notes a header; whether it goes on.
    fn note(&mut self, name: &HeaderName, value: &[u8]) -> Result<bool, NoRequest> {
        match *name {
            CONTENT_LENGTH => {
                let length = number(value).ok_or(NoRequest::Length)?;
                let is_first = self.length.is_none();
                if *self.length.get_or_insert(length) != length {
                    return Err(NoRequest::Length);
                }
                return Ok(is_first);
            }
            TRANSFER_ENCODING => {
                let last = words(value).last();
                self.coding = Some(last.is_some_and(|last| last.eq_ignore_ascii_case(b"chunked")));
            }
            CONNECTION => {
                for word in words(value) {
                    self.is_closing |= word.eq_ignore_ascii_case(b"close");
                    self.keeps_alive |= word.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            EXPECT => self.expects = value.eq_ignore_ascii_case(b"100-continue"),
            TE => self.takes_trailers |= words(value).any(|word| word.eq_ignore_ascii_case(b"trailers")),
            UPGRADE => self.upgrades = true,
            _ => {}
        }
        Ok(true)
    }

    fn body(&self, is_http_1_0: bool) -> Result<Length, NoRequest> {
        match self.coding {
            None => Ok(Length::Known(self.length.unwrap_or(0))),
            Some(true) if !is_http_1_0 => Ok(Length::Chunks),
            Some(_) => Err(NoRequest::Coding),
        }
    }

    fn is_kept(&self, is_http_1_0: bool) -> bool {
        let is_doubtful = self.coding.is_some() && self.length.is_some();
        !self.is_closing && !is_doubtful && (!is_http_1_0 || self.keeps_alive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Option<Head>, NoRequest> {
        let mut received = BytesMut::from(text);
        let read = Reader::default().read(&mut received, &mut HeaderMap::new(), &Limits::default())?;
        assert!(read.is_none() || received.is_empty(), "all of it is the head");
        Ok(read)
    }

    fn head(fields: &str) -> Result<Head, NoRequest> {
        let text = format!("POST /a?b HTTP/1.1\r\n{fields}\r\n");
        Ok(read(text.as_bytes())?.expect("a whole head"))
    }

    #[test]
    fn a_head_is_read_in_whatever_pieces_it_comes() {
        let whole = b"\r\n\nGET /a?b HTTP/1.1\r\nHost: test\nX-One:  1 \r\nX-One: 2\r\n\r\n";
        for at in 0..=whole.len() {
            let (mut reader, mut received) = (Reader::default(), BytesMut::new());
            let mut heads = Vec::new();
            for piece in [&whole[..at], &whole[at..], &b"GET /next"[..]] {
                received.extend_from_slice(piece);
                heads.extend(reader.read(&mut received, &mut HeaderMap::new(), &Limits::default()).unwrap());
            }
            let [Head { request, .. }] = &heads[..] else { panic!("one head, parted at {at}") };
            assert_eq!((request.method(), request.uri().to_string().as_str()), (&Method::GET, "/a?b"));
            let values: Vec<_> = request.headers().get_all("x-one").iter().collect();
            assert!(values == ["1", "2"] && received == b"GET /next"[..], "{at}");
        }
    }

    #[test]
    fn a_head_in_single_bytes_is_waited_for_until_its_end() {
        let whole = b"GET / HTTP/1.0\r\nHost: test\r\n\r\n";
        let (mut reader, mut received) = (Reader::default(), BytesMut::new());
        for (at, byte) in whole.iter().enumerate() {
            received.extend_from_slice(&[*byte]);
            let read = reader.read(&mut received, &mut HeaderMap::new(), &Limits::default()).unwrap();
            assert_eq!(read.is_some(), at + 1 == whole.len(), "{at}");
        }
    }

    #[test]
    fn the_end_of_the_body_is_found_in_one_way_only() {
        for (fields, length, is_kept) in [
            ("", Length::Known(0), true),
            ("Content-Length: 5\r\n", Length::Known(5), true),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", Length::Known(5), true),
            ("Transfer-Encoding: Chunked\r\n", Length::Chunks, true),
            ("Transfer-Encoding: gzip, chunked\r\n", Length::Chunks, true),
            ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", Length::Chunks, true),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Length::Chunks, false),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", Length::Chunks, false),
            ("Connection: Close, X-Y\r\n", Length::Known(0), false),
            ("Connection: keep-alive\r\nConnection: close\r\n", Length::Known(0), false),
        ] {
            let head = head(fields).unwrap();
            assert_eq!((head.length, head.asked.is_kept), (length, is_kept), "{fields}");
            let told = head.request.headers().get_all(CONTENT_LENGTH).iter().count();
            let is_known = length == Length::Known(5);
            assert_eq!(told, usize::from(is_known), "{fields}");
        }
    }

    #[test]
    fn what_is_doubtful_is_no_request() {
        use Malformed as M;
        use NoRequest as N;
        for (fields, why) in [
            ("Content-Length: 1\r\nContent-Length: 2\r\n", N::Length),
            ("Content-Length: +1\r\n", N::Length),
            ("Content-Length: \r\n", N::Length),
            ("Content-Length: 1, 1\r\n", N::Length),
            ("Content-Length: 18446744073709551616\r\n", N::Length),
            ("Transfer-Encoding: gzip\r\n", N::Coding),
            ("Transfer-Encoding: chunked, gzip\r\n", N::Coding),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", N::Coding),
            ("Transfer-Encoding: xchunked\r\n", N::Coding),
            ("X : 1\r\n", N::Malformed(M::Name)),
            ("X: 1\r\n folded\r\n", N::Malformed(M::Name)),
            ("X: a\0b\r\n", N::Malformed(M::Value)),
            (&"X: 1\r\n".repeat(101), N::TooMany),
        ] {
            assert_eq!(head(fields).unwrap_err(), why, "{fields}");
        }
        let old = b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(read(old).unwrap_err(), N::Coding);
        assert_eq!(read(b"GET a://[ HTTP/1.1\r\n\r\n").unwrap_err(), N::Target);
        for fragment in ["\r", "\0", "\t", "\u{7f}", " HTTP/1.1"] {
            let line = format!("GET /#{fragment} HTTP/1.1\r\n\r\n");
            assert_eq!(read(line.as_bytes()).unwrap_err(), N::Target, "{line:?}");
        }
        assert_eq!(read(b"GET /a#b HTTP/1.1\r\n\r\n").unwrap().unwrap().request.uri(), "/a");
        assert_eq!(read(b"\rGET / HTTP/1.1\r\n\r\n").unwrap_err(), N::Malformed(M::First));
        // It has no end, and shall not be waited for.
        assert_eq!(read(b"\x16\x03\x01").unwrap_err(), N::Malformed(M::First));
    }

    /// The target, the version and the fields of a head, as another parser reads them.
    fn read_by_httparse(whole: &[u8]) -> Option<(Method, Uri, bool, HeaderMap)> {
        let mut room = [httparse::EMPTY_HEADER; 100];
        let mut parsed = httparse::Request::new(&mut room);
        if parsed.parse(whole) != Ok(httparse::Status::Complete(whole.len())) {
            return None;
        }
        let name = |name: &str| HeaderName::from_bytes(name.as_bytes()).ok();
        let field = |field: &httparse::Header<'_>| {
            Some((name(field.name)?, HeaderValue::from_bytes(field.value).ok()?))
        };
        let fields = parsed.headers.iter().map(field).collect::<Option<_>>()?;
        Some((parsed.method?.parse().ok()?, parsed.path?.parse().ok()?, parsed.version? == 0, fields))
    }

    #[test]
    fn nothing_is_taken_that_another_parser_refuses_or_reads_otherwise() {
        for good in ["GET http://h/a?b#c HTTP/1.1\r\nHost: a\nX: \t b c\r\n\r\n", "PUT /a#b HTTP/1.0\n\n"] {
            // Every byte in every place: instead of what is there, and before it.
            for at in 0..good.len() {
                for (byte, rest) in (0..=u8::MAX).flat_map(|byte| [(byte, at), (byte, at + 1)]) {
                    let whole = [&good.as_bytes()[..at], &[byte], &good.as_bytes()[rest..]].concat();
                    let mut received = BytesMut::from(&*whole);
                    let limits = Limits::default();
                    let read = Reader::default().read(&mut received, &mut HeaderMap::new(), &limits);
                    let Ok(Some(Head { request, asked, .. })) = read else { continue };
                    let whole = &whole[..whole.len() - received.len()];
                    let (parts, ()) = request.into_parts();
                    let read = (parts.method, parts.uri, asked.is_http_1_0, parts.headers);
                    assert_eq!(Some(read), read_by_httparse(whole), "{}", whole.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn a_head_has_limits() {
        let limits = Limits { header_bytes: 100, header_count: 200, ..Limits::default() };
        let read = |text: &str| {
            let mut received = BytesMut::from(text);
            Reader::default().read(&mut received, &mut HeaderMap::new(), &limits).map(|head| head.is_some())
        };
        let long = |length: usize| format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(length - 19));
        assert_eq!(read(&(long(96) + "\r\n\r\n")), Ok(true));
        assert_eq!(read(&(long(97) + "\r\n\r\n")), Err(NoRequest::TooLong));
        assert_eq!(read(&long(100)), Ok(false));
        assert_eq!(read(&long(101)), Err(NoRequest::TooLong));
        let many = Limits { header_count: 200, ..Limits::default() };
        let fields = |count| BytesMut::from(&*format!("GET / HTTP/1.1\r\n{}\r\n", "X: 1\r\n".repeat(count)));
        let read = |count| Reader::default().read(&mut fields(count), &mut HeaderMap::new(), &many);
        assert_eq!(read(200).unwrap().unwrap().request.headers().len(), 200);
        assert_eq!(read(201).unwrap_err(), NoRequest::TooMany);
        let target = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(MOST_TARGET));
        let wide = Limits { header_bytes: 1 << 20, ..Limits::default() };
        let read = Reader::default().read(&mut BytesMut::from(&*target), &mut HeaderMap::new(), &wide);
        assert_eq!(read.unwrap_err(), NoRequest::LongTarget);
    }

    #[test]
    fn what_concerns_the_answer_is_noted() {
        let asked = |text: &str| read(format!("{text}\r\n\r\n").as_bytes()).unwrap().unwrap().asked;
        let plain = asked("GET / HTTP/1.1");
        assert!(plain.is_kept && !plain.is_http_1_0 && !plain.is_head && !plain.expects);
        let old = asked("HEAD / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1");
        assert!(old.is_http_1_0 && old.is_head && !old.is_kept && !old.expects);
        assert!(asked("GET / HTTP/1.0\r\nConnection: Keep-Alive").is_kept);
        let more = asked("PUT / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 1\r\nTE: gzip, trailers");
        assert!(more.expects && more.takes_trailers);
        assert!(!asked("PUT / HTTP/1.1\r\nExpect: 100-continue").expects, "without a body");
        let may_begin = |text: &str| {
            let head = read(format!("{text}\r\nUpgrade: websocket\r\n\r\n").as_bytes()).unwrap().unwrap();
            head.request.extensions().get::<MayBegin>().is_some()
        };
        assert!(may_begin("GET / HTTP/1.1") && !may_begin("GET / HTTP/1.0"));
    }
}
