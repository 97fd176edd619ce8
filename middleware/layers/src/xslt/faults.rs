//! Failures of sheets as diagnostics: each mistake with its place marked, in the sheet or in the document.

use std::path::Path;
use std::sync::Arc;

use tower_xslt::{Fault, Trace, XsltError};
use vestibule_config::{Diagnostic, Diagnostics, Level, Place, SourceText};

use super::setting_of;

/// What tower-xslt calls the document that it was given.
const DOCUMENT: &str = "document";

/// Tells what became of a document.
pub(super) struct Told<'a> {
    /// What the document is called
    pub(super) name: &'a str,
    pub(super) document: &'a [u8],
}

impl Told<'_> {
    pub(super) fn diagnostics(&self, error: &XsltError, level: Level) -> Diagnostics {
        let mut all = Diagnostics::new();
        match error {
            XsltError::Compile(faults) | XsltError::Failed(faults) => {
                faults.iter().for_each(|fault| all.push(self.fault(fault, level)));
            }
            XsltError::NotWellFormed(fault) => all.push(self.fault(fault, level)),
            XsltError::Terminated { message, trace } => {
                let text = format!("the stylesheet ended itself: {message}{}", stack(trace));
                all.push(self.trace(new(level, &text), trace));
            }
            error => {
                let text = format!("failed to {}", crate::rescue::chain(error));
                all.push(advised(new(level, &text), error));
            }
        }
        all
    }

    fn fault(&self, fault: &Fault, level: Level) -> Diagnostic {
        let stack = fault.trace.as_ref().map(stack).unwrap_or_default();
        let diagnostic = new(level, &format!("{}{stack}", fault.message));
        let diagnostic = match &fault.place {
            Some(place) => diagnostic.at(&self.place(place)),
            None => diagnostic,
        };
        fault.trace.as_ref().map_or(diagnostic.clone(), |trace| self.trace(diagnostic, trace))
    }

    /// Marks the node of the document, too.
    fn trace(&self, diagnostic: Diagnostic, trace: &Trace) -> Diagnostic {
        let (Some(node), Some(line)) = (&trace.node, trace.line) else { return diagnostic };
        let place = tower_xslt::Place { file: DOCUMENT.to_owned(), line, column: None };
        diagnostic.note(format!("at this node of the document, {node}"), &self.place(&place))
    }

    fn place(&self, place: &tower_xslt::Place) -> Place {
        let (file, text) = if place.file == DOCUMENT {
            (self.name, self.document.to_vec())
        } else {
            // Without the file, its name has to do.
            (&*place.file, std::fs::read(&place.file).unwrap_or_default())
        };
        let text = String::from_utf8_lossy(&text);
        let line = usize::try_from(place.line).unwrap_or(usize::MAX).saturating_sub(1);
        let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        let written = text[before..].lines().next().unwrap_or_default();
        let (start, length) = marked(written, place.column);
        Place::new(&Arc::new(SourceText::new(Path::new(file), &*text)), before + start, length)
    }
}

fn new(level: Level, text: &str) -> Diagnostic {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    match level {
        Level::Warning => Diagnostic::warning(text.replace('\n', "; ")),
        Level::Error if lines.next().is_none() => Diagnostic::error(first),
        Level::Error => Diagnostic::error_in_lines(text),
    }
}

/// The templates, the innermost first, each on a line of its own.
fn stack(trace: &Trace) -> String {
    let call = |(index, call): (usize, &tower_xslt::Call)| {
        let how = if index == 0 { "in the template" } else { "called by" };
        format!("\n{how} {} ({})", call.template, call.place)
    };
    trace.templates.iter().enumerate().map(call).collect()
}

/// What is marked in a line: the start of a tag, or all of it.
fn marked(line: &str, column: Option<u32>) -> (usize, usize) {
    let column = column.and_then(|column| usize::try_from(column).ok()?.checked_sub(1));
    match column.and_then(|start| Some((start, line.get(start..)?))) {
        Some((start, rest)) => (
            start,
            rest.find(|c: char| c.is_whitespace() || matches!(c, '>' | '/')).unwrap_or(rest.len()).max(1),
        ),
        None => (line.len() - line.trim_start().len(), line.trim().len()),
    }
}

fn advised(diagnostic: Diagnostic, error: &XsltError) -> Diagnostic {
    match error {
        XsltError::Limit(limit) => match setting_of(*limit) {
            Some(setting) => diagnostic.help(format!("the setting `{setting}` says how much is allowed")),
            None => diagnostic,
        },
        XsltError::PolicyDenied { uri } if uri.starts_with("route:") => {
            diagnostic.help("only a running gateway has routes")
        }
        XsltError::PolicyDenied { .. } => {
            diagnostic.help("a sheet reads files in its own folder and in those that `folders` lists")
        }
        _ => diagnostic,
    }
}
