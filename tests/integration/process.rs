//! The processes: start, reload, crash, end.

mod commands;
mod lifecycle;
mod log;
mod reload;
mod sockets;
