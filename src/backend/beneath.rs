//! From a path to a file beneath a folder, for those that serve files and those that run scripts.
//!
//! That nothing outside is reached is left to the kernel (`openat2` with `RESOLVE_BENEATH`): it alone can look at a path
//! and open it in one step. A link is followed while it stays beneath the root; one that leaves it, and any that is
//! absolute, is not.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fd::OwnedFd;
use rustix::fs::{Dev, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, open, openat2};
use rustix::io::Errno;

const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);

/// The folder that files are in. It is opened once.
pub(super) struct Root {
    fd: Arc<OwnedFd>,
    /// One of its own for each root of the process.
    number: usize,
}

/// What a path names.
pub(super) enum Entry {
    /// A regular file
    File(OpenFile),
    /// A folder
    Folder,
    /// A device, a pipe
    Other,
}

/// What there is to see at a path, where nothing is to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// A regular file
    File,
    /// A folder
    Folder,
    /// Nothing that is either
    Nothing,
}

/// A regular file, and its state when it was opened.
pub(super) struct OpenFile {
    pub(super) fd: Arc<OwnedFd>,
    pub(super) state: State,
}

/// What tells one state of a file from another, and one file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) size: u64,
    pub(super) modified: SystemTime,
    /// When anything of it changed, the time of modification included: nobody can set this one.
    pub(super) changed: SystemTime,
    device: Dev,
    inode: u64,
}

impl OpenFile {
    /// Whether the file has changed since it was opened, or may have.
    pub(super) fn has_changed(&self) -> bool {
        fstat(&self.fd).map_or(true, |stat| State::of(&stat) != self.state)
    }
}

impl State {
    fn of(stat: &Stat) -> Self {
        Self {
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: time(stat.st_mtime, stat.st_mtime_nsec),
            changed: time(stat.st_ctime, stat.st_ctime_nsec),
            device: stat.st_dev,
            inode: stat.st_ino,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum RootError {
    #[error("{0}")]
    Folder(io::Error),
    #[error("the kernel refuses `openat2`, which keeps requests beneath the root: {0}")]
    Kernel(io::Error),
}

impl Root {
    /// Opens the folder, and asks the kernel whether it can keep to it.
    pub(super) fn open(path: &Path) -> Result<Self, RootError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = open(path, flags, Mode::empty()).map_err(|error| RootError::Folder(error.into()))?;
        match openat2(&root, ".", flags, Mode::empty(), BENEATH | ResolveFlags::CACHED) {
            // "Not in the cache" is an answer of a kernel that has understood.
            Ok(_) | Err(Errno::AGAIN) => {
                static ROOTS: AtomicUsize = AtomicUsize::new(0);
                Ok(Self { fd: Arc::new(root), number: ROOTS.fetch_add(1, Ordering::Relaxed) })
            }
            Err(error) => Err(RootError::Kernel(error.into())),
        }
    }

    /// Tells it from the other roots of the process.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// Opens what a relative path names.
    pub(super) async fn find(&self, path: &[u8]) -> Result<Entry, Errno> {
        self.ask(path, open_file).await
    }

    /// What a relative path names; nothing is opened for reading, which a program may not permit.
    pub(super) async fn look(&self, path: &[u8]) -> Seen {
        self.ask(path, see).await.unwrap_or(Seen::Nothing)
    }

    /// Asks without waiting where the kernel's cache knows the path, else on a thread that may wait.
    async fn ask<T: Send + 'static>(&self, path: &[u8], ask: Ask<T>) -> Result<T, Errno> {
        match ask(&self.fd, path, BENEATH | ResolveFlags::CACHED) {
            Err(Errno::AGAIN | Errno::INTR) => {
                let (root, path) = (Arc::clone(&self.fd), path.to_vec());
                let asking = tokio::task::spawn_blocking(move || ask_again(&root, &path, ask));
                asking.await.unwrap_or(Err(Errno::CANCELED))
            }
            answer => answer,
        }
    }
}

/// A question about a relative path.
type Ask<T> = fn(&OwnedFd, &[u8], ResolveFlags) -> Result<T, Errno>;

/// EAGAIN now means that a `..` in a link could not be followed safely because a folder was moved meanwhile.
fn ask_again<T>(root: &OwnedFd, path: &[u8], ask: Ask<T>) -> Result<T, Errno> {
    const TRIES: usize = 16;
    let mut tries = (0..TRIES).map(|_| ask(root, path, BENEATH));
    tries.find(|found| !matches!(found, Err(Errno::AGAIN | Errno::INTR))).unwrap_or(Err(Errno::AGAIN))
}

fn open_file(root: &OwnedFd, path: &[u8], resolve: ResolveFlags) -> Result<Entry, Errno> {
    // A pipe without a writer must not hold the thread.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let fd = openat2(root, path, flags, Mode::empty(), resolve)?;
    let stat = fstat(&fd)?;
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Entry::File(OpenFile { fd: Arc::new(fd), state: State::of(&stat) }),
        FileType::Directory => Entry::Folder,
        _ => Entry::Other,
    })
}

fn see(root: &OwnedFd, path: &[u8], resolve: ResolveFlags) -> Result<Seen, Errno> {
    let stat = fstat(openat2(root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)?)?;
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Seen::File,
        FileType::Directory => Seen::Folder,
        _ => Seen::Nothing,
    })
}

/// Whether a segment begins with a dot; `/.well-known` (RFC 8615) is meant to be seen.
pub(super) fn is_hidden(name: &[u8]) -> bool {
    let seen = name.strip_prefix(b".well-known").filter(|rest| matches!(rest.first(), None | Some(b'/')));
    seen.unwrap_or(name).split(|&byte| byte == b'/').any(|segment| segment.starts_with(b"."))
}

/// A time before 1970 counts as 1970.
fn time(seconds: i64, nanoseconds: impl TryInto<u32>) -> SystemTime {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    UNIX_EPOCH + Duration::new(seconds, nanoseconds.try_into().unwrap_or(0))
}
