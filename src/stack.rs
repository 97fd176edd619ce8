//! (5) The layers of a node, folded around what it contains.

use tower::Layer as _;
use vestibule_config::{Component, Diagnostics, Route, Seen, Target};
use vestibule_layers::{BoxLayer, BoxService, KINDS};

/// The layers of one node, built, and those of its children.
///
/// All layers are built before any backend: stylesheets are compiled, and libxslt is set up, before there are threads
/// and Python.
pub(crate) struct Stack {
    layers: Vec<BoxLayer>,
    /// One for each child, in file order.
    pub(crate) children: Vec<Stack>,
}

impl Stack {
    /// Builds the layers of a node and of the tree below it.
    pub(crate) fn build(layers: &[Component], children: &[Route], diagnostics: &mut Diagnostics) -> Self {
        let layers = layers.iter().filter_map(|component| layer(component, diagnostics)).collect();
        let child = |route: &Route| {
            let below = if let Target::Routes(routes) = &route.target { routes.as_slice() } else { &[] };
            Self::build(&route.layers, below, diagnostics)
        };
        Self { layers, children: children.iter().map(child).collect() }
    }

    /// The files that the layers of the tree were built from and that are to be watched, and what they were like.
    pub(crate) fn watched(&self) -> Vec<Seen> {
        let own = self.layers.iter().flat_map(|layer| layer.watched().to_vec());
        own.chain(self.children.iter().flat_map(Self::watched)).collect()
    }

    /// Has the layers of the tree log what they have counted.
    pub(crate) fn tell_totals(&self) {
        self.layers.iter().for_each(BoxLayer::tell_totals);
        self.children.iter().for_each(Self::tell_totals);
    }

    /// Wraps what the node contains; the first layer is the outermost.
    pub(crate) fn wrap(&self, inner: BoxService) -> BoxService {
        self.layers.iter().rev().fold(inner, |inner, layer| layer.layer(inner))
    }
}

fn layer(component: &Component, diagnostics: &mut Diagnostics) -> Option<BoxLayer> {
    let row = KINDS.iter().find(|row| std::ptr::eq(&raw const row.kind, component.kind));
    let build = row.expect("the configuration uses kinds of the list").build;
    build(&component.settings).map_err(|diagnostic| diagnostics.push(diagnostic)).ok()
}
