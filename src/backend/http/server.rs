//! A server: its address, its own Host, and how a connection to it is opened.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use http::HeaderValue;

use crate::backend::upstream::address::{Address, AddressError, Stream};
use crate::backend::upstream::connection::Connection;
use crate::backend::upstream::deadline::Limits;
use crate::backend::upstream::failure::Failure;

/// A server.
#[derive(Clone, Debug)]
pub(super) struct Server {
    address: Address,
    /// The Host that it has itself.
    host: HeaderValue,
}

impl Server {
    /// A server that this gateway starts.
    pub(super) fn of_ours(address: Address) -> Self {
        Self { address, host: HeaderValue::from_static("localhost") }
    }

    /// Its name and port, where the name must be looked up.
    pub(super) fn name(&self) -> Option<(&str, u16)> {
        let Address::Tcp(host, port) = &self.address else { return None };
        host.parse::<IpAddr>().is_err().then_some((host, *port))
    }

    /// The same server at one of its addresses.
    pub(super) fn at(&self, address: SocketAddr) -> Self {
        Self { address: Address::Tcp(address.ip().to_string(), address.port()), host: self.host.clone() }
    }

    /// The Host of requests that name the server itself.
    pub(super) fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// The same server, a relative path of it starting from a folder.
    pub(super) fn in_folder(self, folder: &Path) -> Self {
        Self { address: self.address.in_folder(folder), ..self }
    }

    /// Opens a connection, within a time; all addresses of a name are tried. `limits` are how long the server may be silent.
    pub(super) async fn connect(
        &self,
        within: Duration,
        limits: impl Into<Limits>,
    ) -> Result<Box<Connection>, Failure> {
        Connection::open(&self.address, within, limits, None).await.map(Box::new)
    }

    /// Opens a socket without a limit on its silence; all addresses of a name are tried.
    pub(super) async fn socket(&self) -> Result<Stream, Failure> {
        let opened = self.address.connect().await;
        opened.map_err(|source| Failure::connect(self, source))
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl FromStr for Server {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let address: Address = text.parse()?;
        let host = match &address {
            Address::Tcp(..) => HeaderValue::from_str(text).map_err(|_| AddressError::Form)?,
            Address::Unix(_) | Address::Ours(..) => HeaderValue::from_static("localhost"),
        };
        Ok(Self { address, host })
    }
}
