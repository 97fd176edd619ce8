//! SCGI, as nginx's `scgi_pass` speaks it.
//!
//! ```yaml
//! listen: { address: "unix:/run/vestibule/scgi.sock", protocol: scgi }
//! ```
//!
//! A request is a netstring of variables, a NUL byte behind each name and each value, and then its body. `CONTENT_LENGTH` comes
//! first, and there is `SCGI` with the value 1. The answer begins with `Status:`.

use http::StatusCode;
use vestibule_config::Protocol;

use super::single_use::{self, Language};
pub use super::single_use::{Head, HeadError};
use super::variables::Pair;
use super::visit::Visit;
use crate::runtime::socket::Socket;

pub(super) static PROTOCOL: Protocol = Protocol { name: "scgi", speaks_for_clients: true };

static LANGUAGE: Language = Language { name: "SCGI", read_head, put_status };

pub(super) async fn serve(io: impl Socket, visit: Visit) {
    single_use::serve(io, visit, &LANGUAGE).await;
}

/// Reads the head of a request, whose variables may be so long; `None` until more has come.
pub fn read_head(received: &[u8], most: usize) -> Result<Option<Head<'_>>, HeadError> {
    let digits = received.iter().take_while(|byte| byte.is_ascii_digit()).count();
    // A limit of sizes has no more digits than a number of 64 bits.
    let length = match received.get(digits) {
        Some(b':') if digits > 0 => number(&received[..digits]).filter(|length| *length <= most),
        None if digits <= 20 => return Ok(None),
        None => None,
        Some(_) => return Err(HeadError::Malformed("it does not begin with the length of a netstring")),
    };
    let length = length.ok_or(HeadError::TooLong(most))?;
    let (start, end) = (digits + 1, digits + 1 + length);
    match received.get(end) {
        None => return Ok(None),
        Some(b',') => {}
        Some(_) => return Err(HeadError::Malformed("its netstring does not end with a comma")),
    }
    let variables = variables(&received[start..end])?;
    Ok(Some(Head { length: end + 1, variables }))
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn variables(netstring: &[u8]) -> Result<Vec<Pair<'_>>, HeadError> {
    const UNENDED: HeadError = HeadError::Malformed("a name or a value does not end with a NUL byte");
    let mut texts = netstring.strip_suffix(b"\0").ok_or(UNENDED)?.split(|byte| *byte == 0);
    let mut variables = Vec::new();
    while let Some(name) = texts.next() {
        variables.push((name, texts.next().ok_or(UNENDED)?));
    }
    if !matches!(variables.first(), Some((b"CONTENT_LENGTH", length)) if !length.is_empty()) {
        return Err(HeadError::Malformed("CONTENT_LENGTH does not come first"));
    }
    if !variables.contains(&(b"SCGI", b"1")) {
        return Err(HeadError::Malformed(
            "there is no SCGI with the value 1 (nginx: `include scgi_params;`)",
        ));
    }
    // Whoever sends no body has to say so here; by HTTP nobody would.
    if variables[0].1.iter().all(|digit| *digit == b'0') {
        variables.remove(0);
    }
    Ok(variables)
}

fn put_status(out: &mut Vec<u8>, status: StatusCode) {
    let reason = status.canonical_reason().unwrap_or_default();
    out.extend_from_slice(format!("Status: {} {reason}\r\n", status.as_str()).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn netstring(text: &str) -> Vec<u8> {
        format!("{}:{text},", text.len()).into_bytes()
    }

    #[test]
    fn a_head_is_read_when_all_of_it_is_there() {
        let mut sent = netstring("CONTENT_LENGTH\x003\0SCGI\x001\0A\0\0");
        let length = sent.len();
        for end in 0..length {
            assert_eq!(read_head(&sent[..end], 100), Ok(None), "{end}");
        }
        sent.extend(b"abc");
        let variables = vec![(b"CONTENT_LENGTH".as_slice(), b"3".as_slice()), (b"SCGI", b"1"), (b"A", b"")];
        assert_eq!(read_head(&sent, 100), Ok(Some(Head { length, variables })));
    }

    #[test]
    fn no_body_has_no_length() {
        let sent = netstring("CONTENT_LENGTH\x000\0SCGI\x001\0");
        let head = read_head(&sent, 100).unwrap().unwrap();
        assert_eq!(head.variables, [(b"SCGI".as_slice(), b"1".as_slice())]);
    }

    #[test]
    fn what_is_no_head_is_refused() {
        let malformed = |text: &[u8]| match read_head(text, 100) {
            Err(HeadError::Malformed(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(malformed(b"GET / HTTP/1.1").contains("netstring"));
        assert!(malformed(b":").contains("netstring"));
        assert!(malformed(b"1:ab").contains("comma"));
        assert!(malformed(&netstring("A")).contains("NUL"));
        assert!(malformed(&netstring("A\0")).contains("NUL"));
        assert!(malformed(&netstring("SCGI\x001\0CONTENT_LENGTH\x000\0")).contains("first"));
        assert!(malformed(&netstring("CONTENT_LENGTH\0\0SCGI\x001\0")).contains("first"));
        assert!(malformed(&netstring("CONTENT_LENGTH\x000\0")).contains("SCGI"));
    }

    #[test]
    fn a_head_over_the_limit_is_refused_before_it_has_come() {
        for text in ["101:", "99999999999999999999999:", "999999999999999999999999"] {
            assert_eq!(read_head(text.as_bytes(), 100), Err(HeadError::TooLong(100)), "{text}");
        }
        assert_eq!(read_head(b"100:", 100), Ok(None));
    }
}
