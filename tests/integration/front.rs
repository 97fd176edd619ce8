//! The front: connections, limits, what is malformed, bodies that nobody reads, and connections that rest.

mod bodies;
mod connections;
mod limits;
mod malformed;
mod resting;
