//! The run-time table of libxml2 and libxslt functions; nothing else.
//!
//! The libraries are opened by [`load`], not linked, and with `RTLD_LOCAL`: a process that also holds another copy of
//! libxml2 (the PyPI wheel of lxml brings one) keeps the two apart, a security update of the system's libxslt needs no
//! rebuild, and building needs neither the libraries nor their headers. With the feature `link` they are linked the usual
//! way instead, as pkg-config finds them: for programs that embed no Python. Everything is called through [`Table`].
//!
//! The structs here are the prefixes that the engine reads; a test compares them with the installed headers.

mod callbacks;
mod constants;
mod layout;
#[cfg(feature = "link")]
mod linked;
mod literal;
mod load;
#[cfg(not(feature = "link"))]
mod open;
mod shim;
mod table;

pub use callbacks::*;
pub use constants::*;
pub use layout::*;
pub use literal::literal;
pub use load::{LoadError, load};
pub use shim::{ErrorSink, REPORT, set_error_sink};
pub use table::Table;
