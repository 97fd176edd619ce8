//! `match`: the conditions of a route.

use super::Check;
use super::component::Sort;
use crate::config::Condition;
use crate::document::{Entry, Node, Value};
use crate::place::Place;
use crate::variable::is_variable;

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
                let predicate = self.named(Sort::Predicate, &entry.key, Some(&entry.value), &COMBINING)?;
                for name in (predicate.kind.sets)(&predicate.settings) {
                    self.report_capture(&name, &entry.value.place);
                }
                Some(Condition::Is(predicate))
            }
        }
    }

    /// Reports a capture that is no name for a variable, or that an application would take for something the request says.
    pub(super) fn report_capture(&mut self, name: &str, place: &Place) {
        let message = if name.starts_with("HTTP_") || (self.kinds.standard_variable)(name) {
            format!("`{{{name}}}` would hide the request's own `{name}`")
        } else if !is_variable(name) {
            format!("`{{{name}}}` is not a variable's name")
        } else {
            return;
        };
        self.diagnostics.error(place, message).help("give the capture another name");
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
