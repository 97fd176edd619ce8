//! Lists of names and values (section 3.4): each length takes one byte up to 127, else four.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// A list is cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a list of names and values is cut short")]
pub struct CutShort;

/// Writes a pair. Each part is shorter than 2 GiB: a longer one could not be told.
pub fn put(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    put_length(out, name.len());
    put_length(out, value.len());
    out.put_slice(name);
    out.put_slice(value);
}

fn put_length(out: &mut BytesMut, length: usize) {
    match u8::try_from(length) {
        Ok(length) if length < 0x80 => out.put_u8(length),
        _ => out.put_u32(u32::try_from(length).unwrap_or(u32::MAX) | 0x8000_0000),
    }
}

/// Reads a whole list.
pub fn read(mut list: Bytes) -> Result<Vec<(Bytes, Bytes)>, CutShort> {
    let mut pairs = Vec::new();
    while list.has_remaining() {
        let name = take_length(&mut list)?;
        let value = take_length(&mut list)?;
        pairs.push((take(&mut list, name)?, take(&mut list, value)?));
    }
    Ok(pairs)
}

fn take_length(list: &mut Bytes) -> Result<usize, CutShort> {
    let first = *list.first().ok_or(CutShort)?;
    if first < 0x80 {
        list.advance(1);
        return Ok(usize::from(first));
    }
    let length = list.try_get_u32().map_err(|_| CutShort)? & 0x7FFF_FFFF;
    usize::try_from(length).map_err(|_| CutShort)
}

fn take(list: &mut Bytes, length: usize) -> Result<Bytes, CutShort> {
    if list.len() < length { Err(CutShort) } else { Ok(list.split_to(length)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_of_every_length_are_read_as_written() {
        let mut out = BytesMut::new();
        let lengths = [0, 1, 127, 128, 255, 256, 65_536];
        for name in lengths {
            for value in lengths {
                put(&mut out, &vec![b'n'; name], &vec![b'v'; value]);
            }
        }
        let pairs = read(out.freeze()).unwrap();
        let read = pairs.iter().map(|(name, value)| (name.len(), value.len()));
        let written = lengths.iter().flat_map(|name| lengths.iter().map(|value| (*name, *value)));
        assert!(read.eq(written));
        assert!(pairs.iter().all(|(name, value)| {
            name.iter().all(|byte| *byte == b'n') && value.iter().all(|byte| *byte == b'v')
        }));
    }

    #[test]
    fn a_list_that_is_cut_anywhere_is_refused() {
        let mut out = BytesMut::new();
        put(&mut out, b"NAME", &[b'v'; 200]);
        let whole = out.freeze();
        for end in 1..whole.len() {
            assert_eq!(read(whole.slice(..end)), Err(CutShort), "{end}");
        }
        assert_eq!(read(Bytes::from_static(b"\xFF\xFF\xFF\xFF\0a")), Err(CutShort));
    }
}
