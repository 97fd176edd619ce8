//! The folder in which a program opens its sockets.
//!
//! Whoever reaches a socket in it can tell the application any user, address or scheme: only the program's user may enter it.
//! It belongs to that user, who could give its name to another one, or to a link. So it stands in one of ours, where nobody
//! else may write, and nobody but the program goes there by its path: the gateway has a [`Door`].
//!
//! The outer one is locked as long as this process lives. One that is not locked is of a supervisor that was killed; the next
//! one removes it.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat};
use rustix::io::Errno;
use tempfile::TempDir;

use crate::listener::Door;
use crate::listener::owner::Login;

/// What the names of outer folders begin with.
const PREFIX: &str = "vestibule-sockets-";

/// The name of the inner folder.
const INNER: &str = "own";

/// A folder of a user's own. Dropped, it is removed.
#[derive(Debug)]
pub(super) struct OwnFolder {
    outer: TempDir,
    door: Arc<Door>,
    /// Given up after the folder.
    _lock: OwnedFd,
}

impl OwnFolder {
    /// Makes one among the temporary files; without a user, it is ours.
    pub(super) fn new(user: Option<&Login>) -> io::Result<Self> {
        let base = std::env::temp_dir();
        remove_left_over(&base);
        Self::within(&base, user)
    }

    fn within(base: &Path, user: Option<&Login>) -> io::Result<Self> {
        let (outer, lock) = loop {
            // Nobody else is to write there, nor to lock it, before its mode is set.
            let ours = Permissions::from_mode(0o700);
            let outer = tempfile::Builder::new().prefix(PREFIX).permissions(ours).tempdir_in(base)?;
            // Before it was locked, another supervisor may have taken it for one that is left over.
            if let Some(lock) = lock(outer.path())? {
                break (outer, lock);
            }
        };
        fs::set_permissions(outer.path(), Permissions::from_mode(0o711))?;
        let inner = outer.path().join(INNER);
        DirBuilder::new().mode(0o700).create(&inner)?;
        let door = Arc::new(Door::to(&inner)?);
        if let Some(login) = user {
            chown(&inner, Some(login.user), Some(login.group))?;
        }
        Ok(Self { outer, door, _lock: lock })
    }

    /// The way there for processes of ours.
    pub(super) fn door(&self) -> &Arc<Door> {
        &self.door
    }

    /// The path of a file in it, for the program.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.outer.path().join(INNER).join(name)
    }
}

/// Locks a folder; `None` where another process has it, or it has gone.
fn lock(path: &Path) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let locked = rustix::fs::open(path, flags, Mode::empty())
        .and_then(|folder| flock(&folder, FlockOperation::NonBlockingLockExclusive).map(|()| folder));
    let folder = match locked {
        Ok(folder) => folder,
        Err(Errno::NOENT | Errno::WOULDBLOCK) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let held = fstat(&folder)?;
    let is_there =
        fs::symlink_metadata(path).is_ok_and(|now| (now.dev(), now.ino()) == (held.st_dev, held.st_ino));
    Ok(is_there.then_some(folder))
}

/// Removes what supervisors that were killed have left. What cannot be removed stays.
fn remove_left_over(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    let named =
        entries.flatten().filter(|entry| entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()));
    for path in named.map(|entry| entry.path()) {
        if let Err(error) = remove_if_left_over(&path) {
            tracing::debug!(path = %path.display(), "a temporary folder stays: {error}");
        }
    }
}

/// Removes an outer folder that nobody has locked; nothing of it but what is known to stand in one.
fn remove_if_left_over(path: &Path) -> io::Result<()> {
    let Some(folder) = lock(path)? else { return Ok(()) };
    if fstat(&folder)?.st_uid != rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    match fs::remove_dir_all(format!("/proc/self/fd/{}/{INNER}", folder.as_raw_fd())) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::remove_dir(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn nobody_else_enters_it_and_its_user_cannot_replace_it() {
        let base = tempfile::tempdir().unwrap();
        let folder = OwnFolder::within(base.path(), None).unwrap();
        let inner = folder.path("");
        assert_eq!((mode(&inner), mode(inner.parent().unwrap())), (0o700, 0o711));
        drop(folder);
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_supervisor_has_left_is_removed_and_nothing_else() {
        let base = tempfile::tempdir().unwrap();
        let live = OwnFolder::within(base.path(), None).unwrap();
        let OwnFolder { outer, door: _, _lock: lock } = OwnFolder::within(base.path(), None).unwrap();
        let left = outer.keep();
        fs::write(left.join(INNER).join("0.sock"), "").unwrap();
        let of_somebody = base.path().join(format!("{PREFIX}of-somebody"));
        fs::create_dir_all(of_somebody.join("precious")).unwrap();
        remove_left_over(base.path());
        assert!(left.exists(), "it is locked");
        // Closing it is not enough while another test forks.
        flock(&lock, FlockOperation::Unlock).unwrap();
        remove_left_over(base.path());
        assert!(!left.exists());
        assert!(live.path("").exists() && of_somebody.join("precious").exists());
    }

    #[test]
    fn a_folder_that_has_gone_is_not_locked() {
        let base = tempfile::tempdir().unwrap();
        assert!(lock(&base.path().join("gone")).unwrap().is_none());
        let _held = lock(base.path()).unwrap().unwrap();
        assert!(lock(base.path()).unwrap().is_none());
    }
}
