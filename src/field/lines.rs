//! The lines of a head, or of a section of trailers (RFC 9112 sections 2 to 5).
//!
//! Nothing is taken that the RFC only lets a recipient be lenient about, but for lines that end with a newline alone, and those
//! are told apart: names without a colon at once behind them, folded lines, and controls within a line are malformed.

use http::HeaderName;

use super::names;

/// As many lines most heads have at most.
const USUAL_LINES: usize = 32;

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("its first line is none of HTTP/1.1 or HTTP/1.0")]
    First,
    #[error("a line of a field has no name, or a malformed one")]
    Name,
    #[error("the value of a field has a control character")]
    Value,
    #[error("a line ends without a carriage return")]
    BareNewline,
}

/// There are more lines than may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

/// Finds the lines of a head in what comes, in whatever pieces.
#[derive(Debug, Default)]
pub(crate) struct Finder {
    /// Where the newlines are.
    newlines: Vec<usize>,
    searched: usize,
}

impl Finder {
    /// How long the head is, if its empty line is there. It may have so many fields at `most`, behind a first line that is none.
    pub(crate) fn find(&mut self, received: &[u8], most: usize) -> Result<Option<usize>, TooMany> {
        if self.newlines.capacity() == 0 {
            self.newlines.reserve(USUAL_LINES);
        }
        let mut start = self.newlines.last().map_or(0, |last| last + 1);
        let mut searched = self.searched;
        while let Some(at) = memchr::memchr(b'\n', &received[searched..]) {
            let newline = searched + at;
            self.newlines.push(newline);
            searched = newline + 1;
            if newline == start || (newline == start + 1 && received[start] == b'\r') {
                return Ok(Some(searched));
            }
            if self.newlines.len() > most + 1 {
                return Err(TooMany);
            }
            start = searched;
        }
        self.searched = received.len();
        Ok(None)
    }

    /// The lines of the head that was found, without what ends them.
    pub(crate) fn lines<'a>(&'a self, head: &'a [u8]) -> Lines<'a> {
        Lines { head, start: 0, newlines: self.newlines.iter() }
    }

    /// Whether nothing was searched yet.
    pub(crate) fn is_new(&self) -> bool {
        self.searched == 0
    }

    /// The next head begins where the last one ended.
    pub(crate) fn begin(&mut self) {
        self.newlines.clear();
        self.searched = 0;
    }
}

/// Lines, up to the empty one.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    head: &'a [u8],
    start: usize,
    newlines: std::slice::Iter<'a, usize>,
}

impl<'a> Lines<'a> {
    /// The next line, which ends with a carriage return and a newline, or a newline alone.
    pub(crate) fn next(&mut self) -> Option<&'a [u8]> {
        let line = self.piece()?;
        Some(line.strip_suffix(b"\r").unwrap_or(line)).filter(|line| !line.is_empty())
    }

    /// The next line, which must not end with a newline alone.
    pub(crate) fn next_strict(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        let Some(line) = self.piece() else { return Ok(None) };
        let line = line.strip_suffix(b"\r").ok_or(Malformed::BareNewline)?;
        Ok(Some(line).filter(|line| !line.is_empty()))
    }

    fn piece(&mut self) -> Option<&'a [u8]> {
        let newline = *self.newlines.next()?;
        let piece = self.head.get(self.start..newline)?;
        self.start = newline + 1;
        Some(piece)
    }
}

/// The name of a field and its value, which is not checked yet, without the blanks around it.
pub(crate) fn field(line: &[u8]) -> Result<(HeaderName, &[u8]), Malformed> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(Malformed::Name)?;
    let name = names::find(&line[..colon]).ok_or(Malformed::Name)?;
    Ok((name, trim(&line[colon + 1..])))
}

/// Without the blanks around it: RFC 9110 section 5.6.3 has two of them, ASCII more.
fn trim(value: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    // Nearly always there is one before it, and that is all.
    let value = value.strip_prefix(b" ").unwrap_or(value);
    if !value.first().is_some_and(is_blank) && !value.last().is_some_and(is_blank) {
        return value;
    }
    let start = value.iter().position(|byte| !is_blank(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !is_blank(byte)).map_or(start, |last| last + 1);
    &value[start..end]
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use httparse::{EMPTY_HEADER, Status};

    use super::*;

    fn end(received: &[u8]) -> Option<usize> {
        Finder::default().find(received, 100).unwrap()
    }

    /// As this module reads fields.
    fn fields(section: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
        let mut finder = Finder::default();
        finder.find(section, 100).unwrap()?;
        let (mut lines, mut fields) = (finder.lines(section), Vec::new());
        while let Some(line) = lines.next_strict().ok()? {
            let (name, value) = field(line).ok()?;
            HeaderValue::from_bytes(value).ok()?;
            fields.push((name.as_str().to_owned(), value.to_owned()));
        }
        Some(fields)
    }

    /// As another parser does, which knows nothing of bare newlines.
    fn fields_by_httparse(section: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
        let mut room = [EMPTY_HEADER; 100];
        let Ok(Status::Complete((_, fields))) = httparse::parse_headers(section, &mut room) else {
            return None;
        };
        Some(fields.iter().map(|field| (field.name.to_lowercase(), field.value.to_owned())).collect())
    }

    #[test]
    fn fields_are_read_as_another_parser_reads_them() {
        let good = b"Host: a\r\nx-long_name: \t b  c \t\r\nEmpty:\r\nSet-Cookie: a=\xe4; b\r\n";
        let mut count = 0;
        // Every byte in every place: instead of what is there, and before it.
        for at in 0..=good.len() {
            for byte in 0..=u8::MAX {
                let rest = [at, (at + 1).min(good.len())];
                for rest in rest {
                    let section = [&good[..at], &[byte], &good[rest..], b"\r\n"].concat();
                    // What holds another empty line, or a line that ends with a newline alone, is not compared here.
                    let bare = |at: usize| section[at] == b'\n' && !section[..at].ends_with(b"\r");
                    if end(&section) != Some(section.len()) || (0..section.len()).any(bare) {
                        continue;
                    }
                    assert_eq!(fields(&section), fields_by_httparse(&section), "{}", section.escape_ascii());
                    count += 1;
                }
            }
        }
        assert!(count > 25_000, "{count} were compared");
    }

    #[test]
    fn lines_end_with_the_empty_one() {
        let mut finder = Finder::default();
        assert_eq!(finder.find(b"a\r\nb\n\r\nc\r\n", 9), Ok(Some(7)));
        let mut lines = finder.lines(b"a\r\nb\n\r\n");
        assert_eq!([lines.next(), lines.next(), lines.next()], [Some(&b"a"[..]), Some(b"b"), None]);
        finder.begin();
        assert_eq!(finder.find(b"a\r\nb\n\n", 9), Ok(Some(6)));
        let mut lines = finder.lines(b"a\r\nb\n\n");
        assert_eq!(lines.next_strict(), Ok(Some(&b"a"[..])));
        assert_eq!(lines.next_strict(), Err(Malformed::BareNewline));
    }

    #[test]
    fn the_end_is_found_in_whatever_pieces_it_comes() {
        for head in ["a\r\n\r\n", "a\n\n", "a\n\r\n", "a\r\nb\r\n\r\n", "\r\n"] {
            let more = [head, "c\r\n\r\n"].concat();
            for at in 0..head.len() {
                let mut finder = Finder::default();
                assert_eq!(finder.find(&head.as_bytes()[..at], 9), Ok(None), "{head:?}");
                assert_eq!(finder.find(more.as_bytes(), 9), Ok(Some(head.len())), "{head:?} from {at}");
            }
        }
    }

    #[test]
    fn there_are_only_so_many_fields() {
        assert_eq!(Finder::default().find(b"a\nb:\nc:\n\n", 2), Ok(Some(9)));
        assert_eq!(Finder::default().find(b"a\nb:\nc:\n", 2), Ok(None));
        assert_eq!(Finder::default().find(b"a\nb:\nc:\nd:\n", 2), Err(TooMany));
    }
}
