//! From a path to an open file beneath the root.
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

/// The folder that files are served from. It is opened once.
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

    /// Opens what a relative path names; without waiting where the kernel's cache knows the path, else on a thread that may wait.
    pub(super) async fn find(&self, path: &[u8]) -> Result<Entry, Errno> {
        match look(&self.fd, path, BENEATH | ResolveFlags::CACHED) {
            Err(Errno::AGAIN | Errno::INTR) => {
                let (root, path) = (Arc::clone(&self.fd), path.to_vec());
                let looking = tokio::task::spawn_blocking(move || look_again(&root, &path));
                looking.await.unwrap_or(Err(Errno::CANCELED))
            }
            found => found,
        }
    }
}

/// EAGAIN now means that a `..` in a link could not be followed safely because a folder was moved meanwhile.
fn look_again(root: &OwnedFd, path: &[u8]) -> Result<Entry, Errno> {
    const TRIES: usize = 16;
    let mut tries = (0..TRIES).map(|_| look(root, path, BENEATH));
    tries.find(|found| !matches!(found, Err(Errno::AGAIN | Errno::INTR))).unwrap_or(Err(Errno::AGAIN))
}

fn look(root: &OwnedFd, path: &[u8], resolve: ResolveFlags) -> Result<Entry, Errno> {
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

/// A time before 1970 counts as 1970.
fn time(seconds: i64, nanoseconds: impl TryInto<u32>) -> SystemTime {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    UNIX_EPOCH + Duration::new(seconds, nanoseconds.try_into().unwrap_or(0))
}
