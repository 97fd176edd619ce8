//! The YAML parser at the edge of this crate: text to a tree in which every key and value has its place.
//!
//! The parser (serde-saphyr behind the name `serde_yaml`) expands aliases and merge keys and keeps its limits against
//! bombs of them. It types plain scalars; since only the reader of a setting knows the type it wants, their text is taken
//! back from the source. Repeated keys are passed on: they are a mistake like any other, to be told with all the rest.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_yaml::{Location, MessageFormatter};

use crate::cure::cure;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::place::{Place, SourceText};

/// A value as the parser hands it over, with the location where it is used and the one where it is written.
pub(crate) type Raw = serde_yaml::Spanned<RawValue>;

/// What a [`Raw`] holds.
#[derive(Debug)]
pub(crate) enum RawValue {
    /// A scalar without a value: nothing, `~` or `null`.
    Null,
    /// A scalar that is text to the parser.
    Text(String),
    /// A plain scalar that the parser would rather make a number or a boolean of.
    Typed,
    /// A list.
    List(Vec<Raw>),
    /// A mapping in file order; merge keys are expanded, repeated keys are still there.
    Map(Vec<(Raw, Raw)>),
}

/// Parses a text that must hold one document.
pub(crate) fn parse(source: &Arc<SourceText>) -> Result<Raw, Diagnostics> {
    let options = serde_yaml::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    };
    serde_yaml::from_str_with_options(source.text(), options).map_err(|error| {
        let message = serde_yaml::UserMessageFormatter.format_message(&error).into_owned();
        let diagnostic = Diagnostic::error(format!("this is not YAML: {message}"));
        let Some(location) = error.location() else { return Diagnostics::from(diagnostic) };
        let place = place(source, location);
        let (help, slip) = cure(&place, diagnostic.message()).unzip();
        let diagnostic = diagnostic.at(&slip.flatten().unwrap_or(place));
        Diagnostics::from(help.into_iter().fold(diagnostic, Diagnostic::help))
    })
}

/// The place of a parser's location.
pub(crate) fn place(source: &Arc<SourceText>, location: Location) -> Place {
    let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let span = location.span();
    match span.byte_offset() {
        Some(offset) => Place::new(source, number(offset), span.byte_len().map_or(0, number)),
        // Errors of the scanner have no bytes.
        None => Place::at(source, number(location.line()), number(location.column())),
    }
}

impl<'de> Deserialize<'de> for RawValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = RawValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar, a list or a mapping")
    }

    fn visit_str<E>(self, text: &str) -> Result<RawValue, E> {
        Ok(RawValue::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<RawValue, E> {
        Ok(RawValue::Typed)
    }

    fn visit_i64<E>(self, _: i64) -> Result<RawValue, E> {
        Ok(RawValue::Typed)
    }

    fn visit_u64<E>(self, _: u64) -> Result<RawValue, E> {
        Ok(RawValue::Typed)
    }

    fn visit_f64<E>(self, _: f64) -> Result<RawValue, E> {
        Ok(RawValue::Typed)
    }

    fn visit_unit<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<RawValue, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(RawValue::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawValue, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(RawValue::Map(entries))
    }
}
