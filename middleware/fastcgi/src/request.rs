//! A web server's request: its beginning and its variables, then its body.

use bytes::{BufMut as _, BytesMut};

use crate::pairs;
use crate::record::{self, HEAD, MOST_CONTENT, REQUEST, Stream};

/// Whether the connection is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepConnection {
    /// The application leaves it open.
    Yes,
    /// The application closes it after its answer.
    No,
}

/// Writes the beginning of a request and its variables: those for which `variables` calls the function it is given.
pub fn put_head(
    out: &mut BytesMut,
    keep: KeepConnection,
    variables: impl FnOnce(&mut dyn FnMut(&[u8], &[u8])),
) {
    record::put_begin(out, REQUEST, keep == KeepConnection::Yes);
    // They nearly always fit into one record: they are written in place, and its head when its length is known.
    let start = out.len();
    out.put_bytes(0, HEAD);
    variables(&mut |name, value| pairs::put(out, name, value));
    let content = start + HEAD;
    if let Ok(length) = u16::try_from(out.len() - content) {
        out[start..content].copy_from_slice(&record::stream_head(Stream::Params, REQUEST, length));
        if length == 0 {
            return;
        }
    } else {
        let all = out.split_off(content);
        out.truncate(start);
        record::put_stream(out, Stream::Params, REQUEST, &all);
    }
    record::put_stream_end(out, Stream::Params, REQUEST);
}

/// Writes a piece of the body.
pub fn put_body(out: &mut BytesMut, piece: &[u8]) {
    record::put_stream(out, Stream::Stdin, REQUEST, piece);
}

/// Writes the head of a piece of the body, whose content the caller sends behind it. At most [`MOST_CONTENT`] bytes fit: the
/// second part of the answer says how many are meant.
pub fn body_head(piece: usize) -> ([u8; HEAD], usize) {
    let length = u16::try_from(piece).unwrap_or(u16::MAX);
    (record::stream_head(Stream::Stdin, REQUEST, length), piece.min(MOST_CONTENT))
}

/// Writes the end of the body.
pub fn put_end_of_body(out: &mut BytesMut) {
    record::put_stream_end(out, Stream::Stdin, REQUEST);
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::record::{Decoder, Record, Role};

    /// The variables as an application reads them, after the beginning of the request.
    fn read(out: &mut BytesMut) -> Vec<(Bytes, Bytes)> {
        let mut decoder = Decoder::default();
        let begin = decoder.next(out).unwrap();
        assert_eq!(begin, Some(Record::Begin { request: 1, role: Role::Responder, keep: true }));
        let mut list = BytesMut::new();
        loop {
            match decoder.next(out).unwrap() {
                Some(Record::Piece { stream: Stream::Params, content, .. }) if content.is_empty() => break,
                Some(Record::Piece { stream: Stream::Params, content, .. }) => list.put_slice(&content),
                other => panic!("{other:?}"),
            }
        }
        assert!(out.is_empty());
        pairs::read(list.freeze()).unwrap()
    }

    #[test]
    fn variables_of_any_size_arrive() {
        for (count, length) in [(0, 0), (1, 5), (30, 100), (3, 65_000), (1, 200_000)] {
            let mut out = BytesMut::from(&b"before"[..]);
            let value = vec![b'v'; length];
            put_head(&mut out, KeepConnection::Yes, |add| (0..count).for_each(|_| add(b"NAME", &value)));
            assert_eq!(out.split_to(6), "before");
            let pairs = read(&mut out);
            assert_eq!(pairs.len(), count);
            assert!(pairs.iter().all(|pair| pair.0 == "NAME" && pair.1 == value));
        }
    }
}
