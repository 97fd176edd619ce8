//! Takes the chunks away from a body that comes in them (RFC 9112 section 7.1), within limits: of a client's request, and of a
//! server's answer.

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;

use crate::field::lines::{self, Finder};

/// So many bytes the extensions of all chunks of a body may have together: nobody needs any.
const MOST_EXTENSIONS: usize = 16 << 10;

/// So many digits a size may have, leading zeros too.
const MOST_DIGITS: u8 = 16;

/// How many trailers there may be.
const MOST_TRAILERS: usize = 100;

/// Why what comes are no chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("what should be a chunk is none")]
    Chunk,
    #[error("the extensions of its chunks are over {0} bytes")]
    Extensions(usize),
    #[error("its trailers are malformed")]
    Trailers,
    #[error("its trailers are over {0} bytes")]
    TooLarge(usize),
}

/// What comes of a body in chunks, whatever pieces it is read in.
#[derive(Debug)]
pub(crate) struct Chunks {
    state: State,
    /// How many bytes of extensions may still come.
    extensions: usize,
    /// The section of trailers, as far as it has come.
    trailers: Vec<u8>,
    most_trailers: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The size, so far, and its digits.
    Size(u64, u8),
    /// Spaces that follow it: an extension may come behind them, and no digit.
    Space(u64),
    /// What follows the size in its line.
    Extension(u64),
    /// The end of that line.
    SizeEnd(u64),
    /// So much of a chunk is still to come.
    Data(u64),
    /// The end of the line that a chunk is.
    DataReturn,
    DataEnd,
    Trailers,
    Over,
}

impl Chunks {
    /// The start of a body. `most_trailers` is how many bytes its trailers may have.
    pub(crate) fn new(most_trailers: usize) -> Self {
        let state = State::Size(0, 0);
        Self { state, extensions: MOST_EXTENSIONS, trailers: Vec::new(), most_trailers }
    }

    /// Whether the body has come to its end.
    pub(crate) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Takes the next piece from what was received; `None` where all of that was taken, or the body is over.
    pub(crate) fn next(&mut self, received: &mut Bytes) -> Result<Option<Frame<Bytes>>, Malformed> {
        while !self.is_over() && !received.is_empty() {
            if let State::Data(left) = self.state {
                let length = usize::try_from(left).unwrap_or(usize::MAX).min(received.len());
                let left = left - length as u64;
                self.state = if left == 0 { State::DataReturn } else { State::Data(left) };
                return Ok(Some(Frame::data(received.split_to(length))));
            }
            let byte = received.get_u8();
            if self.state == State::Trailers {
                if let Some(trailers) = self.trailer(byte)? {
                    self.state = State::Over;
                    return Ok((!trailers.is_empty()).then(|| Frame::trailers(trailers)));
                }
            } else {
                self.state = self.after(byte)?;
            }
        }
        Ok(None)
    }

    /// The state after one more byte of what is around the chunks.
    fn after(&mut self, byte: u8) -> Result<State, Malformed> {
        Ok(match (self.state, byte) {
            (State::Size(_, MOST_DIGITS), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                return Err(Malformed::Chunk);
            }
            (State::Size(size, digits), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                State::Size(size << 4 | u64::from(digit), digits + 1)
            }
            (State::Size(size, 1..) | State::Space(size) | State::Extension(size), b'\r') => {
                State::SizeEnd(size)
            }
            (State::Size(size, 1..) | State::Space(size), b';') => State::Extension(size),
            (State::Size(size, 1..) | State::Space(size), b' ' | b'\t') => {
                self.count_extension()?;
                State::Space(size)
            }
            (State::Extension(size), b'\t' | b' '..=b'~' | 0x80..) => {
                self.count_extension()?;
                State::Extension(size)
            }
            (State::SizeEnd(0), b'\n') => State::Trailers,
            (State::SizeEnd(size), b'\n') => State::Data(size),
            (State::DataReturn, b'\r') => State::DataEnd,
            (State::DataEnd, b'\n') => State::Size(0, 0),
            _ => return Err(Malformed::Chunk),
        })
    }

    /// One more byte that nobody needs.
    fn count_extension(&mut self) -> Result<(), Malformed> {
        self.extensions = self.extensions.checked_sub(1).ok_or(Malformed::Extensions(MOST_EXTENSIONS))?;
        Ok(())
    }

    /// Adds a byte to the section of trailers; the trailers at its end.
    fn trailer(&mut self, byte: u8) -> Result<Option<HeaderMap>, Malformed> {
        // RFC 9112 section 2.2: neither stands alone. The parser would let a line end with a newline, and would refuse a
        // carriage return when all of the section has come.
        if (byte == b'\n') != (self.trailers.last() == Some(&b'\r')) {
            return Err(Malformed::Trailers);
        }
        self.trailers.push(byte);
        if self.trailers.len() > self.most_trailers {
            return Err(Malformed::TooLarge(self.most_trailers));
        }
        let is_end = byte == b'\n' && (self.trailers == b"\r\n" || self.trailers.ends_with(b"\r\n\r\n"));
        is_end.then(|| trailers(&self.trailers)).transpose()
    }
}

/// Reads trailers, without those that must not come so late (RFC 9110 section 6.5.1): they might change what was understood
/// already.
fn trailers(section: &[u8]) -> Result<HeaderMap, Malformed> {
    let mut finder = Finder::default();
    // The first line is one of a field, which it is not in a head.
    finder.find(section, MOST_TRAILERS - 1).map_err(|_| Malformed::Trailers)?;
    let (mut trailers, mut lines) = (HeaderMap::new(), finder.lines(section));
    while let Some(line) = lines.next() {
        let (name, value) = lines::field(line).map_err(|_| Malformed::Trailers)?;
        let value = HeaderValue::from_bytes(value).map_err(|_| Malformed::Trailers)?;
        if may_trail(&name) {
            trailers.append(name, value);
        }
    }
    Ok(trailers)
}

/// Whether a field may come behind its body (RFC 9110 section 6.5.1): those that say how a message is to be understood come too
/// late.
pub(crate) fn may_trail(name: &HeaderName) -> bool {
    !matches!(
        name.as_str(),
        "authorization"
            | "cache-control"
            | "connection"
            | "content-encoding"
            | "content-length"
            | "content-range"
            | "content-type"
            | "host"
            | "keep-alive"
            | "location"
            | "set-cookie"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body of what comes in pieces of `size` bytes, its trailers, and how much was left behind it.
    fn decoded(text: &[u8], size: usize) -> Result<(Vec<u8>, HeaderMap, usize), Malformed> {
        let mut chunks = Chunks::new(1000);
        let (mut body, mut trailers, mut taken) = (Vec::new(), HeaderMap::new(), 0);
        for piece in text.chunks(size) {
            let mut received = Bytes::copy_from_slice(piece);
            while let Some(frame) = chunks.next(&mut received)? {
                match frame.into_data() {
                    Ok(data) => body.extend_from_slice(&data),
                    Err(frame) => trailers = frame.into_trailers().unwrap(),
                }
            }
            taken += piece.len() - received.len();
        }
        assert!(chunks.is_over(), "{}", text.escape_ascii());
        Ok((body, trailers, text.len() - taken))
    }

    #[test]
    fn chunks_are_read_in_whatever_pieces_they_come() {
        let text =
            b"5 \t\r\nhello\r\n0c ;name=\"v\"\r\n, all of you\r\n00\r\nX-Sum: 16\r\nHost: evil\r\n\r\nrest";
        for size in 1..=text.len() {
            let (body, trailers, left) = decoded(text, size).unwrap();
            assert_eq!(body, b"hello, all of you", "{size}");
            assert_eq!((trailers.len(), left), (1, 4), "{size}");
            assert_eq!(trailers["x-sum"], "16");
        }
    }

    #[test]
    fn what_is_no_chunk_is_nonsense() {
        for text in [
            "\r\n",
            "g\r\n",
            "-1\r\n",
            "+1\r\n",
            "0x1\r\n",
            ";x\r\n",
            "1\n",
            "1\rx",
            "1\r\nab",
            "1\r\na\n",
            "00000000000000001\r\n",
            "1;\n",
            "1;\0\r\n",
            "0\r\nno colon\r\n\r\n",
            "0\r\n\n",
            "0\r\na: b\n\r\n",
            "0\r\na: b\rc",
            "0\r\na: b\r\r",
            "0\r\n\ra",
            " 1\r\n",
            "1 2\r\nx\r\n",
            "1 x\r\nx\r\n",
        ] {
            let mut received = Bytes::copy_from_slice(text.as_bytes());
            let mut chunks = Chunks::new(1000);
            let told = std::iter::from_fn(|| chunks.next(&mut received).transpose()).find_map(Result::err);
            assert!(told.is_some() && !chunks.is_over(), "{text:?}");
        }
    }

    #[test]
    fn extensions_and_trailers_are_limited() {
        let extension = format!("1;{}\r\nx\r\n", "y".repeat(MOST_EXTENSIONS + 1));
        assert_eq!(decoded(extension.as_bytes(), 100), Err(Malformed::Extensions(MOST_EXTENSIONS)));
        let spaces = format!("1{}\r\nx\r\n", " ".repeat(MOST_EXTENSIONS + 1));
        assert_eq!(decoded(spaces.as_bytes(), 100), Err(Malformed::Extensions(MOST_EXTENSIONS)));
        let each = "1;yyyyyyyy\r\nx\r\n".repeat(MOST_EXTENSIONS / 8 + 1);
        assert_eq!(decoded(each.as_bytes(), 100), Err(Malformed::Extensions(MOST_EXTENSIONS)));
        let trailers = |count| format!("0\r\n{}\r\n", "a: b\r\n".repeat(count));
        assert_eq!(decoded(trailers(200).as_bytes(), 100), Err(Malformed::TooLarge(1000)));
        assert_eq!(decoded(trailers(MOST_TRAILERS).as_bytes(), 100).unwrap().1.len(), MOST_TRAILERS);
        assert_eq!(decoded(trailers(MOST_TRAILERS + 1).as_bytes(), 100), Err(Malformed::Trailers));
    }
}
