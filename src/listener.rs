//! (1) Listening sockets: bound by the supervisor, handed to the workers, who accept from them.
//!
//! A TCP address takes part in nothing unusual; `[::]` (so `:8000`) takes IPv4 connections too, unless `0.0.0.0` is listed
//! beside it.
//! For unix sockets see `listener/unix.rs`, for those of systemd `listener/passed.rs`.

mod between;
pub(crate) mod owner;
pub(crate) mod passed;
pub mod proxy_protocol;
mod unix;

pub(crate) use self::between::Door;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use vestibule_config::{Address, Diagnostic, Diagnostics, Listen};

use self::passed::Passed;

/// How many connections may wait to be accepted. The system has its own limit besides (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

/// A listening socket, owned by the supervisor. The file of a unix socket goes with it.
#[derive(Debug)]
pub(crate) struct Socket {
    /// As configured: by it a new configuration finds what is bound already.
    address: Address,
    fd: OwnedFd,
    local: Local,
    file: Option<unix::SocketFile>,
}

/// Where a socket really listens: with the port that the system chose for port 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Local(Address);

impl Socket {
    /// Binds an address, one of `all`, or takes it of those that were `passed`. The diagnostic says where it is written, and
    /// what to do.
    fn bind(listen: &Listen, all: &[Listen], passed: &Passed) -> Result<Self, Diagnostic> {
        let address = listen.address.clone();
        match &listen.address {
            Address::Tcp(tcp) => {
                let v4 = Address::Tcp(SocketAddr::from((Ipv4Addr::UNSPECIFIED, tcp.port())));
                let only_v6 = all.iter().any(|other| other.address == v4);
                let (fd, local) =
                    bind_tcp(*tcp, only_v6).map_err(|error| tcp_refused(listen, *tcp, &error))?;
                Ok(Self { address, fd, local: Local(Address::Tcp(local)), file: None })
            }
            Address::Unix(path) => {
                let (fd, file) = unix::bind(path, listen)?;
                Ok(Self { local: Local(address.clone()), address, fd, file: Some(file) })
            }
            Address::Passed(name) => {
                let (fd, local) = passed.socket(name).map_err(|mistake| mistake.at(&listen.place))?;
                Ok(Self { address, fd, local: Local(local), file: None })
            }
        }
    }

    /// The same socket, for a process that is started.
    pub(crate) fn duplicate(&self) -> io::Result<OwnedFd> {
        self.fd.try_clone()
    }

    /// Where it listens.
    pub(crate) fn local(&self) -> &Local {
        &self.local
    }

    /// Whether a configuration that lists `listen` goes on with this socket.
    fn serves(&self, listen: &Listen) -> bool {
        self.address == listen.address && self.file.as_ref().is_none_or(unix::SocketFile::is_there)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Address::Tcp(address) => write!(f, "{address}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
            Address::Passed(name) => write!(f, "fd:{name}"),
        }
    }
}

/// A socket for each address of a configuration, in its order: those that are bound already go on, the others are bound.
/// A socket that nobody holds any more is closed.
pub(crate) fn bind_all(
    listens: &[Listen],
    bound: &[Arc<Socket>],
    passed: &Passed,
) -> Result<Vec<Arc<Socket>>, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let mut sockets: Vec<Arc<Socket>> = Vec::with_capacity(listens.len());
    for listen in listens {
        // `127.0.0.1:0` may stand there twice: each has its own.
        let taken = |socket: &&Arc<Socket>| sockets.iter().any(|other| Arc::ptr_eq(socket, other));
        let kept = bound.iter().find(|socket| socket.serves(listen) && !taken(socket)).map(Arc::clone);
        let socket = match kept {
            Some(socket) => socket.permit(listen).map(|()| socket),
            None => Socket::bind(listen, listens, passed).map(Arc::new),
        };
        match socket {
            Ok(socket) => sockets.push(socket),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.has_errors() { Err(mistakes) } else { Ok(sockets) }
}

impl Socket {
    /// Applies `mode` and `owner`, which may have changed since the socket was bound.
    fn permit(&self, listen: &Listen) -> Result<(), Diagnostic> {
        match (&self.address, &self.file) {
            (Address::Unix(path), Some(_)) => unix::permit(path, listen),
            _ => Ok(()),
        }
    }
}

fn bind_tcp(address: SocketAddr, only_v6: bool) -> io::Result<(OwnedFd, SocketAddr)> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    // A restart finds connections of the last run in TIME_WAIT.
    sockopt::set_socket_reuseaddr(&fd, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&fd, only_v6)?;
    }
    rustix::net::bind(&fd, &address)?;
    rustix::net::listen(&fd, BACKLOG)?;
    let local = rustix::net::getsockname(&fd)?.try_into()?;
    Ok((fd, local))
}

fn tcp_refused(listen: &Listen, address: SocketAddr, error: &io::Error) -> Diagnostic {
    let mistake =
        Diagnostic::error(format!("failed to listen on {address}: {}", plain(error))).at(&listen.place);
    match error.kind() {
        io::ErrorKind::AddrInUse => mistake.help(format!(
            "another program listens there; `ss -ltnp 'sport = :{}'` shows which",
            address.port()
        )),
        io::ErrorKind::PermissionDenied => mistake.help(
            "ports below 1024 are reserved: choose a higher one, or give the service AmbientCapabilities=CAP_NET_BIND_SERVICE",
        ),
        io::ErrorKind::AddrNotAvailable => {
            mistake.help("no interface of this machine has the address; `ip address` shows what it has")
        }
        _ => mistake,
    }
}

/// An error of the system without its number, as a person reads it: `address already in use`.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the address is in use".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::NotFound => "no such folder".into(),
        io::ErrorKind::AddrNotAvailable => "the address is not of this machine".into(),
        _ => error.to_string(),
    }
}

/// A listening socket, as a worker accepts from it.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection, and who made it.
#[derive(Debug)]
pub(crate) enum Accepted {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

impl Listener {
    /// Takes over a socket that the supervisor has bound; it must be called within a tokio runtime.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        if sockopt::socket_domain(&fd)? == AddressFamily::UNIX {
            UnixListener::from_std(fd.into()).map(Self::Unix)
        } else {
            TcpListener::from_std(fd.into()).map(Self::Tcp)
        }
    }

    /// The address; `None` for a unix socket.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    /// Accepts a connection.
    pub(crate) fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = ready!(listener.poll_accept(context))?;
                // An answer's last bytes shall not wait for an acknowledgement of those before.
                stream.set_nodelay(true)?;
                Poll::Ready(Ok(Accepted::Tcp(stream, peer)))
            }
            Self::Unix(listener) => {
                let (stream, _) = ready!(listener.poll_accept(context))?;
                Poll::Ready(Ok(Accepted::Unix(stream)))
            }
        }
    }
}

/// The folder of a socket's path.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use vestibule_config::Place;

    use super::*;

    fn listen(address: &str) -> Listen {
        let address = Address::Tcp(address.parse().unwrap());
        let protocol = crate::front::protocols()[0];
        Listen { address, mode: None, owner: None, protocol, proxy_protocol: false, place: Place::default() }
    }

    #[test]
    fn a_port_of_0_becomes_a_real_one_and_two_of_them_are_two_sockets() {
        let sockets =
            bind_all(&[listen("127.0.0.1:0"), listen("127.0.0.1:0")], &[], &Passed::default()).unwrap();
        assert_ne!(sockets[0].local(), sockets[1].local());
        assert!(!sockets[0].local().to_string().ends_with(":0"));
        let again =
            bind_all(&[listen("127.0.0.1:0"), listen("127.0.0.1:0")], &sockets, &Passed::default()).unwrap();
        assert!(again.iter().zip(&sockets).all(|(one, other)| Arc::ptr_eq(one, other)));
    }

    #[test]
    fn all_addresses_are_those_of_ipv4_too() {
        let sockets = bind_all(&[listen("[::]:0")], &[], &Passed::default()).unwrap();
        let Address::Tcp(local) = sockets[0].local().0 else { panic!("{sockets:?}") };
        for host in ["127.0.0.1", "::1"] {
            std::net::TcpStream::connect((host, local.port())).unwrap();
        }
    }

    #[test]
    fn all_addresses_of_ipv6_go_with_all_of_ipv4() {
        let v4 = bind_all(&[listen("0.0.0.0:0")], &[], &Passed::default()).unwrap();
        let Address::Tcp(SocketAddr::V4(local)) = v4[0].local().0 else { panic!("{v4:?}") };
        let v6 = listen(&format!("[::]:{}", local.port()));
        Socket::bind(&v6, &[listen(&local.to_string()), v6.clone()], &Passed::default()).unwrap();
    }

    #[test]
    fn every_address_that_cannot_be_bound_is_told() {
        let taken = bind_all(&[listen("127.0.0.1:0")], &[], &Passed::default()).unwrap();
        let address = taken[0].local().to_string();
        let mistakes = bind_all(&[listen(&address), listen("192.0.2.1:0")], &[], &Passed::default())
            .unwrap_err()
            .to_string();
        assert!(mistakes.contains(&format!("{address}: the address is in use")), "{mistakes}");
        assert!(mistakes.contains("192.0.2.1:0: the address is not of this machine"), "{mistakes}");
    }
}
