//! The configuration language as a user meets it, over a small table of kinds of its own.

mod broken;
mod kinds;
mod model;
mod mutations;
mod sources;
