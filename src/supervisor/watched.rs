//! Notices that a file has changed that workers have built something from, or tried to, and that the configuration wants watched.
//!
//! Workers tell what the files were like when they read them, so that a change between reading and watching is seen. The
//! files are looked at once a second, as the `env_file` is, and for the same reasons.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use vestibule_config::{Seen, Stamp};

use super::control::{malformed, push_field, take_field};

/// Files and what they were like; `None`: not there, or not the same to all who have read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watched(BTreeMap<PathBuf, Option<Stamp>>);

impl Watched {
    /// Watches these files.
    pub(crate) fn new(files: impl IntoIterator<Item = Seen>) -> Self {
        let mut watched = Self::default();
        for (path, stamp) in files {
            watched
                .0
                .entry(path)
                .and_modify(|known| *known = known.filter(|_| *known == stamp))
                .or_insert(stamp);
        }
        watched
    }

    /// Watches what another worker has read, too.
    pub(super) fn join(&mut self, other: Self) {
        *self = Self::new(std::mem::take(&mut self.0).into_iter().chain(other.0));
    }

    /// Watches, too, what was read after it, by workers that did not come up.
    pub(super) fn follow(&mut self, later: &Self) {
        self.0.extend(later.0.clone());
    }

    /// A file that is not as it was when it was read, or asked for last. One that is gone says nothing yet: whoever replaces it
    /// may be between two steps.
    pub(super) fn changed(&mut self) -> Option<PathBuf> {
        self.0.iter_mut().find_map(|(path, stamp)| {
            let now = Stamp::now(path)?;
            (stamp.replace(now) != Some(now)).then(|| path.clone())
        })
    }

    /// As a message.
    pub(super) fn to_body(&self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        for (path, stamp) in &self.0 {
            push_field(&mut body, path.as_os_str().as_bytes())?;
            push_field(&mut body, &stamp.map(|stamp| stamp.to_bytes()).unwrap_or_default())?;
        }
        Ok(body)
    }

    /// From a message.
    pub(super) fn from_body(mut body: &[u8]) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        while !body.is_empty() {
            let path = Path::new(OsStr::from_bytes(take_field(&mut body)?)).to_owned();
            let stamp = match take_field(&mut body)? {
                [] => None,
                bytes => {
                    Some(Stamp::from_bytes(bytes).ok_or_else(|| malformed("a stamp has another length"))?)
                }
            };
            files.insert(path, stamp);
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
        let stamp = Stamp::now(&path);
        let mut watched = Watched::new([(path.clone(), stamp)]);
        watched.join(watched.clone());
        assert_eq!(watched.changed(), None);
        fs::remove_file(&path).unwrap();
        assert_eq!(watched.changed(), None);
        replace("new");
        assert_eq!((watched.changed(), watched.changed()), (Some(path.clone()), None));
        // What a worker has read before it changed is seen at once.
        assert_eq!(Watched::new([(path.clone(), stamp)]).changed(), Some(path));
    }

    #[test]
    fn what_two_workers_have_read_differently_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.xsl");
        fs::write(&path, "old").unwrap();
        let old = Watched::new([(path.clone(), Stamp::now(&path))]);
        fs::write(&path, "newer").unwrap();
        let new = Watched::new([(path.clone(), Stamp::now(&path))]);
        for (one, other) in [(&old, &new), (&new, &old)] {
            let mut both = one.clone();
            both.join(other.clone());
            assert_eq!((both.changed(), both.changed()), (Some(path.clone()), None));
        }
        // Whoever comes later and does not come up has seen the change.
        let mut current = old.clone();
        current.follow(&new);
        assert_eq!(current.changed(), None);
    }

    #[test]
    fn a_file_that_was_looked_for_has_changed_when_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.xsl");
        let mut watched = Watched::default();
        watched.follow(&Watched::new([(path.clone(), None)]));
        assert_eq!(watched.changed(), None);
        fs::write(&path, "").unwrap();
        assert_eq!((watched.changed(), watched.changed()), (Some(path), None));
    }

    #[test]
    fn what_a_worker_tells_arrives_as_it_was() {
        let path = PathBuf::from(OsStr::from_bytes(b"/srv/\xff.xsl"));
        let watched = Watched::new([(path, Stamp::now(Path::new("/"))), ("/srv/b.xsl".into(), None)]);
        assert_eq!(Watched::from_body(&watched.to_body().unwrap()).unwrap(), watched);
        assert!(Watched::from_body(b"\x01\0\0\0a\x01\0\0\0b").is_err());
    }
}
