//! Sockets between processes of ours, to which no file leads.
//!
//! A unix socket has a file, and whoever may write to that can connect: he could tell an application any user, address or
//! scheme. So the file is made in a folder that nobody else may enter, and removed at once: the descriptor of it that is
//! left (`O_PATH`) is the only way in, by its name in `/proc/self/fd`. There is nothing to clean up, however we end.

use std::fs::Permissions;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use vestibule_config::Address;

use super::{BACKLOG, Local, Socket};

/// The way to a socket between processes.
#[derive(Debug)]
pub(crate) struct Door(OwnedFd);

impl Door {
    /// Takes over what another process has handed to this one.
    pub(crate) fn new(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }

    /// Opens the way to a socket, or to the folder of some.
    pub(crate) fn to(path: &Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?))
    }

    /// The path by which this process connects, as long as it has the door.
    pub(crate) fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }
}

impl AsFd for Door {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Socket {
    /// Binds a socket between processes of ours, and opens the way there. `waiting` connections may wait. It blocks, as programs
    /// expect of their stdin.
    pub(crate) fn between(waiting: usize) -> io::Result<(Self, Door)> {
        let folder = tempfile::Builder::new()
            .prefix("vestibule-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()?;
        let path = folder.path().join("socket");
        let (family, flags) = (AddressFamily::UNIX, SocketFlags::CLOEXEC);
        let fd = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        rustix::net::bind(&fd, &SocketAddrUnix::new(&path)?)?;
        let door = Door::to(&path)?;
        folder.close()?;
        rustix::net::listen(&fd, i32::try_from(waiting).unwrap_or(BACKLOG).min(BACKLOG))?;
        let address = Address::Unix(path);
        Ok((Self { local: Local(address.clone()), address, fd, file: None }, door))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn no_file_leads_there_and_the_door_does() {
        let (socket, door) = Socket::between(1).unwrap();
        let Address::Unix(path) = &socket.address else { panic!("no path") };
        assert!(!path.parent().unwrap().exists());
        let client = UnixStream::connect(door.path()).unwrap();
        let listener = UnixListener::from(socket.fd);
        let (served, _) = listener.accept().unwrap();
        drop((listener, served));
        assert!(UnixStream::connect(door.path()).is_err(), "nobody listens");
        drop(client);
    }
}
