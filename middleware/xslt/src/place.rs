//! Columns: libxslt knows the line of a sheet's element, its source knows the rest.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;

use crate::access::percent_decoded;
use crate::error::Fault;

/// Finds the element of a fault in its source. Only failures come here, so the file is read again.
pub(crate) fn refine(fault: &mut Fault) {
    let Some(place) = &mut fault.place else { return };
    let path = OsString::from_vec(percent_decoded(place.file.as_bytes()));
    place.file = path.to_string_lossy().into_owned();
    if let (Some(element), None) = (&fault.element, place.column)
        && let Ok(source) = fs::read_to_string(&path)
        && let Some((line, column)) = start_of(&source, element, place.line)
    {
        (place.line, place.column) = (line, Some(column));
    }
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
    fn the_start_tag_is_found_though_the_line_is_that_of_its_end() {
        let source = "<a>\n  <x:if\n    test='b'\n  ><c/></x:if></a>";
        assert_eq!(start_of(source, "if", 4), Some((2, 3)));
        assert_eq!(start_of(source, "c", 4), Some((4, 4)));
        assert_eq!(start_of(source, "choose", 4), None);
    }
}
