//! Stylesheets in folders, compiled and kept, and compiled again when one of their files has changed.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use http_environ::RequestPath;
use tower_xslt::{Policy, SourceFile, Stylesheet, XsltError};
use vestibule_config::{Seen, Stamp};

use super::recent::Recent;

/// How many compiled sheets are kept.
const KEPT: usize = 64;

/// How many segments of a path are looked up at most.
const SEGMENTS: usize = 16;

/// Sheets of folders. All of it blocks.
pub(super) struct Files {
    policy: Policy,
    kept: Mutex<Recent<PathBuf, Kept>>,
    /// Held while a sheet is compiled: those who wait for the same one find it done.
    compiling: Mutex<()>,
}

#[derive(Clone)]
struct Kept {
    stylesheet: Stylesheet,
    files: Vec<Seen>,
}

impl Files {
    pub(super) fn new(policy: Policy) -> Self {
        Self { policy, kept: Mutex::new(Recent::new(KEPT)), compiling: Mutex::default() }
    }

    /// The sheet that a path leads to in a folder; `None` where there is none.
    pub(super) fn sheet(&self, folder: &Path, path: &RequestPath) -> Result<Option<Stylesheet>, XsltError> {
        let Some(path) = find(folder, path) else { return Ok(None) };
        if let Some(stylesheet) = self.unchanged(&path) {
            return Ok(Some(stylesheet));
        }
        let _alone = self.compiling.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stylesheet) = self.unchanged(&path) {
            return Ok(Some(stylesheet));
        }
        let stylesheet = Stylesheet::compile([&path], &self.policy)?;
        let files = stylesheet.files().iter().map(seen).collect();
        let kept = Kept { files, stylesheet: stylesheet.clone() };
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).put(path, kept);
        Ok(Some(stylesheet))
    }

    /// The sheets that are kept.
    pub(super) fn stylesheets(&self) -> Vec<Stylesheet> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.values().map(|kept| kept.stylesheet.clone()).collect()
    }

    /// The sheet as it was compiled last, if none of its files is another since.
    fn unchanged(&self, path: &PathBuf) -> Option<Stylesheet> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(path)?.clone();
        kept.files.iter().all(|(path, stamp)| Stamp::now(path) == *stamp).then_some(kept.stylesheet)
    }
}

/// A file, as it was when it was read.
pub(super) fn seen(file: &SourceFile) -> Seen {
    (file.path.clone(), file.metadata.as_ref().map(Stamp::from))
}

/// The file that the longest end of a path names in a folder, links followed. It never leaves the folder.
fn find(folder: &Path, path: &RequestPath) -> Option<PathBuf> {
    let folder = folder.canonicalize().ok()?;
    let segments: Vec<&[u8]> =
        path.decoded().split(|byte| *byte == b'/').filter(|segment| !segment.is_empty()).collect();
    let first = segments.len().saturating_sub(SEGMENTS);
    (first..segments.len()).find_map(|start| {
        let end: PathBuf = segments[start..].iter().map(|segment| OsStr::from_bytes(segment)).collect();
        let file = folder.join(end).canonicalize().ok()?;
        (file.starts_with(&folder) && file.is_file()).then_some(file)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn sheet(text: &str) -> String {
        format!(
            r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">{text}<xsl:output method="text"/></xsl:stylesheet>"#
        )
    }

    fn made(files: &Files, folder: &Path) -> String {
        let path = RequestPath::parse("/style/a.xsl").unwrap();
        let stylesheet = files.sheet(folder, &path).unwrap().unwrap();
        let output = stylesheet.transform(b"<x/>".as_slice(), &[], &tower_xslt::Limits::default()).unwrap();
        String::from_utf8(output.bytes.to_vec()).unwrap()
    }

    #[test]
    fn the_longest_end_that_is_there_is_taken_and_no_file_outside() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("xsl");
        fs::create_dir_all(root.join("style")).unwrap();
        for name in ["xsl/a.xsl", "xsl/style/a.xsl", "xsl/b.xsl", "secret.xsl"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        std::os::unix::fs::symlink(folder.path().join("secret.xsl"), root.join("link.xsl")).unwrap();
        let found = |path: &str| find(&root, &RequestPath::parse(path).unwrap());
        let file = |name: &str| Some(root.join(name).canonicalize().unwrap());
        assert_eq!(found("/x/style/a.xsl"), file("style/a.xsl"));
        assert_eq!(found("/x/a.xsl"), file("a.xsl"));
        assert_eq!(found("//%62.xsl"), file("b.xsl"));
        for path in ["/../secret.xsl", "/link.xsl", "/style", "/", "/none.xsl", "/secret.xsl"] {
            assert_eq!(found(path), None, "{path}");
        }
    }

    #[test]
    fn a_changed_sheet_or_import_is_compiled_again_and_an_unchanged_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            fs::write(folder.path().join("next"), sheet(text)).unwrap();
            fs::rename(folder.path().join("next"), folder.path().join(name)).unwrap();
        };
        let says = |text: &str| format!("<xsl:template match='/'>{text}</xsl:template>");
        write("a.xsl", "<xsl:import href='b.xsl'/>");
        write("b.xsl", &says("old"));
        let files = Files::new(Policy::default());
        assert_eq!(made(&files, folder.path()), "old");
        let path = folder.path().canonicalize().unwrap().join("a.xsl");
        let before = files.unchanged(&path).expect("it is kept").fingerprint();
        write("b.xsl", &says("new"));
        assert!(files.unchanged(&path).is_none());
        assert_eq!(made(&files, folder.path()), "new");
        assert_ne!(files.unchanged(&path).unwrap().fingerprint(), before);
        write("b.xsl", "<xsl:template match='/'>");
        assert!(files.sheet(folder.path(), &RequestPath::parse("/a.xsl").unwrap()).is_err());
        write("b.xsl", &says("mended"));
        assert_eq!(made(&files, folder.path()), "mended");
    }
}
