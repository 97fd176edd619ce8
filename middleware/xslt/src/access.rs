//! What sheets and documents may read: files under listed folders, and what was fetched for them; nothing else.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::documents::Fetched;

/// What may be read at the moment.
#[derive(Debug, Clone)]
pub(crate) enum Access {
    /// Nothing: a document of unknown origin is being parsed.
    Nothing,
    /// A sheet is being compiled or run.
    Granted {
        /// Files under these folders (canonical paths)
        folders: Arc<[PathBuf]>,
        /// What was fetched before, by URI
        fetched: Fetched,
    },
}

/// The answer to one request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Granted(PathBuf),
    /// It was fetched.
    Fetched(Bytes),
    /// Not there, so there is nothing to refuse: libxslt reports it its own way.
    Missing(PathBuf),
    /// It is there, or a link is, and leads to where nothing may be read.
    Outside(PathBuf),
    Denied,
}

impl Access {
    /// Symbolic links are followed before the folders are compared: one that leaves them is refused.
    pub(crate) fn check(&self, uri: &[u8]) -> Verdict {
        let Self::Granted { folders, fetched } = self else { return Verdict::Denied };
        if let Some(bytes) = fetched.get(uri) {
            return Verdict::Fetched(bytes.clone());
        }
        let Some(path) = path_of(uri) else { return Verdict::Denied };
        match path.canonicalize() {
            Ok(path) if folders.iter().any(|folder| path.starts_with(folder)) => Verdict::Granted(path),
            Ok(_) => Verdict::Outside(path),
            Err(_) => Verdict::Missing(path),
        }
    }
}

/// The file that a URI names; `None` for what is not a file of this machine, or not absolute.
fn path_of(uri: &[u8]) -> Option<PathBuf> {
    let path = if let Some(rest) = uri.strip_prefix(b"file://") {
        rest.strip_prefix(b"localhost").unwrap_or(rest)
    } else {
        uri.strip_prefix(b"file:").unwrap_or(uri)
    };
    path.starts_with(b"/").then(|| PathBuf::from(OsString::from_vec(percent_decoded(path))))
}

pub(crate) fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, digit(after.first()), digit(after.get(1))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).unwrap_or(byte));
                rest = &after[2..];
            }
            _ => decoded.push(byte),
        }
    }
    decoded
}

/// The URI of a file, as libxml2 wants it for resolving others against it: a path, with what is special in URIs
/// escaped. Plain paths stay readable in messages.
pub(crate) fn uri_of(path: &Path) -> Vec<u8> {
    let mut uri = Vec::new();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=@".contains(&byte) {
            uri.push(byte);
        } else {
            uri.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(folder: &Path) -> Access {
        Access::Granted { folders: Arc::from([folder.canonicalize().unwrap()]), fetched: Fetched::default() }
    }

    #[test]
    fn files_under_the_folder_are_granted_under_each_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a b.xsl");
        std::fs::write(&file, "").unwrap();
        let (access, canonical) = (folders(folder.path()), file.canonicalize().unwrap());
        for prefix in ["", "file://", "file://localhost", "file:"] {
            let uri = [prefix.as_bytes(), &uri_of(&file)].concat();
            assert_eq!(access.check(&uri), Verdict::Granted(canonical.clone()), "{prefix}");
        }
    }

    #[test]
    fn what_leaves_the_folder_is_denied() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link.xsl")).unwrap();
        let access = folders(folder.path());
        for uri in ["http://example.com/a.xsl", "ftp://a/b", "a.xsl", "-", ""] {
            assert_eq!(access.check(uri.as_bytes()), Verdict::Denied, "{uri}");
        }
        for uri in ["/etc/passwd", "file:///etc/passwd"] {
            assert_eq!(access.check(uri.as_bytes()), Verdict::Outside("/etc/passwd".into()), "{uri}");
        }
        for uri in
            ["link.xsl", "../../../../../../../etc/passwd", "%2e%2e/%2e%2e/%2E%2E/%2E%2E/%2E%2E/etc/passwd"]
        {
            let uri = format!("{}/{uri}", folder.path().display());
            let verdict = access.check(uri.as_bytes());
            assert!(matches!(verdict, Verdict::Outside(_)), "{uri}: {verdict:?}");
        }
    }

    #[test]
    fn what_was_fetched_is_granted_by_its_very_uri() {
        let folder = tempfile::tempdir().unwrap();
        let fetched = Fetched::from_iter([("route:/a.xml".to_owned(), Bytes::from_static(b"<a/>"))]);
        let access = Access::Granted { folders: Arc::from([folder.path().to_owned()]), fetched };
        assert_eq!(access.check(b"route:/a.xml"), Verdict::Fetched(Bytes::from_static(b"<a/>")));
        for uri in ["route:/b.xml", "route:/./a.xml", "/a.xml", "http://localhost/a.xml"] {
            assert_ne!(access.check(uri.as_bytes()), Verdict::Fetched(Bytes::from_static(b"<a/>")), "{uri}");
        }
        assert_eq!(Access::Nothing.check(b"route:/a.xml"), Verdict::Denied);
    }

    #[test]
    fn what_is_not_there_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("no.xsl");
        assert_eq!(folders(folder.path()).check(&uri_of(&path)), Verdict::Missing(path));
    }
}
