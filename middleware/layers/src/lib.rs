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
pub static KINDS: &[&LayerKind] = &[&timeout::KIND];
