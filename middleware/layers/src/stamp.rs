//! What tells that a file has changed, without reading it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

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
