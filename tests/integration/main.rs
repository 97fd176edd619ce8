//! The gateway as its users meet it: the real binary, real sockets, real peers.

mod harness;
mod process;
