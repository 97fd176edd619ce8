//! uwsgi, as nginx's `uwsgi_pass` speaks it.
//!
//! ```yaml
//! listen: { address: "unix:/run/vestibule/uwsgi.sock", protocol: uwsgi }
//! ```
//!
//! A request is a packet of variables (a byte, the size of what follows in two, a byte; then names and values, each behind its
//! own size) and then its body. The first byte says what is asked for: 0 is a request, and 30 is one whose SCRIPT_NAME is a
//! prefix, which holds here for each. The answer begins with a status line.

use http::StatusCode;
use vestibule_config::Protocol;

use super::single_use::{self, Language};
pub use super::single_use::{Head, HeadError};
use super::variables::Pair;
use super::visit::Visit;
use crate::runtime::socket::Socket;

pub(super) static PROTOCOL: Protocol = Protocol { name: "uwsgi", speaks_for_clients: true };

static LANGUAGE: Language = Language { name: "uwsgi", read_head, put_status };

/// The size of what comes before the variables.
const START: usize = 4;

/// What the first byte of a request is.
const REQUESTS: [u8; 2] = [0, 30];

pub(super) async fn serve(io: impl Socket, visit: Visit) {
    single_use::serve(io, visit, &LANGUAGE).await;
}

/// Reads the head of a request, whose variables may be so long; `None` until more has come.
pub fn read_head(received: &[u8], most: usize) -> Result<Option<Head<'_>>, HeadError> {
    let Some(kind) = received.first() else { return Ok(None) };
    if !REQUESTS.contains(kind) {
        return Err(HeadError::Malformed("its first byte (modifier1) is neither 0 nor 30"));
    }
    let Some(&[_, low, high, _]) = received.first_chunk::<START>() else { return Ok(None) };
    let size = usize::from(u16::from_le_bytes([low, high]));
    if size > most {
        return Err(HeadError::TooLong(most));
    }
    let Some(packet) = received.get(START..START + size) else { return Ok(None) };
    Ok(Some(Head { length: START + size, variables: variables(packet)? }))
}

fn variables(mut packet: &[u8]) -> Result<Vec<Pair<'_>>, HeadError> {
    const CUT_SHORT: HeadError = HeadError::Malformed("a name or a value is longer than its packet");
    let mut variables = Vec::new();
    while !packet.is_empty() {
        let name = take(&mut packet).ok_or(CUT_SHORT)?;
        variables.push((name, take(&mut packet).ok_or(CUT_SHORT)?));
    }
    Ok(variables)
}

/// The next text, behind its size.
fn take<'a>(packet: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (size, rest) = packet.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*size)))?;
    *packet = rest;
    Some(text)
}

fn put_status(out: &mut Vec<u8>, status: StatusCode) {
    let reason = status.canonical_reason().unwrap_or_default();
    out.extend_from_slice(format!("HTTP/1.1 {} {reason}\r\n", status.as_str()).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &[u8] = b"\0\x0d\0\0\x01\0A\x02\0bc\x02\0DE\0\0body";

    #[test]
    fn a_head_is_read_when_all_of_it_is_there() {
        let length = SENT.len() - b"body".len();
        for end in 0..length {
            assert_eq!(read_head(&SENT[..end], 100), Ok(None), "{end}");
        }
        let variables = vec![(b"A".as_slice(), b"bc".as_slice()), (b"DE", b"")];
        assert_eq!(read_head(SENT, 100), Ok(Some(Head { length, variables })));
    }

    #[test]
    fn what_is_no_head_is_refused() {
        let malformed = |text: &[u8]| match read_head(text, 100) {
            Err(HeadError::Malformed(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(malformed(b"GET / HTTP/1.1").contains("modifier1"));
        for packet in [b"\x02\0A".as_slice(), b"\x01\0A", b"\x01\0A\x01\0", b"\x01"] {
            let size = u8::try_from(packet.len()).unwrap();
            assert!(malformed(&[&[0, size, 0, 0], packet].concat()).contains("longer"), "{packet:?}");
        }
        assert_eq!(read_head(&[0, 101, 0, 0], 100), Err(HeadError::TooLong(100)));
        assert_eq!(read_head(&[30, 0, 0, 0], 100), Ok(Some(Head { length: START, variables: vec![] })));
    }
}
