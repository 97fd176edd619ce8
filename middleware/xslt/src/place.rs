//! Columns and snippets: libxslt knows the line of a sheet's element, its source knows the rest.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;

use crate::access::percent_decoded;
use crate::error::Fault;
use crate::trace::Rank;

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
        && let Some((line, column)) = start_of(&source, element, place.line, fault.rank)
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

/// Line and column of the element's start tag, of which libxml2's line is the one where it ends. `None` where several
/// of that name end there, and nothing tells which it is.
fn start_of(source: &str, element: &str, line: u32, rank: Option<Rank>) -> Option<(u32, u32)> {
    let last = usize::try_from(line).ok()?.checked_sub(1)?;
    let mut lines = source.split_inclusive('\n');
    let before: usize = lines.by_ref().take(last).map(str::len).sum();
    let until = before + lines.next()?.len();
    let tags = source[..until].match_indices('<').map(|(at, _)| at).filter(|at| {
        is_tag(&source[at + 1..], element)
            && length(&source[*at..until]).is_some_and(|length| at + length >= before)
    });
    let tags: Vec<usize> = tags.collect();
    let start = match (&*tags, rank) {
        ([one], _) => *one,
        // A comment may hold what looks like one.
        (all, Some(Rank { index, count })) if all.len() == count => *all.get(index)?,
        _ => return None,
    };
    let above = &source[..source[..start].rfind('\n').map_or(0, |end| end + 1)];
    let number = above.matches('\n').count() + 1;
    Some((u32::try_from(number).ok()?, u32::try_from(start - above.len() + 1).ok()?))
}

/// How long a tag is, without its `>`; `None` where it does not end.
fn length(tag: &str) -> Option<usize> {
    let mut quote = None;
    tag.bytes().position(|byte| {
        match quote {
            Some(open) if byte == open => quote = None,
            None if matches!(byte, b'"' | b'\'') => quote = Some(byte),
            _ => {}
        }
        byte == b'>' && quote.is_none()
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
        assert_eq!(start_of(source, "if", 4, None), Some((2, 3)));
        assert_eq!(start_of(source, "c", 4, None), Some((4, 4)));
        assert_eq!(start_of(source, "choose", 4, None), None);
        assert_eq!(start_of(source, "if", 9, None), None);
    }

    #[test]
    fn of_several_start_tags_in_a_line_the_right_one_is_found_or_none() {
        let source = "<a>\n<b c='>'/><!-- <d> --><d/><b/><b\n/></a>";
        let rank = |index, count| Some(Rank { index, count });
        assert_eq!(start_of(source, "b", 2, rank(0, 2)), Some((2, 1)));
        assert_eq!(start_of(source, "b", 2, rank(1, 2)), Some((2, 27)));
        assert_eq!(start_of(source, "b", 3, None), Some((2, 31)));
        assert_eq!(start_of(source, "b", 2, None), None);
        assert_eq!(start_of(source, "d", 2, rank(0, 1)), None);
    }
}
