//! `match`: the conditions of a route.

use super::Check;
use super::component::Sort;
use crate::config::Condition;
use crate::document::{Entry, Node, Value};

const COMBINING: [&str; 2] = ["not", "any"];

impl Check<'_> {
    /// The conditions of a mapping, all of which must hold.
    pub(super) fn conditions(&mut self, node: &Node) -> Vec<Condition> {
        match &node.value {
            Value::Map(entries) if !entries.is_empty() => {
                entries.iter().filter_map(|entry| self.condition(entry)).collect()
            }
            _ => {
                let names = Sort::Predicate.kinds(self.kinds).iter().map(|kind| kind.name).chain(COMBINING);
                self.diagnostics
                    .error(&node.place, "conditions are expected here, such as `{ host: www.example.com }`")
                    .allowed("", names);
                Vec::new()
            }
        }
    }

    fn condition(&mut self, entry: &Entry) -> Option<Condition> {
        match entry.key.as_str() {
            "not" => Some(Condition::Not(self.conditions(&entry.value))),
            "any" => self.alternatives(&entry.value).map(Condition::Any),
            _ => {
                let component = self.named(Sort::Predicate, &entry.key, Some(&entry.value), &COMBINING);
                component.map(Condition::Is)
            }
        }
    }

    fn alternatives(&mut self, node: &Node) -> Option<Vec<Vec<Condition>>> {
        match &node.value {
            Value::List(items) if !items.is_empty() => {
                Some(items.iter().map(|item| self.conditions(item)).collect())
            }
            _ => {
                self.diagnostics
                    .error(&node.place, format!("`any` holds a list of conditions, this is {}", node.sort()))
                    .help("`any: [ { host: a.example.com }, { path: /a } ]`");
                None
            }
        }
    }
}
