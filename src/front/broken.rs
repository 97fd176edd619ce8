//! How a connection ends whose answer was broken off.
//!
//! An answer to an HTTP/1.0 client may have neither a length nor chunks: it ends with its connection, and a part of it
//! would look like the whole. A reset tells the difference. Unix sockets know none, so a front server on one should
//! speak HTTP/1.1 (nginx: `proxy_http_version 1.1`).

use tokio::net::{TcpStream, UnixStream};

/// A socket that can end badly.
pub trait Socket {
    /// Makes a reset of its closing, where it can.
    fn reset_on_close(&self);
}

impl Socket for TcpStream {
    fn reset_on_close(&self) {
        if let Err(error) = self.set_zero_linger() {
            tracing::debug!("failed to make a connection end with a reset: {error}");
        }
    }
}

impl Socket for UnixStream {
    fn reset_on_close(&self) {}
}
