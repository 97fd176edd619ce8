//! The date of an answer, which is written once a second.

use std::cell::Cell;
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second that can be written, in the year 9999.
const LAST: u64 = 253_402_300_799;

/// How long it is: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7).
const LENGTH: usize = 29;

thread_local! {
    /// The second, and how it is written.
    static WRITTEN: Cell<(u64, [u8; LENGTH])> = const { Cell::new((0, *b"Thu, 01 Jan 1970 00:00:00 GMT")) };
}

/// Writes the present.
pub(super) fn put(out: &mut Vec<u8>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    out.extend_from_slice(&at(now.as_secs()));
}

fn at(second: u64) -> [u8; LENGTH] {
    let (known, text) = WRITTEN.get();
    if known == second {
        return text;
    }
    let mut text = text;
    let date = httpdate::HttpDate::from(UNIX_EPOCH + Duration::from_secs(second.min(LAST)));
    // It has the room that it needs.
    drop(write!(&mut text[..], "{date}"));
    WRITTEN.set((second, text));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_its_own() {
        assert_eq!(at(0), *b"Thu, 01 Jan 1970 00:00:00 GMT");
        for _ in 0..2 {
            assert_eq!(at(784_111_777), *b"Sun, 06 Nov 1994 08:49:37 GMT");
        }
        assert_eq!(at(u64::MAX), *b"Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(at(784_111_778), *b"Sun, 06 Nov 1994 08:49:38 GMT");
    }
}
