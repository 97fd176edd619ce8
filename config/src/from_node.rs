//! Values that settings are made of, each read from a node.

use std::path::PathBuf;
use std::time::Duration;

use crate::diagnostic::Diagnostics;
use crate::document::{Node, Value};
use crate::place::Spanned;
use crate::unit;

/// A type that can be read from the file.
pub trait FromNode: Sized {
    /// Reads the node, or records a mistake.
    fn from_node(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self>;
}

/// A number of bytes: `2MiB`, `64KiB`, `512`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// The forms that one value may have, of which any may match: a list, or a single one.
#[derive(Clone, Debug, Default)]
pub struct Patterns(pub Vec<Spanned<String>>);

/// A mapping whose keys are the user's, in file order.
#[derive(Clone, Debug)]
pub struct Table<T>(pub Vec<(Spanned<String>, T)>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// The text of a scalar, or a mistake that says what was expected.
fn scalar<'n>(node: &'n Node, expected: &str, diagnostics: &mut Diagnostics) -> Option<&'n str> {
    if let Value::Scalar(text) = &node.value {
        return Some(text);
    }
    let mut mistake =
        diagnostics.error(&node.place, format!("{expected} is expected here, this is {}", node.sort()));
    // `to: {PATH_INFO}` is a mapping to YAML.
    if !node.entries().is_empty() && node.entries().iter().all(|entry| entry.value.is_null()) {
        mistake.help("a text that begins with `{` must be quoted");
    }
    None
}

/// A scalar in a notation that `parse` knows and `expected` names.
fn notation<T>(
    node: &Node,
    expected: &str,
    parse: impl FnOnce(&str) -> Option<T>,
    diagnostics: &mut Diagnostics,
) -> Option<T> {
    let text = scalar(node, expected, diagnostics)?;
    let value = parse(text);
    if value.is_none() {
        diagnostics.error(&node.place, format!("`{text}` is not {expected}"));
    }
    value
}

impl FromNode for String {
    fn from_node(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        scalar(node, "a text", diagnostics).map(str::to_owned)
    }
}

impl FromNode for bool {
    fn from_node(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        notation(node, "`true` or `false`", |text| text.parse().ok(), diagnostics)
    }
}

macro_rules! whole_number {
    ($($number:ty: $expected:literal),*) => {$(
        impl FromNode for $number {
            fn from_node(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
                notation(node, $expected, |text| text.parse().ok(), diagnostics)
            }
        }
    )*};
}

whole_number! {
    u8: "a whole number from 0 to 255",
    u16: "a whole number from 0 to 65535",
    u32: "a whole number",
    u64: "a whole number",
    usize: "a whole number"
}

impl FromNode for Duration {
    fn from_node(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        notation(node, "a duration such as `30s`, `500ms`, `5m` or `1h`", unit::duration, diagnostics)
    }
}

impl FromNode for Size {
    fn from_node(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        notation(node, "a size such as `64KiB`, `2MiB` or `512`", unit::size, diagnostics).map(Size)
    }
}

/// Relative paths start from the folder of the file that names them.
impl FromNode for PathBuf {
    fn from_node(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        let in_folder = |text: &str| (!text.is_empty()).then(|| node.place.folder().join(text));
        notation(node, "a path", in_folder, diagnostics)
    }
}

impl<T: FromNode> FromNode for Spanned<T> {
    fn from_node(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        T::from_node(node, diagnostics).map(|value| Self::new(value, node.place.clone()))
    }
}

/// A single value is a list of one.
impl<T: FromNode> FromNode for Vec<T> {
    fn from_node(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        match &node.value {
            Value::List(items) => {
                let read: Vec<T> = items.iter().filter_map(|item| T::from_node(item, diagnostics)).collect();
                (read.len() == items.len()).then_some(read)
            }
            _ => T::from_node(node, diagnostics).map(|value| vec![value]),
        }
    }
}

impl FromNode for Patterns {
    fn from_node(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        let patterns = Vec::from_node(node, diagnostics)?;
        if patterns.is_empty() {
            diagnostics.error(&node.place, "an empty list matches nothing");
            return None;
        }
        Some(Self(patterns))
    }
}

impl<T: FromNode> FromNode for Table<T> {
    fn from_node(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            diagnostics.error(&node.place, format!("a mapping is expected here, this is {}", node.sort()));
            return None;
        };
        let read = entries.iter().filter_map(|entry| {
            T::from_node(&entry.value, diagnostics).map(|value| (entry.key.clone(), value))
        });
        Some(Self(read.collect()))
    }
}
