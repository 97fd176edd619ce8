//! Sockets that systemd has bound and passes on (`sd_listen_fds(3)`): nothing is bound here, no right to a low port is needed, and
//! clients wait while the service is restarted.
//!
//! ```yaml
//! listen: [ "fd:web" ]   # FileDescriptorName=web in the .socket unit, or the number of the descriptor: fd:3
//! ```
//!
//! They are kept for the life of the supervisor: a reload may list one again that the last one did not.

use std::env;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use listenfd::ListenFd;
use rustix::net::{SocketAddrUnix, getsockname, sockopt};
use vestibule_config::{Address, Diagnostic};

/// The number of the first descriptor.
const FIRST: usize = 3;

/// The sockets that were passed to this process.
#[derive(Debug, Default)]
pub(crate) struct Passed(Vec<PassedSocket>);

#[derive(Debug)]
struct PassedSocket {
    name: String,
    number: usize,
    fd: OwnedFd,
}

impl Passed {
    /// Takes the sockets over, once, such that no other program inherits them.
    pub(crate) fn take() -> Self {
        // Another process may have been meant, of which this one has inherited the environment.
        if env::var("LISTEN_PID").ok().and_then(|pid| pid.parse().ok()) != Some(std::process::id()) {
            return Self::default();
        }
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut all = ListenFd::from_env();
        let sockets = (0..all.len()).filter_map(|index| {
            let name = names.next().unwrap_or_default().to_owned();
            let number = FIRST + index;
            match take_one(&mut all, index) {
                Ok(fd) => Some(PassedSocket { name, number, fd }),
                Err(error) => {
                    tracing::warn!(
                        name,
                        number,
                        "a descriptor that was passed cannot be listened on: {error}"
                    );
                    None
                }
            }
        });
        Self(sockets.collect())
    }

    /// A socket by its name or number, ready to be accepted from, and where it listens.
    pub(super) fn socket(&self, name: &str) -> Result<(OwnedFd, Address), Diagnostic> {
        let socket = self.find(name)?;
        let failed = |error: io::Error| {
            Diagnostic::error(format!("failed to take over the socket `fd:{name}`: {error}"))
        };
        rustix::io::ioctl_fionbio(&socket.fd, true).map_err(|error| failed(error.into()))?;
        let local = local(&socket.fd).unwrap_or_else(|| Address::Passed(name.to_owned()));
        Ok((socket.fd.try_clone().map_err(failed)?, local))
    }

    fn find(&self, name: &str) -> Result<&PassedSocket, Diagnostic> {
        let mut named = self.0.iter().filter(|socket| socket.name == name);
        if let Some(first) = named.next() {
            return match named.next() {
                None => Ok(first),
                Some(second) => Err(Diagnostic::error(format!("several sockets were passed as `fd:{name}`"))
                    .help(format!("name them by number: `fd:{}`, `fd:{}`", first.number, second.number))),
            };
        }
        let number = name.parse().ok();
        self.0.iter().find(|socket| Some(socket.number) == number).ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &str) -> Diagnostic {
        let mistake = Diagnostic::error(format!("no socket was passed as `fd:{name}`"));
        if self.0.is_empty() {
            return mistake.help(
                "systemd passes the sockets of a .socket unit to the service of the same name: start that unit; by hand, \
                 `systemd-socket-activate --listen=8000 --fdname=NAME vestibule run FILE` does the same",
            );
        }
        let names: Vec<_> =
            self.0.iter().map(|socket| format!("fd:{} (fd:{})", socket.number, socket.name)).collect();
        mistake.help(format!("there are {}", names.join(", ")))
    }
}

fn take_one(all: &mut ListenFd, index: usize) -> io::Result<OwnedFd> {
    let tcp = all.take_tcp_listener(index);
    let fd = match tcp {
        Ok(socket) => socket.map(OwnedFd::from),
        Err(_) => all.take_unix_listener(index)?.map(OwnedFd::from),
    };
    let fd = fd.ok_or(io::ErrorKind::NotFound)?;
    if sockopt::socket_acceptconn(&fd)? {
        Ok(fd)
    } else {
        Err(io::Error::other("it does not listen (a .socket unit with `Accept=yes`?)"))
    }
}

/// Where a socket listens; `None` for one without a path.
fn local(fd: &OwnedFd) -> Option<Address> {
    let address = getsockname(fd).ok()?;
    if let Ok(tcp) = std::net::SocketAddr::try_from(address.clone()) {
        return Some(Address::Tcp(tcp));
    }
    let path = SocketAddrUnix::try_from(address).ok()?.path()?.to_str().ok().map(PathBuf::from)?;
    Some(Address::Unix(path))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn passed(names: &[&str]) -> Passed {
        let socket = |(index, name): (usize, &&str)| PassedSocket {
            name: (*name).to_owned(),
            number: FIRST + index,
            fd: TcpListener::bind("127.0.0.1:0").unwrap().into(),
        };
        Passed(names.iter().enumerate().map(socket).collect())
    }

    #[test]
    fn a_socket_is_found_by_its_name_or_its_number() {
        let passed = passed(&["web", "3", "admin"]);
        let address = |name: &str| passed.socket(name).unwrap().1;
        assert_eq!(address("admin"), address("5"));
        assert_ne!(address("web"), address("admin"));
        // A name that looks like a number is a name.
        assert_eq!(address("3"), address("4"));
    }

    #[test]
    fn what_was_not_passed_is_told_with_what_was() {
        let told = |passed: &Passed, name: &str| passed.socket(name).unwrap_err();
        let several = passed(&["web", "web"]);
        assert!(told(&several, "web").message().contains("several sockets"));
        let rendered = vestibule_config::Diagnostics::from(told(&several, "shop")).render(false);
        assert!(rendered.contains("there are fd:3 (fd:web), fd:4 (fd:web)"), "{rendered}");
        assert!(told(&Passed::default(), "3").message().contains("no socket was passed as `fd:3`"));
    }
}
