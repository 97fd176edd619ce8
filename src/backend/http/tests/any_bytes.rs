//! What holds of an answer whatever bytes a server sends, in whatever pieces they come.

#[path = "../../../../fuzz/bodies/dice.rs"]
mod dice;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue};

use self::dice::Dice;
use super::super::answer_head::{self, Head, Length};
use crate::chunks::Chunks;
use crate::field::lines::Finder;

impl Dice {
    /// A text made of some of these words.
    fn text(&mut self, words: &[&[u8]], most: usize) -> Vec<u8> {
        let count = self.roll(most + 1);
        (0..count).flat_map(|_| words[self.roll(words.len())].to_vec()).collect()
    }
}

const OF_HEADS: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 404 \r\n",
    b"HTTP/1.1 100\r\n",
    b"HTTP/1.1 304 x\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"Content-Length: 5\r\n",
    b"content-length:7\r\n",
    b"Content-Length: 5, 5\r\n",
    b"Content-Length:\t-1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip\r\n",
    b"transfer-encoding:chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: x-a, keep-alive\r\n",
    b"X-A: 1\r\n",
    b"X-A : 1\r\n",
    b" folded\r\n",
    b": \r\n",
    b"\0",
    b"\xff",
    b"a",
    b":",
    b" ",
];

const OF_CHUNKS: &[&[u8]] = &[
    b"1",
    b"a",
    b"F",
    b"0",
    b"00000000",
    b"\r\n",
    b"\r\n",
    b"\r",
    b"\n",
    b";",
    b"x=\"1\"",
    b" ",
    b"\t",
    b"X-A: 1\r\n",
    b"0\r\n\r\n",
    b"1\r\nx\r\n",
    b"3;e\r\nabc\r\n",
    b"\xff",
    b"\0",
    b"g",
    b"-",
];

fn read(bytes: &[u8]) -> Option<(Head, usize)> {
    let mut finder = Finder::default();
    let end = finder.find(bytes, 100).ok()??;
    let head = Bytes::copy_from_slice(&bytes[..end]);
    let head = answer_head::read(&head, finder.lines(&head), &mut HeaderMap::new()).ok()?;
    assert_eq!(answer_head::begins(bytes), Ok(()));
    Some((head, end))
}

#[test]
fn any_head_is_read_in_one_way_or_refused() {
    let mut dice = Dice(0x5eed_0001);
    let mut whole = 0;
    for _ in 0..100_000 {
        let mut bytes = if dice.roll(4) > 0 { b"HTTP/1.1 200 OK\r\n".to_vec() } else { Vec::new() };
        bytes.extend(dice.text(OF_HEADS, 8));
        if dice.roll(2) == 0 {
            bytes.extend_from_slice(b"\r\n");
        }
        let Some((head, end)) = read(&bytes) else { continue };
        whole += 1;
        assert!(bytes[..end].ends_with(b"\r\n\r\n"), "{}", bytes.escape_ascii());
        assert!(head.headers.get_all(CONTENT_LENGTH).iter().count() <= 1);
        assert!(!head.headers.contains_key(TRANSFER_ENCODING));
        let told = head.headers.get(CONTENT_LENGTH).map(HeaderValue::as_bytes);
        match head.length {
            Length::Known(0) => {}
            Length::Known(length) => assert_eq!(told, Some(length.to_string().as_bytes())),
            Length::Chunks | Length::Unknown => assert_eq!(told, None),
        }
        assert!(head.length != Length::Unknown || !head.is_kept);
        // No byte earlier it was a head, and none later changes it.
        assert!(read(&bytes[..end - 1]).is_none());
        let (longer, same) = read(&[&bytes[..end], b"HTTP/1.1 500 No\r\n\r\n"].concat()).unwrap();
        assert_eq!((longer.status, longer.length, same), (head.status, head.length, end));
    }
    assert!(whole > 5_000, "{whole} heads were whole");
}

/// What comes of a body: its bytes, its trailers, how much was left behind it; `None` where it is refused.
fn decoded(bytes: &[u8], mut size: impl FnMut() -> usize) -> Option<(Vec<u8>, HeaderMap, Option<usize>)> {
    let mut chunks = Chunks::new(64);
    let (mut body, mut trailers, mut at) = (Vec::new(), HeaderMap::new(), 0);
    while at < bytes.len() && !chunks.is_over() {
        let end = bytes.len().min(at + size());
        let mut received = Bytes::copy_from_slice(&bytes[at..end]);
        while let Some(frame) = chunks.next(&mut received).ok()? {
            match frame.into_data() {
                Ok(data) => body.extend_from_slice(&data),
                Err(frame) => trailers = frame.into_trailers().unwrap(),
            }
        }
        at = end - received.len();
    }
    Some((body, trailers, chunks.is_over().then_some(at)))
}

#[test]
fn chunks_are_the_same_in_any_pieces() {
    let mut dice = Dice(0x5eed_0002);
    let mut whole = 0;
    for _ in 0..50_000 {
        let bytes = dice.text(OF_CHUNKS, 12);
        let at_once = decoded(&bytes, || usize::MAX >> 1);
        assert_eq!(decoded(&bytes, || 1), at_once, "{}", bytes.escape_ascii());
        assert_eq!(decoded(&bytes, || 1 + dice.roll(5)), at_once, "{}", bytes.escape_ascii());
        let Some((body, _, Some(end))) = at_once else { continue };
        whole += 1;
        assert!(body.len() < end && bytes[..end].ends_with(b"\r\n"));
    }
    assert!(whole > 500, "{whole} bodies were whole");
}
