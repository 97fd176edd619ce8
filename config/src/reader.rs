//! How a kind reads its settings: key by key, every mistake recorded, none fatal.

use std::fmt::Display;
use std::str::FromStr;

use crate::diagnostic::{Diagnostics, Mistake};
use crate::document::{Node, Value};
use crate::from_node::{FromNode, Table};
use crate::place::{Place, Spanned};

/// Reads one node: a mapping by its keys, or anything as a whole.
///
/// Keys that nobody asked for are reported when the reader is finished.
#[derive(Debug)]
pub struct Reader<'a> {
    node: &'a Node,
    /// The name that these are the settings of; what is missing is missing there.
    name: Place,
    /// How such settings look.
    example: Option<&'static str>,
    diagnostics: &'a mut Diagnostics,
    asked: Vec<&'static str>,
    /// Whether the node was read as a whole, or is of the wrong sort and was already reported.
    settled: bool,
    reads: Vec<Spanned<String>>,
}

impl<'a> Reader<'a> {
    /// Starts to read the settings of what is named at a place. [`finish`](Self::finish) must follow.
    pub fn new(node: &'a Node, name: &Place, diagnostics: &'a mut Diagnostics) -> Self {
        Self {
            node,
            name: name.clone(),
            example: None,
            diagnostics,
            asked: Vec::new(),
            settled: false,
            reads: Vec::new(),
        }
    }

    /// Has mistakes explained by an example.
    pub(crate) fn with_example(mut self, example: &'static str) -> Self {
        self.example = Some(example);
        self
    }

    /// Reads a key that must be given. The default only stands in where a mistake was recorded.
    pub fn required<T: FromNode + Default>(&mut self, key: &'static str) -> T {
        if let Some(node) = self.given(key) {
            return T::from_node(node, self.diagnostics).unwrap_or_default();
        }
        // Of a node that is no mapping, `finish` says so.
        if matches!(self.node.value, Value::Null | Value::Map(_)) {
            let mut mistake = self.diagnostics.error(&self.name, format!("`{key}` is missing"));
            if let Some(example) = self.example {
                mistake.help(format!("for instance `{example}`"));
            }
        }
        T::default()
    }

    /// Reads a key that need not be given.
    pub fn optional<T: FromNode>(&mut self, key: &'static str) -> Option<T> {
        let node = self.given(key)?;
        T::from_node(node, self.diagnostics)
    }

    /// Reads a key that has a default.
    pub fn or<T: FromNode>(&mut self, key: &'static str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// Where a key is given; whoever reads it or not, it counts as known.
    pub fn place_of(&mut self, key: &'static str) -> Option<Place> {
        self.given(key).map(|node| node.place.clone())
    }

    /// Reads a scalar in a type's own notation; its error is shown at the place.
    pub fn parsed<T: FromStr<Err: Display>>(&mut self, key: &'static str) -> Option<T> {
        let text = self.optional::<Spanned<String>>(key)?;
        self.parse(&text)
    }

    /// Parses a text that was already read, in a type's own notation; its error is shown at the place.
    pub fn parse<T: FromStr<Err: Display>>(&mut self, text: &Spanned<String>) -> Option<T> {
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.diagnostics.error(&text.place, format!("`{}` is not understood: {error}", text.value));
                None
            }
        }
    }

    /// Compiles a regular expression that stands at a place; of its error, the line that says what is wrong.
    pub fn regular_expression<T: FromStr<Err: Display>>(&mut self, place: &Place, text: &str) -> Option<T> {
        let refuse = |error: T::Err| {
            // The crate draws a picture of the expression; its last line is the reason.
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            self.diagnostics.error(place, format!("not a regular expression: {reason}"));
        };
        text.parse().map_err(refuse).ok()
    }

    /// Reads one of a few words.
    pub fn one_of<T: Copy>(&mut self, key: &'static str, choices: &[(&'static str, T)], default: T) -> T {
        let Some(word) = self.optional::<Spanned<String>>(key) else { return default };
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == word.value) {
            return *choice;
        }
        self.diagnostics
            .error(&word.place, format!("`{key}` cannot be `{}`", word.value))
            .allowed(&word, choices.iter().map(|(name, _)| *name));
        default
    }

    /// Reads a mapping of scalars, in file order.
    pub fn pairs(&mut self, key: &'static str) -> Vec<(Spanned<String>, Spanned<String>)> {
        self.optional::<Table<Spanned<String>>>(key).map(|table| table.0).unwrap_or_default()
    }

    /// Reads a mapping within this one.
    pub fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Reader<'_>) -> T) -> Option<T> {
        let (name, node) = self.entry(key)?;
        Some(self.nested(node, name, read))
    }

    /// Reads a list, item by item; a single item needs no list around it.
    pub fn list<T>(&mut self, key: &'static str, mut read: impl FnMut(&mut Reader<'_>) -> T) -> Vec<T> {
        match self.given(key) {
            None => Vec::new(),
            Some(Node { value: Value::List(items), .. }) => {
                items.iter().map(|item| self.nested(item, &item.place, &mut read)).collect()
            }
            Some(single) => vec![self.nested(single, &single.place, read)],
        }
    }

    /// Reads the node itself, as predicates do: `host: "*.example.com"`.
    pub fn whole<T: FromNode + Default>(&mut self) -> T {
        self.settled = true;
        if self.node.is_null() {
            self.diagnostics.error(&self.name, "a value is missing here");
            return T::default();
        }
        T::from_node(self.node, self.diagnostics).unwrap_or_default()
    }

    /// The node itself, for a kind with forms of its own. Its keys are then the kind's to check.
    pub fn node(&mut self) -> &'a Node {
        self.settled = true;
        self.node
    }

    /// Whether the node is a mapping, and not a single value, a list or nothing.
    pub fn is_mapping(&self) -> bool {
        matches!(self.node.value, Value::Map(_))
    }

    /// Whether a key is given, readable or not.
    pub fn has(&mut self, key: &'static str) -> bool {
        self.entry(key).is_some()
    }

    /// The place of the whole node.
    pub fn place(&self) -> Place {
        if self.node.is_null() { self.name.clone() } else { self.node.place.clone() }
    }

    /// Records a mistake.
    pub fn mistake(&mut self, place: &Place, message: impl Into<String>) -> Mistake<'_> {
        self.diagnostics.error(place, message)
    }

    /// Records a warning.
    pub fn warning(&mut self, place: &Place, message: impl Into<String>) -> Mistake<'_> {
        self.diagnostics.warning(place, message)
    }

    /// Declares that a request's environ is asked for this variable. One that nothing sets is a mistake.
    pub fn reads(&mut self, variable: Spanned<String>) {
        self.reads.push(variable);
    }

    /// Reports what nobody asked for; returns the variables that were declared as read.
    pub fn finish(mut self) -> Vec<Spanned<String>> {
        self.report_unknown();
        self.reads
    }

    fn nested<T>(&mut self, node: &Node, name: &Place, read: impl FnOnce(&mut Reader<'_>) -> T) -> T {
        let mut reader = Reader::new(node, name, self.diagnostics);
        let value = read(&mut reader);
        let reads = reader.finish();
        self.reads.extend(reads);
        value
    }

    /// The value of a key, unless it is absent or null.
    pub(crate) fn given(&mut self, key: &'static str) -> Option<&'a Node> {
        self.entry(key).map(|(_, node)| node)
    }

    /// Declares keys that somebody else reads.
    pub(crate) fn known(&mut self, keys: &[&'static str]) {
        self.asked.extend(keys);
    }

    fn entry(&mut self, key: &'static str) -> Option<(&'a Place, &'a Node)> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let entry = self.node.entries().iter().find(|entry| *entry.key == key)?;
        (!entry.value.is_null()).then_some((&entry.key.place, &entry.value))
    }

    fn report_unknown(&mut self) {
        if self.settled {
            return;
        }
        match &self.node.value {
            Value::Null => {}
            Value::Map(entries) => {
                for entry in entries.iter().filter(|entry| !self.asked.contains(&entry.key.as_str())) {
                    self.diagnostics
                        .error(&entry.key.place, format!("unknown key `{}`", entry.key.value))
                        .allowed(&entry.key, self.asked.iter().copied());
                }
            }
            Value::Scalar(_) | Value::List(_) => {
                let message = format!("settings are expected here, this is {}", self.node.sort());
                let mut mistake = self.diagnostics.error(&self.node.place, message);
                mistake.allowed("", self.asked.iter().copied());
                if let Some(example) = self.example {
                    mistake.help(format!("for instance `{example}`"));
                }
            }
        }
    }
}
