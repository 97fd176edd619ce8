//! Where something is written: the file, the line, the column, and how far the mark under it reaches.

use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file's path and text, kept as long as any [`Place`] in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SourceText {
    path: PathBuf,
    text: String,
    /// The byte at which each line starts.
    lines: Vec<usize>,
}

impl SourceText {
    /// Joins a text with the path it was read from, as the user gave it.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        let text = text.into();
        let bytes = text.as_bytes();
        let ends_line = |at: usize| match bytes[at] {
            b'\n' => true,
            // `\r\n` is one end of a line.
            b'\r' => bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        };
        let after_ends = (0..bytes.len()).filter(|at| ends_line(*at)).map(|at| at + 1);
        let lines = std::iter::once(0).chain(after_ends).collect();
        Self { path: path.into(), text, lines }
    }

    /// The path as the user gave it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The number of the line that a byte stands in, from 0, and the byte it starts at.
    fn line_at(&self, offset: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= offset).saturating_sub(1);
        (line, self.lines.get(line).copied().unwrap_or(0))
    }
}

/// A stretch of a file's text.
#[derive(Clone, Default)]
pub struct Place {
    source: Arc<SourceText>,
    /// In bytes, from the start of the text.
    offset: usize,
    /// In bytes.
    length: usize,
    /// Where the text stands that an alias or a merge key brought here.
    written: Option<Arc<Place>>,
}

impl Place {
    /// The stretch of `length` bytes from `offset`; both are cut to the text and to its characters.
    pub fn new(source: &Arc<SourceText>, offset: usize, length: usize) -> Self {
        let start = boundary(&source.text, offset);
        let end = boundary(&source.text, offset.saturating_add(length));
        Self { source: Arc::clone(source), offset: start, length: end - start, written: None }
    }

    /// The character at a line and column, both from 1.
    pub(crate) fn at(source: &Arc<SourceText>, line: usize, column: usize) -> Self {
        let start = source.lines.get(line.saturating_sub(1)).copied().unwrap_or(source.text.len());
        let before: usize =
            source.text[start..].chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
        let length = source.text[start + before..].chars().next().map_or(0, char::len_utf8);
        Self::new(source, start + before, length)
    }

    /// This place, with the one an alias or merge key here refers to.
    #[must_use]
    pub(crate) fn written_at(mut self, written: Place) -> Self {
        self.written = Some(Arc::new(written));
        self
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.source.path
    }

    /// The line, from 1; 0 when the place is unknown.
    pub fn line(&self) -> usize {
        if self.is_unknown() { 0 } else { self.source.line_at(self.offset).0 + 1 }
    }

    /// The column in characters, from 1.
    pub fn column(&self) -> usize {
        let (_, start_of_line) = self.source.line_at(self.offset);
        self.source.text[start_of_line..self.offset].chars().count() + 1
    }

    /// Whether this is no place at all, as that of a default.
    pub fn is_unknown(&self) -> bool {
        self.source.lines.is_empty()
    }

    /// The folder that relative paths written here start from.
    pub fn folder(&self) -> &Path {
        self.file().parent().unwrap_or(Path::new(""))
    }

    /// Where an alias or a merge key here took its text from.
    pub fn written(&self) -> Option<&Place> {
        self.written.as_deref()
    }

    /// The text of the stretch, as it stands in the file.
    pub fn text(&self) -> &str {
        &self.source.text[self.offset..self.offset + self.length]
    }

    /// The whole line that the stretch begins in.
    pub(crate) fn line_text(&self) -> &str {
        let (_, start) = self.source.line_at(self.offset);
        let rest = &self.source.text[start..];
        rest.split(['\n', '\r']).next().unwrap_or(rest)
    }

    /// The line that the stretch begins in, cut there.
    pub(crate) fn around(&self) -> (&str, &str) {
        let (_, start) = self.source.line_at(self.offset);
        self.line_text().split_at_checked(self.offset - start).unwrap_or_default()
    }

    /// The tab in the indentation of this line or of one beside it: parsers tell of it where they expected another thing.
    pub(crate) fn tab_of_indentation(&self) -> Option<Self> {
        let (line, _) = self.source.line_at(self.offset);
        [line, line.saturating_sub(1), line + 1].into_iter().find_map(|line| {
            let start = *self.source.lines.get(line)?;
            let text = &self.source.text[start..];
            let tab = text.find(|c| c != ' ')?;
            text[tab..].starts_with('\t').then(|| Self::new(&self.source, start + tab, 1))
        })
    }

    /// The first part of the stretch that reads `needle`, or the whole of it when quoting or folding hides it.
    #[must_use]
    pub(crate) fn narrowed_to(&self, needle: &str) -> Self {
        if let Some(written) = &self.written {
            return self.clone().written_at(written.narrowed_to(needle));
        }
        match self.text().find(needle) {
            Some(at) => Self::new(&self.source, self.offset + at, needle.len()),
            None => self.clone(),
        }
    }

    /// What mistakes are sorted by.
    pub(crate) fn order(&self) -> (&Path, usize) {
        (self.file(), self.offset)
    }
}

/// The last boundary of characters that is not behind `offset`.
fn boundary(text: &str, offset: usize) -> usize {
    (0..=offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order() && self.length == other.length
    }
}

impl Eq for Place {}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file().display(), self.line(), self.column())
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A value and where it is written.
#[derive(Clone, Debug, Default)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it is written.
    pub place: Place,
}

impl<T> Spanned<T> {
    /// Joins a value with its place.
    pub fn new(value: T, place: Place) -> Self {
        Self { value, place }
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Arc<SourceText> {
        Arc::new(SourceText::new("a.yaml", text))
    }

    #[test]
    fn columns_count_characters_and_lines_end_as_they_like() {
        let source = source("a: 1\r\nü: é\rb: x\n");
        let place = Place::new(&source, source.text.find('é').unwrap(), 2);
        assert_eq!(place.to_string(), "a.yaml:2:4");
        assert_eq!(place.text(), "é");
        assert_eq!(place.line_text(), "ü: é");
        let place = Place::new(&source, source.text.find('x').unwrap(), 1);
        assert_eq!(place.to_string(), "a.yaml:3:4");
    }

    #[test]
    fn a_stretch_past_the_end_is_cut() {
        let place = Place::new(&source("ab"), 7, 9);
        assert_eq!((place.line(), place.column(), place.text()), (1, 3, ""));
    }

    #[test]
    fn a_part_is_found_in_the_stretch() {
        let place = Place::new(&source("x: \"a ${B} c\""), 3, 10).narrowed_to("${B}");
        assert_eq!((place.column(), place.text()), (7, "${B}"));
    }
}
