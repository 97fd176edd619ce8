//! Columns and snippets: libxslt knows the line of a sheet's element, its source knows the rest.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;

use crate::access::percent_decoded;
use crate::error::Fault;

/// Documents may be one line.
const LONGEST_LINE: usize = 200;
/// Lines of a snippet before and after the one that it is about.
const AROUND: u32 = 3;

/// Finds the element of a fault in its source. Only failures come here, so the file is read again.
pub(crate) fn refine(fault: &mut Fault) {
    let Some(place) = &mut fault.place else { return };
    place.file = path_of(&place.file);
    if let (Some(element), None) = (&fault.element, place.column)
        && let Ok(source) = fs::read_to_string(&place.file)
        && let Some((line, column)) = start_of(&source, element, place.line)
    {
        (place.line, place.column) = (line, Some(column));
    }
}

/// Some lines of a stylesheet or a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// The number of the first one
    pub first: u32,
    /// The lines, without their ends; of long ones only the beginning
    pub lines: Vec<String>,
}

impl Snippet {
    /// The lines around one.
    pub(crate) fn around(source: &[u8], number: u32) -> Option<Self> {
        let first = number.checked_sub(1)?.saturating_sub(AROUND);
        let wanted = usize::try_from(number - first + AROUND).ok()?;
        let source = source.strip_suffix(b"\n").unwrap_or(source);
        let lines = source.split(|byte| *byte == b'\n').skip(usize::try_from(first).ok()?).take(wanted);
        let text = |line: &[u8]| {
            String::from_utf8_lossy(&line[..line.len().min(LONGEST_LINE)]).trim_end().to_owned()
        };
        Some(Self { first: first + 1, lines: lines.map(text).collect() })
    }

    /// A line by its number in the file.
    pub fn line(&self, number: u32) -> Option<&str> {
        self.lines.get(usize::try_from(number.checked_sub(self.first)?).ok()?).map(String::as_str)
    }
}

/// Gives the fault the lines around it, from the sheet's file.
pub(crate) fn quote(fault: &mut Fault) {
    if let Some(place) = &fault.place
        && let Ok(source) = fs::read(&place.file)
    {
        fault.source = Snippet::around(&source, place.line);
    }
}

/// The path that a URI of libxml2's stands for.
pub(crate) fn path_of(uri: &str) -> String {
    OsString::from_vec(percent_decoded(uri.as_bytes())).to_string_lossy().into_owned()
}

/// Line and column of the element's start tag. libxml2's line is the one where the start tag ends, so the search goes
/// backwards from there.
fn start_of(source: &str, element: &str, line: u32) -> Option<(u32, u32)> {
    let last = usize::try_from(line).ok()?.checked_sub(1)?;
    let lines: Vec<_> = source.lines().take(last + 1).collect();
    lines.iter().enumerate().rev().find_map(|(index, text)| {
        let column = text.match_indices('<').rfind(|(at, _)| is_tag(&text[at + 1..], element))?.0;
        Some((u32::try_from(index + 1).ok()?, u32::try_from(column + 1).ok()?))
    })
}

/// True for `xsl:if test=…` and `if>` when asked for `if`.
fn is_tag(after: &str, element: &str) -> bool {
    let name = after.split(|c: char| c.is_whitespace() || c == '>' || c == '/').next().unwrap_or_default();
    name.rsplit_once(':').map_or(name, |(_, local)| local) == element
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_ends_with_its_file() {
        let snippet = Snippet::around(b"1\n2\n3\n4\n5\n6\r\n7", 6).unwrap();
        assert_eq!((snippet.first, snippet.lines.len(), snippet.line(6)), (3, 5, Some("6")));
        assert_eq!((snippet.line(2), snippet.line(8)), (None, None));
        assert_eq!(Snippet::around(b"", 0), None);
    }

    #[test]
    fn the_start_tag_is_found_though_the_line_is_that_of_its_end() {
        let source = "<a>\n  <x:if\n    test='b'\n  ><c/></x:if></a>";
        assert_eq!(start_of(source, "if", 4), Some((2, 3)));
        assert_eq!(start_of(source, "c", 4), Some((4, 4)));
        assert_eq!(start_of(source, "choose", 4), None);
    }
}
