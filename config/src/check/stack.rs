//! `layers` and `stacks`: lists of layers, with `{ use: STACK }` replaced by what the named stack holds.

use std::collections::{HashMap, HashSet};

use super::Check;
use super::component::Sort;
use crate::config::Component;
use crate::document::{Entry, Node, Value};
use crate::place::{Place, Spanned};

/// No stack that anybody wants is deeper; stacks that double each other grow without a bound.
const DEEPEST: usize = 1000;

/// The named stacks, each read when it is first used.
#[derive(Default)]
pub(super) struct Stacks<'a> {
    entries: &'a [Entry],
    read: HashMap<&'a str, Vec<Component>>,
    /// The stacks that are being read, each used by the one before it.
    open: Vec<&'a str>,
    used: HashSet<&'a str>,
    /// Whether that some list is too long was told: all that use it are too long as well.
    too_deep: bool,
}

impl<'a> Stacks<'a> {
    pub(super) fn unused(&self) -> impl Iterator<Item = &'a Spanned<String>> {
        self.entries.iter().map(|entry| &entry.key).filter(|name| !self.used.contains(name.as_str()))
    }
}

impl<'a> Check<'a> {
    /// `stacks`: name → list of layers. All are read, so that the mistakes of unused ones are told too.
    pub(super) fn stacks(&mut self, node: &'a Node) {
        self.expect_mapping(node, "`stacks` is a mapping of names to lists of layers");
        self.stacks.entries = node.entries();
        for entry in node.entries() {
            self.stack(entry);
        }
    }

    /// The layers of a list, outermost first.
    pub(super) fn layers(&mut self, node: &'a Node) -> Vec<Component> {
        let items = match &node.value {
            Value::Null => &[],
            Value::List(items) => items.as_slice(),
            Value::Scalar(_) | Value::Map(_) => std::slice::from_ref(node),
        };
        let mut layers = Vec::with_capacity(items.len());
        for item in items {
            let Some((name, settings)) = self.single(Sort::Layer, item, &item.place) else { continue };
            match settings {
                Some(stack) if name.value == "use" => layers.extend(self.used_stack(stack)),
                settings => layers.extend(self.named(Sort::Layer, &name, settings, &["use"])),
            }
            if layers.len() > DEEPEST {
                layers.truncate(DEEPEST);
                self.report_too_deep(&item.place);
                break;
            }
        }
        layers
    }

    fn report_too_deep(&mut self, place: &Place) {
        if !self.stacks.too_deep {
            self.stacks.too_deep = true;
            self.diagnostics.error(place, format!("more than {DEEPEST} layers, stacks included"));
        }
    }

    /// What `use: NAME` stands for.
    fn used_stack(&mut self, node: &'a Node) -> Vec<Component> {
        let Value::Scalar(name) = &node.value else {
            self.diagnostics.error(&node.place, format!("`use` names one stack, this is {}", node.sort()));
            self.blind = true;
            return Vec::new();
        };
        let Some(entry) = self.stacks.entries.iter().find(|entry| entry.key.value == *name) else {
            let names = self.stacks.entries.iter().map(|entry| entry.key.as_str());
            self.diagnostics.error(&node.place, format!("unknown stack `{name}`")).allowed(name, names);
            self.blind = true;
            return Vec::new();
        };
        self.stacks.used.insert(&entry.key);
        if let Some(start) = self.stacks.open.iter().position(|open| open == name) {
            let mut circle = self.stacks.open[start..].to_vec();
            circle.push(name);
            let message = format!("the stack `{name}` uses itself: {}", circle.join(" → "));
            self.diagnostics.error(&node.place, message);
            return Vec::new();
        }
        self.stack(entry)
    }

    fn stack(&mut self, entry: &'a Entry) -> Vec<Component> {
        if let Some(layers) = self.stacks.read.get(entry.key.as_str()) {
            return layers.clone();
        }
        self.stacks.open.push(&entry.key);
        let layers = self.layers(&entry.value);
        self.stacks.open.pop();
        self.stacks.read.insert(&entry.key, layers.clone());
        layers
    }
}
