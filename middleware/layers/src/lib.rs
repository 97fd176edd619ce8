//! What a layer of Vestibule sees, and the layers: one file each.
//!
//! * [`body`]: the one body type
//! * [`service`]: requests, answers, the boxed infallible service and the layer around it
//! * [`rescue`](mod@rescue): cause → answer, for whoever fails
//! * [`KINDS`]: the list of layers
//!
//! A new layer is one new file, which holds its settings and its `KIND`, and one row in [`KINDS`].

#![forbid(unsafe_code)]

pub mod body;
pub mod rescue;
pub mod service;

mod header_edits;
mod setting;
#[cfg(test)]
mod testing;
mod transcode;
mod verdict;

mod access_log;
mod allow;
mod basic_auth;
mod body_limit;
mod compress;
mod concurrency_limit;
mod cors;
mod decompress;
mod request_headers;
mod request_id;
mod response_headers;
mod rewrite;
mod set_env;
mod timeout;

pub use body::{Body, BodyError};
pub use rescue::{Cause, rescue};
pub use service::{Answer, BoxLayer, BoxService, Request, Response};
use vestibule_config::{Diagnostic, Kind, Settings};

/// A kind of layer: what the configuration knows of it, and how its settings become a layer.
pub struct LayerKind {
    /// Its name, summary, example and settings.
    pub kind: Kind,
    /// Builds the layer. All that can fail fails here, before a request is there.
    pub build: fn(&Settings) -> Result<BoxLayer, Diagnostic>,
}

/// Every kind of layer.
pub static KINDS: &[&LayerKind] = &[
    &access_log::KIND,
    &request_id::KIND,
    &set_env::KIND,
    &request_headers::KIND,
    &response_headers::KIND,
    &rewrite::KIND,
    &timeout::KIND,
    &cors::KIND,
    &allow::KIND,
    &basic_auth::KIND,
    &compress::KIND,
    &decompress::KIND,
    &body_limit::KIND,
    &concurrency_limit::KIND,
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_a_summary_and_an_example_that_builds() {
        let mut names = HashSet::new();
        for row in KINDS {
            let kind = &row.kind;
            assert!(names.insert(kind.name), "{} twice", kind.name);
            assert!(!kind.summary.is_empty() && !kind.summary.ends_with('.'), "{}", kind.name);
            assert!(kind.example.starts_with(&format!("{}:", kind.name)), "{}", kind.example);
            testing::build(kind.example).unwrap_or_else(|mistakes| panic!("{}: {mistakes}", kind.name));
        }
    }
}
