//! Packets: a mark of two bytes, a length of two, and so many bytes. All numbers have their higher byte first.

use bytes::{Buf as _, Bytes, BytesMut};

/// The mark and the length.
pub const HEAD: usize = 4;

/// The size of packets, their head included, that every container takes and that Tomcat's `packetSize` is by default.
pub const LEAST: usize = 8 << 10;

/// The largest size that a container can be set to.
pub const MOST: usize = 64 << 10;

/// What a web server's packets begin with.
pub(crate) const FROM_SERVER: [u8; 2] = [0x12, 0x34];

/// What a container's packets begin with.
const FROM_CONTAINER: [u8; 2] = *b"AB";

/// A string that is not there.
const NOTHING: u16 = 0xFFFF;

/// What no packet of a container may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// It does not begin with the mark.
    #[error("a packet begins with {0:#04x} {1:#04x}")]
    Mark(u8, u8),
    /// It is empty, or longer than was agreed upon.
    #[error("a packet has a length of {0}")]
    Length(usize),
    /// What it holds is longer than it.
    #[error("a packet ends within what it holds")]
    Short,
    /// A string does not end in a NUL byte.
    #[error("a string has no end")]
    String,
}

/// Takes the content of the next packet, if it is here as a whole; `most` bytes are the size of packets, head included.
pub fn next(received: &mut BytesMut, most: usize) -> Result<Option<Bytes>, PacketError> {
    if let Some(&mark) = received.first_chunk::<2>()
        && mark != FROM_CONTAINER
    {
        return Err(PacketError::Mark(mark[0], mark[1]));
    }
    let Some(&[_, _, high, low]) = received.first_chunk::<HEAD>() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length == 0 || HEAD + length > most {
        return Err(PacketError::Length(length));
    }
    if received.len() < HEAD + length {
        return Ok(None);
    }
    received.advance(HEAD);
    Ok(Some(received.split_to(length).freeze()))
}

/// What is left of a packet to be read.
pub(crate) struct Reader(Bytes);

impl Reader {
    pub(crate) fn new(content: Bytes) -> Self {
        Self(content)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, PacketError> {
        self.0.try_get_u8().map_err(|_| PacketError::Short)
    }

    pub(crate) fn number(&mut self) -> Result<u16, PacketError> {
        self.0.try_get_u16().map_err(|_| PacketError::Short)
    }

    /// So many bytes.
    pub(crate) fn bytes(&mut self, length: u16) -> Result<Bytes, PacketError> {
        let length = usize::from(length);
        if length > self.0.len() { Err(PacketError::Short) } else { Ok(self.0.split_to(length)) }
    }

    /// A string; one that is not there is empty.
    pub(crate) fn string(&mut self) -> Result<Bytes, PacketError> {
        match self.number()? {
            NOTHING => Ok(Bytes::new()),
            length => self.string_of(length),
        }
    }

    /// A string whose length has been read.
    pub(crate) fn string_of(&mut self, length: u16) -> Result<Bytes, PacketError> {
        let text = self.bytes(length)?;
        if self.byte()? == 0 { Ok(text) } else { Err(PacketError::String) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], most: usize) -> Result<Option<Bytes>, PacketError> {
        next(&mut BytesMut::from(bytes), most)
    }

    #[test]
    fn a_packet_is_here_when_all_of_it_is() {
        let whole = b"AB\0\x03abc";
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end], LEAST), Ok(None), "{end}");
        }
        let mut received = BytesMut::from(&b"AB\0\x03abcAB\0\x01d"[..]);
        assert_eq!(next(&mut received, LEAST), Ok(Some("abc".into())));
        assert_eq!(next(&mut received, LEAST), Ok(Some("d".into())));
        assert_eq!(next(&mut received, LEAST), Ok(None));
    }

    #[test]
    fn a_packet_without_its_mark_or_of_a_wrong_length_is_refused_at_once() {
        assert_eq!(read(b"\x12\x34", LEAST), Err(PacketError::Mark(0x12, 0x34)));
        assert_eq!(read(b"HTTP/1.1 400", LEAST), Err(PacketError::Mark(b'H', b'T')));
        assert_eq!(read(b"AB\0\0", LEAST), Err(PacketError::Length(0)));
        assert_eq!(read(b"AB\x1f\xfc", LEAST), Ok(None), "8192 with its head");
        assert_eq!(read(b"AB\x1f\xfd", LEAST), Err(PacketError::Length(0x1ffd)));
    }

    #[test]
    fn strings_have_a_length_and_an_end() {
        let string = |bytes: &'static [u8]| Reader::new(Bytes::from_static(bytes)).string();
        assert_eq!(string(b"\0\x02ab\0"), Ok("ab".into()));
        assert_eq!(string(b"\xff\xff"), Ok("".into()));
        assert_eq!(string(b"\0\x02ab"), Err(PacketError::Short));
        assert_eq!(string(b"\0\x03ab\0"), Err(PacketError::Short));
        assert_eq!(string(b"\0\x01ab"), Err(PacketError::String));
        assert_eq!(string(b"\0"), Err(PacketError::Short));
    }
}
