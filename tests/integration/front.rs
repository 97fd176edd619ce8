//! The front: connections, limits, what is malformed, and bodies that nobody reads.

mod bodies;
mod connections;
mod limits;
mod malformed;
