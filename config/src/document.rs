//! A file as written: one recursive tree of values, each with its place.

use std::collections::HashMap;
use std::sync::Arc;

use crate::diagnostic::Diagnostics;
use crate::place::{Place, SourceText, Spanned};
use crate::substitute::{Lookup, substitute};
use crate::yaml::{self, Raw, RawValue};

/// A value and its place.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// What is written.
    pub value: Value,
    /// Where it is written; of a mapping or list in block style, its first key or item.
    pub place: Place,
}

/// What is written at a place.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// Nothing, `~` or `null`.
    #[default]
    Null,
    /// A text, a number, a boolean: whoever reads it knows which.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in file order and without repeated keys.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: Spanned<String>,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// What a person calls this sort of value.
    pub fn sort(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "a single value",
            Value::List(ref items) if items.is_empty() => "an empty list",
            Value::List(_) => "a list",
            Value::Map(ref entries) if entries.is_empty() => "an empty mapping",
            Value::Map(_) => "a mapping",
        }
    }

    /// Whether nothing is written here.
    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// The entries of a mapping; none of anything else.
    pub fn entries(&self) -> &[Entry] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    /// The value of a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| *entry.key == key).map(|entry| &entry.value)
    }
}

/// Reads the tree of a file, with `${…}` replaced. `None` when it is not YAML; other mistakes leave a tree.
pub fn read(source: &Arc<SourceText>, lookup: Lookup<'_>, diagnostics: &mut Diagnostics) -> Option<Node> {
    match yaml::parse(source) {
        Ok(raw) => Some(Builder { source, lookup, diagnostics }.node(raw)),
        Err(not_yaml) => {
            diagnostics.append(not_yaml);
            None
        }
    }
}

/// Reads the value of one key of the file, and no other.
pub(crate) fn read_key(
    source: &Arc<SourceText>,
    key: &str,
    lookup: Lookup<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Node> {
    let raw = match yaml::parse(source) {
        Ok(raw) => raw,
        Err(not_yaml) => {
            diagnostics.append(not_yaml);
            return None;
        }
    };
    let RawValue::Map(entries) = raw.value else { return None };
    let (_, value) =
        entries.into_iter().find(|(name, _)| matches!(&name.value, RawValue::Text(name) if name == key))?;
    Some(Builder { source, lookup, diagnostics }.node(value))
}

/// Turns the parser's tree into ours.
struct Builder<'a> {
    source: &'a Arc<SourceText>,
    lookup: Lookup<'a>,
    diagnostics: &'a mut Diagnostics,
}

impl Builder<'_> {
    fn node(&mut self, raw: Raw) -> Node {
        let mut place = self.place(&raw);
        let value = match raw.value {
            RawValue::Null => Value::Null,
            RawValue::Text(text) => self.scalar(&text, &place),
            RawValue::Typed => self.scalar(typed(&place), &place),
            RawValue::List(items) => {
                let items: Vec<Node> = items.into_iter().map(|item| self.node(item)).collect();
                place = of_collection(place, items.first().map(|item| &item.place));
                Value::List(items)
            }
            RawValue::Map(entries) => {
                let entries = self.entries(entries);
                place = of_collection(place, entries.first().map(|entry| &entry.key.place));
                Value::Map(entries)
            }
        };
        Node { value, place }
    }

    fn place(&self, raw: &Raw) -> Place {
        let used = yaml::place(self.source, raw.referenced);
        if raw.referenced == raw.defined {
            return used;
        }
        used.written_at(yaml::place(self.source, raw.defined))
    }

    fn scalar(&mut self, text: &str, place: &Place) -> Value {
        if !text.contains("${") {
            return Value::Scalar(text.to_owned());
        }
        let replaced = substitute(text, place, self.lookup, self.diagnostics);
        // A plain scalar is typed again: what is left empty is no value at all.
        let plain = place.written().unwrap_or(place).text() == text;
        if plain && matches!(replaced.as_str(), "" | "~" | "null") {
            return Value::Null;
        }
        Value::Scalar(replaced)
    }

    /// The entries of a mapping: keys must be scalars, and none may come twice.
    fn entries(&mut self, raw: Vec<(Raw, Raw)>) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(raw.len());
        let mut first: HashMap<String, Place> = HashMap::with_capacity(raw.len());
        for (key, value) in raw {
            let key = self.node(key);
            let value = self.node(value);
            let Value::Scalar(name) = key.value else {
                self.diagnostics
                    .error(&key.place, format!("a key must be a single value, this is {}", key.sort()));
                continue;
            };
            if let Some(earlier) = first.get(&name) {
                self.diagnostics
                    .error(&key.place, format!("key `{name}` is given twice"))
                    .note("first given here", earlier);
                continue;
            }
            first.insert(name.clone(), key.place.clone());
            entries.push(Entry { key: Spanned::new(name, key.place), value });
        }
        entries
    }
}

/// The text of a plain scalar that the parser took for a number or a boolean.
fn typed(place: &Place) -> &str {
    // Quotes are there when a tag such as `!!int` made a number of a quoted scalar.
    place.written().unwrap_or(place).text().trim_matches(['"', '\''])
}

/// A block collection has no sign of its own to mark: its first element stands for it.
fn of_collection(own: Place, first: Option<&Place>) -> Place {
    match first {
        Some(first) if own.text().is_empty() => first.clone(),
        _ => own,
    }
}
