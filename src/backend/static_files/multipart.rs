//! Several ranges in one answer: `multipart/byteranges` (RFC 9110 section 14.6).

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use bytes::Bytes;
use http::HeaderValue;

use super::body::Part;

/// The parts of the body, and its media type. The boundary is random: no file can hold it on purpose.
pub(super) fn parts(
    ranges: Vec<Range<u64>>,
    size: u64,
    media_type: &HeaderValue,
) -> (VecDeque<Part>, HeaderValue) {
    let boundary = format!("{:016x}{:016x}", random(), random());
    let mut parts = VecDeque::with_capacity(2 * ranges.len() + 1);
    let mut separator = "--";
    for range in ranges {
        let mut head = format!("{separator}{boundary}\r\nContent-Type: ").into_bytes();
        head.extend_from_slice(media_type.as_bytes());
        head.extend_from_slice(
            format!("\r\nContent-Range: {}\r\n\r\n", content_range(&range, size)).as_bytes(),
        );
        parts.push_back(Part::Text(head.into()));
        parts.push_back(Part::File(range));
        separator = "\r\n--";
    }
    parts.push_back(Part::Text(Bytes::from(format!("\r\n--{boundary}--\r\n"))));
    let media_type = HeaderValue::try_from(format!("multipart/byteranges; boundary={boundary}"));
    (parts, media_type.expect("the boundary is of hexadecimal digits"))
}

/// The value of Content-Range for a range that is not empty.
pub(super) fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end - 1)
}

/// The standard library seeds its hash maps from the system's random numbers.
fn random() -> u64 {
    RandomState::new().hash_one(())
}
