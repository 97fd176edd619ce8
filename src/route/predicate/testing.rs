//! Predicates from the YAML that a user would write, against one request.

use std::sync::Arc;

use http_environ::{Environ, View};
use vestibule_config::{Diagnostics, Reader, SourceText, document};

use super::{Captures, KINDS, Shared};

/// Reads one value of YAML; the diagnostics where there are mistakes.
pub(crate) fn read<T>(yaml: &str, read: impl FnOnce(&mut Reader<'_>) -> T) -> Result<T, String> {
    let mut diagnostics = Diagnostics::new();
    let text = Arc::new(SourceText::new("test.yaml", yaml));
    let node = document::read(&text, &|_| None, &mut diagnostics).expect("YAML");
    let mut reader = Reader::new(&node, &node.place, &mut diagnostics);
    let value = read(&mut reader);
    reader.finish();
    if diagnostics.has_errors() { Err(diagnostics.render(false)) } else { Ok(value) }
}

fn predicate(yaml: &str) -> Result<Shared, String> {
    let (name, value) = yaml.split_once(": ").expect("`kind: value`");
    let kind = KINDS.iter().find(|kind| kind.name == name).expect("a kind of the list");
    read(value, kind.read).map(|settings| Shared::clone(settings.get()))
}

/// The diagnostics of a predicate that cannot be read.
pub(crate) fn read_error(yaml: &str) -> String {
    predicate(yaml).err().expect("a mistake")
}

/// Whether a predicate holds for a GET request.
pub(crate) fn holds(yaml: &str, target: &str, headers: &[(&'static str, &str)]) -> bool {
    holds_for(yaml, target, headers, None)
}

/// Whether a predicate holds for a client.
pub(crate) fn holds_from(yaml: &str, client: Option<&str>) -> bool {
    holds_for(yaml, "/", &[], client)
}

fn holds_for(yaml: &str, target: &str, headers: &[(&'static str, &str)], client: Option<&str>) -> bool {
    let mut request = http::Request::get(target).body(()).expect("a request");
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().expect("a header's value"));
    }
    let mut environ = Environ::for_target(request.uri()).expect("a path");
    environ.remote_addr = client.map(|address| address.parse().expect("an address"));
    request.extensions_mut().insert(environ);
    predicate(yaml).expect("no mistakes").holds(&View::of(&request), &mut Captures::new())
}
