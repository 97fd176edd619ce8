//! What a route may ask of a request: one file for each kind of predicate.
//!
//! A new predicate is one new file, which holds its `KIND`, its `mod` line and one row in [`KINDS`].

mod client;
mod cookie;
mod env;
mod header;
mod host;
mod method;
mod path;
mod query;
mod scheme;

use std::sync::Arc;

use http_environ::{Variable, View};
use vestibule_config::{Kind, Reader, Settings};

use super::Captures;

/// A condition on a request.
pub trait Predicate: Send + Sync + 'static {
    /// Whether it holds. What it captures counts only if the whole route matches.
    fn holds(&self, view: &View<'_>, captures: &mut Captures) -> bool;

    /// The only hosts, in lower case, for which it can hold; `None` where other hosts may do.
    fn hosts(&self) -> Option<Vec<&str>> {
        None
    }

    /// The names of what it may capture.
    fn captures(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A predicate as it stands in the settings of its kind: there is nothing to build.
pub type Shared = Arc<dyn Predicate>;

/// Every kind of predicate.
pub static KINDS: &[&Kind] = &[
    &host::KIND,
    &path::KIND,
    &method::KIND,
    &scheme::KIND,
    &header::KIND,
    &query::KIND,
    &cookie::KIND,
    &client::KIND,
    &env::KIND,
];

fn settings(predicate: impl Predicate) -> Settings {
    Settings::new(Arc::new(predicate) as Shared)
}

/// The `sets` of every predicate: its captures.
fn captures(settings: &Settings) -> Vec<String> {
    settings.get::<Shared>().captures()
}

/// Values by name, as `header:`, `query:`, `cookie:` and `env:` have them.
fn by_name<T>(
    reader: &mut Reader<'_>,
    mut name: impl FnMut(&mut Reader<'_>, &vestibule_config::Spanned<String>) -> Option<T>,
) -> Vec<(T, super::Value)> {
    let table: vestibule_config::Table<vestibule_config::Patterns> = reader.whole();
    let read = |(key, patterns): &(vestibule_config::Spanned<String>, vestibule_config::Patterns)| {
        let value = super::Value::read(reader, patterns);
        name(reader, key).map(|name| (name, value))
    };
    table.0.iter().filter_map(read).collect()
}

/// Variables of the environ with their values; all of them must match.
struct Variables(Vec<(Variable, super::Value)>);

impl Predicate for Variables {
    fn holds(&self, view: &View<'_>, captures: &mut Captures) -> bool {
        self.0.iter().all(|(name, value)| value.matches(view.get(name).as_deref(), captures))
    }

    fn captures(&self) -> Vec<String> {
        captures_of(&self.0)
    }
}

fn captures_of<T>(values: &[(T, super::Value)]) -> Vec<String> {
    values.iter().flat_map(|(_, value)| value.captures()).map(str::to_owned).collect()
}

#[cfg(test)]
pub(super) mod testing;
