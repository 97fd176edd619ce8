//! The text of diagnostics, as rustc shapes it: message, place, the line with a mark, advice.

use std::fmt::Write;

use unicode_width::UnicodeWidthChar;

use super::{Diagnostic, Diagnostics, Level};
use crate::place::Place;

/// What a part of the text is painted with when colour is asked for.
#[derive(Clone, Copy)]
enum Paint {
    Error,
    Warning,
    Frame,
    Bold,
}

impl Paint {
    fn of(level: Level) -> Self {
        match level {
            Level::Error => Self::Error,
            Level::Warning => Self::Warning,
        }
    }

    /// The ANSI sequence.
    fn sequence(self) -> &'static str {
        match self {
            Self::Error => "\x1b[1;31m",
            Self::Warning => "\x1b[1;33m",
            Self::Frame => "\x1b[1;34m",
            Self::Bold => "\x1b[1m",
        }
    }
}

struct Page {
    text: String,
    color: bool,
}

/// All diagnostics and the line that counts them.
pub(super) fn all(diagnostics: &Diagnostics, color: bool) -> String {
    let mut page = Page { text: String::new(), color };
    let sorted = diagnostics.sorted();
    for diagnostic in &sorted {
        page.diagnostic(diagnostic);
        page.text.push('\n');
    }
    if !sorted.is_empty() {
        page.text.push_str(&count(&sorted));
        page.text.push('\n');
    }
    page.text
}

/// `2 errors, 1 warning in vestibule.yaml`.
fn count(diagnostics: &[&Diagnostic]) -> String {
    let of = |level, name: &str| {
        let number = diagnostics.iter().filter(|diagnostic| diagnostic.level == level).count();
        match number {
            0 => None,
            1 => Some(format!("1 {name}")),
            _ => Some(format!("{number} {name}s")),
        }
    };
    let counts: Vec<String> =
        [of(Level::Error, "error"), of(Level::Warning, "warning")].into_iter().flatten().collect();
    let mut files: Vec<String> =
        diagnostics.iter().filter_map(|it| Some(it.place.as_ref()?.file().display().to_string())).collect();
    files.sort_unstable();
    files.dedup();
    let counts = counts.join(", ");
    if files.is_empty() { counts } else { format!("{counts} in {}", files.join(", ")) }
}

impl Page {
    fn diagnostic(&mut self, diagnostic: &Diagnostic) {
        let paint = Paint::of(diagnostic.level);
        let level = match diagnostic.level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        self.paint(paint, level);
        self.paint(Paint::Bold, &format!(": {}", visible(&diagnostic.message)));
        self.text.push('\n');
        for line in &diagnostic.details {
            let _ = writeln!(self.text, "  {}", visible(line));
        }
        let gutter = gutter(diagnostic);
        if let Some(place) = &diagnostic.place {
            self.place(place, gutter, paint);
        }
        for help in &diagnostic.helps {
            self.frame(gutter, "=");
            let _ = writeln!(self.text, " {}", visible(help));
        }
        let written = diagnostic.place.as_ref().and_then(Place::written);
        if let Some(written) = written {
            self.note("written here", written, gutter);
        }
        for (message, place) in &diagnostic.notes {
            self.note(message, place, gutter);
        }
    }

    fn note(&mut self, message: &str, place: &Place, gutter: usize) {
        self.paint(Paint::Frame, "note");
        let _ = writeln!(self.text, ": {}", visible(message));
        self.place(place, gutter, Paint::Frame);
    }

    fn place(&mut self, place: &Place, gutter: usize, paint: Paint) {
        let _ = write!(self.text, "{:gutter$}", "");
        self.paint(Paint::Frame, "-->");
        let _ = writeln!(self.text, " {place}");
        self.frame(gutter, "|");
        self.text.push('\n');
        self.paint(Paint::Frame, &format!("{:>gutter$} |", place.line()));
        let line = place.line_text();
        let _ = writeln!(self.text, "{}{}", if line.is_empty() { "" } else { " " }, visible(line));
        self.frame(gutter, "|");
        let before: String = line.chars().take(place.column() - 1).map(blank).collect();
        let _ = write!(self.text, " {before}");
        self.paint(paint, &"^".repeat(mark_width(place)));
        self.text.push('\n');
    }

    fn frame(&mut self, gutter: usize, sign: &str) {
        self.paint(Paint::Frame, &format!("{:gutter$} {sign}", ""));
    }

    fn paint(&mut self, paint: Paint, text: &str) {
        if self.color {
            let _ = write!(self.text, "{}{text}\x1b[0m", paint.sequence());
        } else {
            self.text.push_str(text);
        }
    }
}

/// The columns that the line numbers of all its places need.
fn gutter(diagnostic: &Diagnostic) -> usize {
    let places = diagnostic.place.iter().chain(diagnostic.notes.iter().map(|(_, place)| place));
    let lines = places.flat_map(|place| [place.line(), place.written().map_or(0, Place::line)]);
    lines.max().unwrap_or(0).to_string().len()
}

/// As wide as the part of the stretch that stands on its first line; one column at least.
fn mark_width(place: &Place) -> usize {
    let first_line = place.text().split(['\n', '\r']).next().unwrap_or_default().trim_end();
    first_line.chars().map(width).sum::<usize>().max(1)
}

fn width(character: char) -> usize {
    // A tab in a mark counts as one: where it ends is the terminal's choice.
    character.width().unwrap_or(1)
}

/// What takes the place of a character in the line of the mark, so that both lines stay aligned.
fn blank(character: char) -> String {
    if character == '\t' { "\t".to_owned() } else { " ".repeat(width(character)) }
}

/// Without the control characters that could move a terminal's cursor; each becomes one visible character.
fn visible(text: &str) -> String {
    text.chars()
        .map(|it| if it.is_control() && it != '\t' { char::REPLACEMENT_CHARACTER } else { it })
        .collect()
}
