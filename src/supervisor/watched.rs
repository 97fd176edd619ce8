//! Notices that a file has changed that workers have built something from, and that the configuration wants watched.
//!
//! Workers tell what the files were like when they read them, so that a change between reading and watching is seen. The
//! files are looked at once a second, as the `env_file` is, and for the same reasons.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use vestibule_layers::Stamp;

use super::control::{malformed, push_field, take_field};

/// Files and what they were like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watched(Vec<(PathBuf, Stamp)>);

impl Watched {
    /// Watches these files.
    pub(crate) fn new(files: Vec<(PathBuf, Stamp)>) -> Self {
        Self(files)
    }

    /// Watches what another worker has read, too.
    pub(super) fn join(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// A file that is not as it was when it was read, or asked for last. One that is gone says nothing yet: whoever replaces it
    /// may be between two steps.
    pub(super) fn changed(&mut self) -> Option<PathBuf> {
        let changed = self.0.iter().find_map(|(path, stamp)| {
            let now = Stamp::now(path)?;
            (now != *stamp).then(|| (path.clone(), now))
        });
        let (changed, now) = changed?;
        for (path, stamp) in &mut self.0 {
            if *path == changed {
                *stamp = now;
            }
        }
        Some(changed)
    }

    /// As a message.
    pub(super) fn to_body(&self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        for (path, stamp) in &self.0 {
            push_field(&mut body, path.as_os_str().as_bytes())?;
            push_field(&mut body, &stamp.to_bytes())?;
        }
        Ok(body)
    }

    /// From a message.
    pub(super) fn from_body(mut body: &[u8]) -> io::Result<Self> {
        let mut files = Vec::new();
        while !body.is_empty() {
            let path = Path::new(OsStr::from_bytes(take_field(&mut body)?)).to_owned();
            let stamp = Stamp::from_bytes(take_field(&mut body)?);
            files.push((path, stamp.ok_or_else(|| malformed("a stamp has another length"))?));
        }
        Ok(Self(files))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_change_is_told_once_and_a_file_that_is_gone_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.xsl");
        let replace = |text: &str| {
            fs::write(folder.path().join("next"), text).unwrap();
            fs::rename(folder.path().join("next"), &path).unwrap();
        };
        replace("old");
        let stamp = Stamp::now(&path).unwrap();
        let mut watched = Watched::new(vec![(path.clone(), stamp)]);
        watched.join(watched.clone());
        assert_eq!(watched.changed(), None);
        fs::remove_file(&path).unwrap();
        assert_eq!(watched.changed(), None);
        replace("new");
        assert_eq!((watched.changed(), watched.changed()), (Some(path.clone()), None));
        // What a worker has read before it changed is seen at once.
        assert_eq!(Watched::new(vec![(path.clone(), stamp)]).changed(), Some(path));
    }

    #[test]
    fn what_a_worker_tells_arrives_as_it_was() {
        let path = PathBuf::from(OsStr::from_bytes(b"/srv/\xff.xsl"));
        let watched = Watched::new(vec![(path, Stamp::now(Path::new("/")).unwrap())]);
        assert_eq!(Watched::from_body(&watched.to_body().unwrap()).unwrap(), watched);
        assert!(Watched::from_body(b"\x01\0\0\0a\x01\0\0\0b").is_err());
    }
}
