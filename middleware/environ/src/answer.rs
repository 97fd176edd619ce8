//! The head of an application's answer, as CGI, FastCGI and SCGI have it (RFC 3875 section 6).

use std::fmt::Write as _;

use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, LOCATION, TRANSFER_ENCODING};
use http::{Response, StatusCode};

/// The most header fields that an answer may have.
const MOST_FIELDS: usize = 1_000;

/// The head of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// The answer itself.
    Answer {
        /// Its status
        status: StatusCode,
        /// What it calls that, where it is not the usual
        reason: Option<Reason>,
        /// Its headers, without those that concern a connection
        headers: HeaderMap,
    },
    /// A local redirect: the answer is what a GET of this path and query gives (RFC 3875 section 6.2.2).
    Local(String),
}

/// The reason phrase of a status line. Among the extensions of an answer, [`put`] writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(pub Vec<u8>);

/// What no head may be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// There is not one header field.
    #[error("the head of the answer is empty")]
    Empty,
    /// A line is no header field.
    #[error("a line of the answer's head is no header field: {0:?}")]
    Field(String),
    /// A status is not one of an answer.
    #[error("the status of the answer is not understood: {0:?}")]
    Status(String),
    /// A length is not one number.
    #[error("the Content-Length of the answer is not one number")]
    ContentLength,
    /// An answer that is to pass as it is has a coding that belongs to a connection of its own.
    #[error("the Transfer-Encoding of the answer is the gateway's to choose")]
    TransferEncoding,
    /// There are too many header fields.
    #[error("the answer has more than {MOST_FIELDS} header fields")]
    TooMany,
}

/// Where the head ends and the body begins: behind the first empty line. `searched` bytes were looked through before, and had
/// no end.
pub fn end_of_head(received: &[u8], searched: usize) -> Option<usize> {
    // An end may have begun in what was searched, and a body may follow no head at all.
    let start = searched.saturating_sub(2);
    let lines = |at: usize| {
        let rest = &received[at..];
        rest.strip_prefix(b"\n")
            .or_else(|| rest.strip_prefix(b"\r\n"))
            .map(|rest| received.len() - rest.len())
    };
    if start == 0
        && let Some(end) = lines(0)
    {
        return Some(end);
    }
    let newlines = received[start..].iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    newlines.map(|(at, _)| start + at + 1).find_map(lines)
}

/// Reads a head that may begin with a status line of HTTP, as uWSGI writes it; the rest is as [`read`] has it.
pub fn read_with_status_line(head: &[u8]) -> Result<Head, HeadError> {
    let Some(rest) = head.strip_prefix(b"HTTP/") else { return read(head) };
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let (line, fields) = rest.split_at(end);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let bad = || HeadError::Status(shown(line));
    let status = line.strip_prefix(b"1.1 ").or_else(|| line.strip_prefix(b"1.0 ")).ok_or_else(bad)?;
    let status = read_status(&HeaderValue::from_bytes(status).map_err(|_| bad())?)?;
    read_fields(Some(status), fields)
}

/// Reads a head, with or without the empty line at its end. Lines end in a newline, with or without a carriage return.
pub fn read(head: &[u8]) -> Result<Head, HeadError> {
    read_fields(None, head)
}

/// Reads the head of a whole HTTP answer, as a script gives it whose answer is not to be parsed (RFC 3875 section 5). It begins
/// with the status line, and its body is not coded: whoever sends it on has a connection of another kind.
pub fn read_non_parsed(head: &[u8]) -> Result<Head, HeadError> {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if !line.starts_with(b"HTTP/") {
        return Err(if line.is_empty() { HeadError::Empty } else { HeadError::Status(shown(line)) });
    }
    let is_coded = |line: &[u8]| field(line).is_ok_and(|(name, _)| name == TRANSFER_ENCODING);
    if head.split(|byte| *byte == b'\n').any(is_coded) {
        return Err(HeadError::TransferEncoding);
    }
    read_with_status_line(head)
}

fn read_fields(mut status: Option<(StatusCode, Option<Reason>)>, head: &[u8]) -> Result<Head, HeadError> {
    let mut headers = HeaderMap::new();
    let lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = field(line)?;
        match name.as_str() {
            "status" if status.is_none() => status = Some(read_status(&value)?),
            "status" => return Err(HeadError::Status(shown(value.as_bytes()))),
            _ => append(&mut headers, name, value)?,
        }
    }
    if status.is_none() && headers.is_empty() {
        return Err(HeadError::Empty);
    }
    let location = headers.get(LOCATION).filter(|_| status.is_none());
    let (status, reason) = match location.map(HeaderValue::to_str) {
        Some(Ok(path)) if path.starts_with('/') && !path.starts_with("//") => {
            return Ok(Head::Local(path.to_owned()));
        }
        Some(_) => (StatusCode::FOUND, None),
        None => status.unwrap_or_default(),
    };
    Ok(Head::Answer { status, reason, headers })
}

/// Adds a header field to a head, unless it concerns a connection.
pub fn append(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) -> Result<(), HeadError> {
    match name.as_str() {
        "content-length" => set_length(headers, &value)?,
        name if is_hop_by_hop(name) => {}
        _ if headers.len() >= MOST_FIELDS => return Err(HeadError::TooMany),
        _ => drop(headers.append(name, value)),
    }
    Ok(())
}

fn field(line: &[u8]) -> Result<(HeaderName, HeaderValue), HeadError> {
    let parsed = || {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
    };
    parsed().ok_or_else(|| HeadError::Field(shown(line)))
}

/// Three digits; a reason may follow, which HTTP does not need.
fn read_status(value: &HeaderValue) -> Result<(StatusCode, Option<Reason>), HeadError> {
    let bad = || HeadError::Status(shown(value.as_bytes()));
    let mut words = value.as_bytes().splitn(2, |byte| *byte == b' ');
    let status = words.next().and_then(|code| StatusCode::from_bytes(code).ok()).ok_or_else(bad)?;
    if status.is_informational() {
        return Err(bad());
    }
    let reason = words.next().filter(|reason| Some(*reason) != status.canonical_reason().map(str::as_bytes));
    Ok((status, reason.map(|reason| Reason(reason.into()))))
}

fn set_length(headers: &mut HeaderMap, value: &HeaderValue) -> Result<(), HeadError> {
    let is_number = !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit);
    let length: Option<u64> = value.to_str().ok().filter(|_| is_number).and_then(|text| text.parse().ok());
    let length = HeaderValue::from(length.ok_or(HeadError::ContentLength)?);
    match headers.insert(CONTENT_LENGTH, length.clone()) {
        Some(other) if other != length => Err(HeadError::ContentLength),
        _ => Ok(()),
    }
}

/// Whether an application's answer cannot have a header of this name, in lower case: it concerns the connection, of which an
/// application knows nothing (RFC 9110 section 7.6.1; RFC 2616 section 13.5.1, which PEP 3333 names).
pub fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "trailers"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// The beginning of a text, for an error.
fn shown(text: &[u8]) -> String {
    text[..text.len().min(80)].escape_ascii().to_string()
}

/// Writes the head of an answer, and the empty line behind it.
pub fn put<B>(out: &mut Vec<u8>, answer: &Response<B>) {
    let mut status = String::with_capacity(16);
    // Writing to a String cannot fail.
    let _ = write!(status, "Status: {}", answer.status().as_u16());
    out.extend_from_slice(status.as_bytes());
    if let Some(Reason(reason)) = answer.extensions().get() {
        out.push(b' ');
        out.extend_from_slice(reason);
    }
    out.extend_from_slice(b"\r\n");
    // A header of that name would be a second status, which readers refuse, or believe.
    for (name, value) in answer.headers().iter().filter(|(name, _)| *name != "status") {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(head: &str) -> (u16, Vec<(String, String)>) {
        match read(head.as_bytes()) {
            Ok(Head::Answer { status, headers, .. }) => {
                let headers = headers.iter().map(|(name, value)| {
                    (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
                });
                (status.as_u16(), headers.collect())
            }
            other => panic!("{head:?}: {other:?}"),
        }
    }

    #[test]
    fn a_head_has_a_status_and_headers_whatever_its_lines_end_with() {
        for head in [
            "Status: 404 Not Found\r\nContent-Type: text/plain\r\nSet-Cookie: a=1\r\nset-cookie:b=2 \r\n\r\n",
            "Status:404\nContent-Type:text/plain\nSet-Cookie: a=1\nSet-Cookie: b=2\n\n",
        ] {
            let headers = [("content-type", "text/plain"), ("set-cookie", "a=1"), ("set-cookie", "b=2")];
            let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(answer(head), (404, headers.to_vec()));
        }
        assert_eq!(answer("Content-Type: text/html\n\n").0, 200);
    }

    #[test]
    fn a_header_called_status_is_no_second_one() {
        let answered = Response::builder().status(404).header("Status", "200 OK").header("A", "b").body(());
        let mut head = Vec::new();
        put(&mut head, &answered.unwrap());
        assert_eq!(head, b"Status: 404\r\na: b\r\n\r\n");
    }

    #[test]
    fn a_location_without_a_status_redirects() {
        assert_eq!(answer("Location: https://example.com/\n\n").0, 302);
        assert_eq!(answer("Location: //example.com/\n\n").0, 302);
        assert_eq!(answer("Status: 201 Created\nLocation: /made\n\n").0, 201);
        assert_eq!(read(b"Location: /other?a=1\n\n"), Ok(Head::Local("/other?a=1".into())));
    }

    #[test]
    fn a_status_line_of_http_may_come_first() {
        let read = |head: &str| match read_with_status_line(head.as_bytes()) {
            Ok(Head::Answer { status, headers, .. }) => Ok((status.as_u16(), headers.len())),
            Ok(Head::Local(_)) => panic!("{head:?} is no local redirect"),
            Err(error) => Err(error),
        };
        assert_eq!(read("HTTP/1.1 404 Not Found\r\nA: b\r\n\r\n"), Ok((404, 1)));
        assert_eq!(read("HTTP/1.0 200\n\n"), Ok((200, 0)));
        assert_eq!(read("HTTP/1.1 201 Created\nLocation: /made\n\n"), Ok((201, 1)));
        assert_eq!(read("Status: 404 Not Found\nA: b\n\n"), Ok((404, 1)));
        for (head, bad) in [
            ("HTTP/2 200 OK\n\n", "2 200 OK"),
            ("HTTP/1.1\n\n", "1.1"),
            ("HTTP/1.1 2000 OK\n\n", "2000 OK"),
            ("HTTP/1.1 100 Continue\n\n", "100 Continue"),
            ("HTTP/1.1 200 O\0K\n\n", "1.1 200 O\\x00K"),
            ("HTTP/1.1 200 OK\nStatus: 404\n\n", "404"),
        ] {
            assert_eq!(read(head), Err(HeadError::Status(bad.to_owned())), "{head:?}");
        }
    }

    #[test]
    fn an_answer_that_is_not_to_be_parsed_is_one_of_http() {
        let well = b"HTTP/1.1 404 Not Found\r\nLocation: /a\r\n\r\n";
        assert_eq!(read_non_parsed(well), read_with_status_line(well));
        for (head, error) in [
            ("", HeadError::Empty),
            ("Status: 200\n\n", HeadError::Status("Status: 200".into())),
            ("HTTP/1.1 200 OK\ntransfer-Encoding : x\n\n", HeadError::Field("transfer-Encoding : x".into())),
            ("HTTP/1.1 200 OK\r\ntransfer-Encoding: chunked\r\n\r\n", HeadError::TransferEncoding),
            ("HTTP/1.1 100 Continue\n\n", HeadError::Status("100 Continue".into())),
        ] {
            assert_eq!(read_non_parsed(head.as_bytes()), Err(error), "{head:?}");
        }
    }

    #[test]
    fn what_concerns_a_connection_is_left_out() {
        let head = "Connection: close\nTransfer-Encoding: chunked\nKeep-Alive: 5\nX-A: b\n\n";
        assert_eq!(answer(head), (200, vec![("x-a".into(), "b".into())]));
    }

    #[test]
    fn what_is_no_head_is_refused() {
        for (head, error) in [
            ("", HeadError::Empty),
            ("\n", HeadError::Empty),
            ("Connection: close\n\n", HeadError::Empty),
            ("no colon\n\n", HeadError::Field("no colon".into())),
            ("HTTP/1.1 200 OK\n\n", HeadError::Field("HTTP/1.1 200 OK".into())),
            ("A B: c\n\n", HeadError::Field("A B: c".into())),
            ("X-A: a\n folded: b\n\n", HeadError::Field(" folded: b".into())),
            ("X-A: a\rb\n\n", HeadError::Field("X-A: a\\rb".into())),
            ("Status: 20\n\n", HeadError::Status("20".into())),
            ("Status: OK\n\n", HeadError::Status("OK".into())),
            ("Status: 101 Switching\n\n", HeadError::Status("101 Switching".into())),
            ("Status: 200\nStatus: 200\n\n", HeadError::Status("200".into())),
            ("Content-Length: 1, 1\n\n", HeadError::ContentLength),
            ("Content-Length: +1\n\n", HeadError::ContentLength),
            ("Content-Length: 1\nContent-Length: 2\n\n", HeadError::ContentLength),
        ] {
            assert_eq!(read(head.as_bytes()), Err(error), "{head:?}");
        }
        let many = "X-A: b\n".repeat(MOST_FIELDS + 1);
        assert_eq!(read(many.as_bytes()), Err(HeadError::TooMany));
        assert_eq!(answer("Content-Length: 7\nContent-Length: 07\n\n").1.len(), 1);
    }

    #[test]
    fn the_end_of_a_head_is_found_wherever_it_is_split() {
        for (text, end) in [
            ("A: b\n\nbody\n\n", 6),
            ("A: b\r\n\r\nbody\r\n\r\n", 8),
            ("A: b\n\r\nbody", 7),
            ("\nbody", 1),
            ("\r\nbody", 2),
        ] {
            for searched in 0..end {
                assert_eq!(end_of_head(&text.as_bytes()[..searched], 0), None, "{text:?} {searched}");
                assert_eq!(end_of_head(text.as_bytes(), searched), Some(end), "{text:?} {searched}");
            }
        }
        assert_eq!(end_of_head(b"A: b\nC: d\r\n", 0), None);
    }

    #[test]
    fn what_is_written_is_read() {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        response.headers_mut().insert("content-length", HeaderValue::from_static("3"));
        response.headers_mut().append("set-cookie", HeaderValue::from_static("a=1"));
        response.headers_mut().append("set-cookie", HeaderValue::from_bytes(b"b=\xe9").unwrap());
        let mut head = Vec::new();
        put(&mut head, &response);
        assert_eq!(end_of_head(&head, 0), Some(head.len()));
        let (status, headers) = (response.status(), response.headers().clone());
        assert_eq!(read(&head), Ok(Head::Answer { status, reason: None, headers: headers.clone() }));

        let reason = Reason(b"short and st\xf6ut".to_vec());
        response.extensions_mut().insert(reason.clone());
        head.clear();
        put(&mut head, &response);
        assert_eq!(read(&head), Ok(Head::Answer { status, reason: Some(reason), headers }));
    }
}
