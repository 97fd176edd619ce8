//! Vestibule's configuration language: YAML text to a checked configuration, every mistake with its place.
//!
//! [`Source`] (the bytes) → [`document`] (the tree as written, every value with its place) → [`Config`] (checked, with
//! defaults). This crate knows no HTTP and no component: it is given the table of [`Kinds`], and each kind reads its own
//! settings with a [`Reader`].

#![forbid(unsafe_code)]

mod check;
mod config;
mod cure;
mod diagnostic;
pub mod document;
mod env_file;
mod from_node;
mod kind;
mod load;
mod narrow;
mod network;
pub mod pattern;
mod place;
mod reader;
mod source;
mod stamp;
mod substitute;
mod suggest;
mod unit;
mod variable;
mod yaml;

pub use check::read_env;
pub use config::{
    Address, App, Component, Condition, Config, Limits, Listen, Peer, Route, Target, Trust, TrustedHeader,
};
pub use diagnostic::{Diagnostic, Diagnostics, Level, Mistake};
pub use from_node::{FromNode, Patterns, Size, Table};
pub use kind::{Kind, Kinds, Protocol, Settings, sets_nothing};
pub use load::{load, load_source};
pub use narrow::Only;
pub use network::{Network, NetworkError};
pub use place::{Place, SourceText, Spanned};
pub use reader::Reader;
pub use source::Source;
pub use stamp::{Seen, Stamp};
pub use substitute::Lookup;
