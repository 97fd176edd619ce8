//! The gateway as its users meet it: the real binary, real sockets, real peers.

mod behind_nginx;
mod front;
mod harness;
mod process;
mod quickstart;
