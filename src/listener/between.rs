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

use rustix::fs::{FileType, Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::UnixStream;
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

    /// Connects to the socket; to the one of a name, where it is a folder of some.
    pub(crate) async fn connect(&self, name: &str) -> io::Result<UnixStream> {
        if name.is_empty() {
            return UnixStream::connect(self.path()).await;
        }
        let socket = self.socket(name)?;
        UnixStream::connect(socket.path()).await
    }

    /// The way to a socket in a folder. Whoever owns the folder may have put a link there, to one that only we can reach.
    fn socket(&self, name: &str) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = rustix::fs::openat(&self.0, name, flags, Mode::empty())?;
        match FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode) {
            FileType::Socket => Ok(Self(found)),
            _ => Err(io::Error::other(format!("{name} is no socket"))),
        }
    }

    /// The path by which this process connects, as long as it has the door.
    fn path(&self) -> PathBuf {
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
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[tokio::test]
    async fn no_file_leads_there_and_the_door_does() {
        let (socket, door) = Socket::between(1).unwrap();
        let Address::Unix(path) = &socket.address else { panic!("no path") };
        assert!(!path.parent().unwrap().exists());
        let client = door.connect("").await.unwrap();
        let listener = UnixListener::from(socket.fd);
        let (served, _) = listener.accept().unwrap();
        drop((listener, served));
        assert!(door.connect("").await.is_err(), "nobody listens");
        drop(client);
    }

    #[tokio::test]
    async fn the_owner_of_a_folder_leads_nobody_elsewhere() {
        let base = tempfile::tempdir().unwrap();
        let (folder, elsewhere) = (base.path().join("folder"), base.path().join("elsewhere.sock"));
        std::fs::create_dir(&folder).unwrap();
        let _others = UnixListener::bind(&elsewhere).unwrap();
        let _own = UnixListener::bind(folder.join("0.sock")).unwrap();
        symlink(&elsewhere, folder.join("1.sock")).unwrap();
        let door = Door::to(&folder).unwrap();
        let refused = door.connect("1.sock").await.unwrap_err();
        assert_eq!(refused.to_string(), "1.sock is no socket");
        std::fs::rename(&folder, base.path().join("moved")).unwrap();
        symlink("/", &folder).unwrap();
        door.connect("0.sock").await.unwrap();
        assert_eq!(door.connect("2.sock").await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
