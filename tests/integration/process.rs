//! The processes: start, reload, crash, end.

mod commands;
mod idle;
mod lifecycle;
mod log;
mod reload;
mod sockets;
