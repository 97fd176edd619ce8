//! The processes: start, reload, crash, end.

mod commands;
mod lifecycle;
mod reload;
mod sockets;
