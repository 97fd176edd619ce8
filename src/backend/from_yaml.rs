//! Settings of one kind from the YAML that a user would write, for the tests beside each backend.

use std::path::Path;
use std::sync::Arc;

use vestibule_config::{Diagnostics, Reader, Settings, SourceText, document};

use super::BackendKind;

/// Reads settings from a file in `folder`, or tells the mistakes.
pub(super) fn settings(kind: &BackendKind, yaml: &str, folder: &Path) -> Result<Settings, String> {
    let (settings, _, diagnostics) = read(kind, yaml, folder);
    if diagnostics.has_errors() { Err(diagnostics.to_string()) } else { Ok(settings) }
}

/// The variables that the settings declare as read.
pub(super) fn reads(kind: &BackendKind, yaml: &str) -> Vec<String> {
    read(kind, yaml, Path::new("")).1
}

fn read(kind: &BackendKind, yaml: &str, folder: &Path) -> (Settings, Vec<String>, Diagnostics) {
    let source = Arc::new(SourceText::new(folder.join("test.yaml"), yaml));
    let mut diagnostics = Diagnostics::new();
    let node = document::read(&source, &|_| None, &mut diagnostics).expect("the test writes YAML");
    let mut reader = Reader::new(&node, &node.place, &mut diagnostics);
    let settings = (kind.kind.read)(&mut reader);
    let reads = reader.finish().into_iter().map(|variable| variable.value).collect();
    (settings, reads, diagnostics)
}
