//! (5) The layers of a node, folded around what it contains.

use tower::Layer as _;
use vestibule_config::{Component, Diagnostics};
use vestibule_layers::{BoxService, KINDS};

/// Wraps a service in layers, of which the first is the outermost.
pub(crate) fn wrap(layers: &[Component], inner: BoxService, diagnostics: &mut Diagnostics) -> BoxService {
    layers.iter().rev().fold(inner, |inner, component| {
        let row = KINDS.iter().find(|row| std::ptr::eq(&raw const row.kind, component.kind));
        match (row.expect("the configuration uses kinds of the list").build)(&component.settings) {
            Ok(layer) => layer.layer(inner),
            Err(diagnostic) => {
                diagnostics.push(diagnostic);
                inner
            }
        }
    })
}
