//! The gateway as its users meet it: the real binary, real sockets, real peers.

mod behind_nginx;
mod client_body;
mod harness;
mod process;
mod quickstart;
