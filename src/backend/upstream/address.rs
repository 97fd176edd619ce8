//! Where a server listens, and a socket to it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustix::io::Errno;
use rustix::net::RecvFlags;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::listener::Door;
use crate::runtime::socket::{self, Socket};

/// Where a server listens.
#[derive(Clone, Debug)]
pub(in crate::backend) enum Address {
    /// A name or an IP address, and a port.
    Tcp(String, u16),
    Unix(PathBuf),
    /// Processes that the supervisor has started: the way to their socket, or to its folder, and its name there.
    Ours(Arc<Door>, String),
}

/// What is wrong with the text of an [`Address`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::backend) enum AddressError {
    #[error("HOST:PORT or unix:PATH is expected, without a scheme or a path")]
    Form,
    #[error("the port must be a number from 1 to 65535")]
    Port,
    #[error("an IPv6 address needs brackets: [::1]:8080")]
    Brackets,
}

impl Address {
    /// The same address, a relative path of it starting from a folder.
    pub(in crate::backend) fn in_folder(self, folder: &Path) -> Self {
        match self {
            Self::Unix(path) => Self::Unix(folder.join(path)),
            other => other,
        }
    }

    /// A socket of processes that the supervisor has started; empty is the name of the only one. Where none was started, as
    /// for `check`, nobody asks.
    pub(in crate::backend) fn of_ours(door: Option<&Arc<Door>>, name: String) -> Self {
        door.map_or_else(|| Self::Unix("not started".into()), |door| Self::Ours(Arc::clone(door), name))
    }

    /// Opens a socket; all addresses of a name are tried.
    pub(in crate::backend) async fn connect(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Self::Unix(path) => UnixStream::connect(path).await.map(Stream::Unix),
            Self::Ours(door, name) => door.connect(name).await.map(Stream::Unix),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Ours(_, name) if name.is_empty() => f.write_str("its processes"),
            Self::Ours(_, name) => write!(f, "its process {name}"),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(AddressError::Form) } else { Ok(Self::Unix(path.into())) };
        }
        let (host, port) = text.rsplit_once(':').ok_or(AddressError::Form)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if bare.is_none() && host.contains(':') && !host.contains("//") {
            return Err(AddressError::Brackets);
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let is_address = |host: &str| host.parse::<std::net::Ipv6Addr>().is_ok();
        if !bare.map_or(!host.is_empty() && host.chars().all(is_name), is_address) {
            return Err(AddressError::Form);
        }
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(AddressError::Port)?;
        Ok(Self::Tcp(bare.unwrap_or(host).to_owned(), port))
    }
}

/// A socket to a server.
pub(in crate::backend) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// Whether the other side has neither closed nor said anything. Nothing is waited for.
    pub(in crate::backend) fn is_silent(&self) -> bool {
        let mut byte = [0];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let peeked = match self {
            Self::Tcp(stream) => rustix::net::recv(stream, &mut byte, flags),
            Self::Unix(stream) => rustix::net::recv(stream, &mut byte, flags),
        };
        matches!(peeked, Err(Errno::AGAIN))
    }

    /// The same, as far as the runtime has heard: the system is asked only where there is something to be asked about.
    pub(in crate::backend) fn seems_silent(&self) -> bool {
        let may_be_read = match self {
            Self::Tcp(stream) => socket::is_readable(stream),
            Self::Unix(stream) => socket::is_readable(stream),
        };
        !may_be_read || self.is_silent()
    }

    /// Writes what fits at once, and waits for nothing.
    pub(in crate::backend) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
        }
    }

    /// Moves the socket to the runtime of the calling thread.
    pub(in crate::backend) fn moved_here(self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(TcpStream::from_std(stream.into_std()?)?),
            Self::Unix(stream) => Self::Unix(UnixStream::from_std(stream.into_std()?)?),
        })
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => poll_read(stream, cx, buf),
            Self::Unix(stream) => poll_read(stream, cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => poll_write(stream, cx, buf),
            Self::Unix(stream) => poll_write(stream, cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A request without a body is one piece, and send(2) is cheaper than writev(2).
        if let [buf] = bufs {
            return self.poll_write(cx, buf);
        }
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Sockets keep nothing back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

fn poll_read(io: &mut impl Socket, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
    match socket::try_poll_read(io, cx, buf) {
        Some(read) => read,
        None => Pin::new(io).poll_read(cx, buf),
    }
}

fn poll_write(io: &mut impl Socket, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    match socket::try_poll_write(io, cx, bytes) {
        Some(written) => written,
        None => Pin::new(io).poll_write(cx, bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String, AddressError> {
        text.parse::<Address>().map(|address| address.to_string())
    }

    #[test]
    fn an_address_is_a_host_and_a_port_or_a_unix_socket() {
        for text in ["127.0.0.1:80", "[::1]:8080", "app.internal:9000", "my_app-1:1", "unix:/run/app.sock"] {
            assert_eq!(shown(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn anything_else_is_told_what_is_expected() {
        for text in
            ["", "localhost", "http://localhost:80", "localhost:80/x", ":80", "unix:", "[x]:80", "a b:80"]
        {
            assert!(matches!(shown(text), Err(AddressError::Form | AddressError::Port)), "{text}");
        }
        assert_eq!(shown("localhost:0"), Err(AddressError::Port));
        assert_eq!(shown("localhost:65536"), Err(AddressError::Port));
        assert_eq!(shown("::1:80"), Err(AddressError::Brackets));
    }

    #[test]
    fn a_relative_socket_starts_from_the_folder_of_the_file() {
        let address: Address = "unix:run/app.sock".parse().unwrap();
        assert_eq!(address.in_folder(Path::new("/srv/site")).to_string(), "unix:/srv/site/run/app.sock");
    }
}
