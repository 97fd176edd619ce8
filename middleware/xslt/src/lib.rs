//! XSLT transforms as a layer for any tower stack, on libxslt.
//!
//! libxslt is opened at run time (Debian: `libxslt1.1`); nothing is needed to build.
//!
//! [`Stylesheet`] is compiled once and shared by all threads; [`XsltLayer`] applies it to the bodies of answers, or of
//! requests, on threads of their own ([`Pool`]), within [`Limits`], and reading no files but those of the [`Policy`].

mod access;
mod body;
mod current;
mod engine;
mod error;
mod input;
mod layer;
mod limits;
mod output;
mod place;
mod pool;
mod run;
mod sheet;
mod stop;
mod tree;

pub use body::{Body, BoxError};
pub use engine::init;
pub use error::{Fault, Faults, Limit, Place, XsltError};
pub use input::{Input, InputKind};
pub use layer::{On, Xslt, XsltLayer, answer};
pub use libxslt_sys::LoadError;
pub use limits::Limits;
pub use output::Output;
pub use pool::{Pool, Task};
pub use sheet::{Policy, Stylesheet};
