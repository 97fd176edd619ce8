//! What tells that a file has changed, without reading it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A file that something was made of, or would have been, and what it was like; `None` if it was not there.
pub type Seen = (PathBuf, Option<Stamp>);

/// Inode, size and times of a file. Another file in its place, a switched link (a ConfigMap of Kubernetes) and a change in
/// place all make another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Device and inode
    pub inode: (u64, u64),
    /// In bytes
    pub size: u64,
    /// Of the content: seconds and nanoseconds
    pub modified: (i64, i64),
    /// Of the content or anything else
    pub changed: (i64, i64),
}

impl Stamp {
    /// That of a file as it is now; `None` where there is none.
    pub fn now(path: &Path) -> Option<Self> {
        path.metadata().ok().as_ref().map(Self::from)
    }

    /// As bytes, for another process of this machine.
    pub fn to_bytes(&self) -> Vec<u8> {
        let unsigned = [self.inode.0, self.inode.1, self.size].into_iter().flat_map(u64::to_le_bytes);
        let times = [self.modified.0, self.modified.1, self.changed.0, self.changed.1];
        unsigned.chain(times.into_iter().flat_map(i64::to_le_bytes)).collect()
    }

    /// From bytes; `None` if they are none of a stamp.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, []) = bytes.as_chunks::<8>() else { return None };
        let [device, inode, size, modified, modified_ns, changed, changed_ns] = *words else { return None };
        let time = |seconds, nanoseconds| (i64::from_le_bytes(seconds), i64::from_le_bytes(nanoseconds));
        Some(Self {
            inode: (u64::from_le_bytes(device), u64::from_le_bytes(inode)),
            size: u64::from_le_bytes(size),
            modified: time(modified, modified_ns),
            changed: time(changed, changed_ns),
        })
    }
}

impl From<&Metadata> for Stamp {
    fn from(file: &Metadata) -> Self {
        Self {
            inode: (file.dev(), file.ino()),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}
