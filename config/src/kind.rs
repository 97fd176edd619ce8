//! Kinds: what the configuration knows of a layer, a backend or a predicate.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::reader::Reader;

/// One row of a list of kinds.
#[derive(Debug)]
pub struct Kind {
    /// The name it is used by in the file.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// The YAML of one use, for instance `timeout: { after: 30s }`.
    pub example: &'static str,
    /// Reads its settings; mistakes are recorded in the reader.
    pub read: fn(&mut Reader<'_>) -> Settings,
    /// The environ variables it may set; [`sets_nothing`] for none.
    pub sets: fn(&Settings) -> Vec<String>,
}

/// The `sets` of a [`Kind`] that sets no variable.
pub fn sets_nothing(_: &Settings) -> Vec<String> {
    Vec::new()
}

/// A protocol that a listener may speak.
#[derive(Debug)]
pub struct Protocol {
    /// The name it is used by in the file.
    pub name: &'static str,
    /// Whether front servers alone speak it, and say in it who the client is.
    pub speaks_for_clients: bool,
}

/// The kinds that a configuration may use.
#[derive(Clone, Debug)]
pub struct Kinds {
    /// What a listener may speak; the first is the default.
    pub protocols: Vec<&'static Protocol>,
    /// What may stand in `layers`.
    pub layers: Vec<&'static Kind>,
    /// What an app or a route may be.
    pub backends: Vec<&'static Kind>,
    /// What may stand in `match`.
    pub predicates: Vec<&'static Kind>,
    /// Whether every request has this environ variable, or may have it.
    pub standard_variable: fn(&str) -> bool,
    /// What is wrong with the owner of a socket's file; the users are those of the system.
    pub owner_mistake: fn(&str) -> Option<String>,
}

/// The settings that a kind has read, handed back to it when it is built.
#[derive(Clone)]
pub struct Settings(Arc<dyn Any + Send + Sync>);

impl Settings {
    /// Wraps a kind's own settings.
    pub fn new<T: Any + Send + Sync>(settings: T) -> Self {
        Self(Arc::new(settings))
    }

    /// The settings, for the kind that has read them.
    ///
    /// # Panics
    ///
    /// If they are another kind's: a programmer's error, whatever the file says.
    pub fn get<T: Any>(&self) -> &T {
        self.0.downcast_ref().expect("a kind is given the settings that it has read itself")
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Settings")
    }
}
