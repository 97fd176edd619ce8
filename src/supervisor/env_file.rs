//! Notices that the `env_file` has another content.
//!
//! It is looked at once a second, by its inode, size and times: what that costs cannot be measured, and it sees what
//! inotify does not without a watch on every folder and link of the path: a file that is put in place by `rename`, a link
//! that is switched (a ConfigMap of Kubernetes), a network's file system. Only a change of these has the file read.

use std::fs;
use std::sync::Arc;

use vestibule_config::{SourceText, Stamp};

/// The `env_file` of the configuration that was read last.
#[derive(Debug, Default)]
pub(super) struct EnvFile {
    text: Option<Arc<SourceText>>,
    seen: Option<Stamp>,
}

impl EnvFile {
    /// Watches the file that this text was read from.
    pub(super) fn watch(&mut self, text: Option<&Arc<SourceText>>) {
        self.text = text.cloned();
        // It may have changed since it was read: so it is compared once more.
        self.seen = None;
    }

    /// Whether the file says something else than when it was asked last. A file that is gone says nothing yet: whoever
    /// replaces it may be between two steps.
    pub(super) fn has_changed(&mut self) -> bool {
        let Some(text) = &self.text else { return false };
        let Some(stamp) = Stamp::now(text.path()) else { return false };
        if self.seen.as_ref() == Some(&stamp) {
            return false;
        }
        self.seen = Some(stamp);
        let Ok(now) = fs::read_to_string(text.path()) else { return false };
        if now == text.text() {
            return false;
        }
        self.text = Some(Arc::new(SourceText::new(text.path(), now)));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_content_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("env");
        fs::write(&path, "A=1\n").unwrap();
        let mut file = EnvFile::default();
        assert!(!file.has_changed(), "nothing is watched yet");
        file.watch(Some(&Arc::new(SourceText::new(&path, "A=1\n"))));
        assert!(!file.has_changed());
        fs::write(&path, "A=1\n").unwrap();
        assert!(!file.has_changed(), "written again, and the same");
        fs::remove_file(&path).unwrap();
        assert!(!file.has_changed(), "about to be replaced");
        fs::write(folder.path().join("new"), "A=2\n").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        assert!(file.has_changed() && !file.has_changed(), "told once");
    }

    #[test]
    fn a_change_between_reading_and_watching_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("env");
        fs::write(&path, "A=2\n").unwrap();
        let mut file = EnvFile::default();
        file.watch(Some(&Arc::new(SourceText::new(&path, "A=1\n"))));
        assert!(file.has_changed());
    }
}
