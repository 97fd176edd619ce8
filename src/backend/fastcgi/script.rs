//! Which script a path names, and what of the path is left for it.
//!
//! The path is split behind the first name that ends as scripts do and is a file: `/app.php/a/b.php` is `/app.php` with
//! PATH_INFO `/a/b.php`. A script that does not exist is never passed on: PHP would look for one among the folders
//! above (`cgi.fix_pathinfo`), and run an uploaded image of which a client calls `/avatar.jpg/x.php`.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How late it may be seen that a script is gone.
const TRUSTED: Duration = Duration::from_secs(1);

/// How many scripts are known at most. Clients cannot make up more than there are, and few sites have so many.
const MOST_KNOWN: usize = 4_096;

/// The scripts beneath a folder.
pub(super) struct Scripts {
    root: PathBuf,
    index: String,
    endings: Vec<String>,
    fallback: Option<String>,
    /// Scripts that were there a moment ago, and when.
    known: Mutex<HashMap<Vec<u8>, Instant>>,
}

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Script(Script),
    /// A folder with an index, named without its slash
    Folder,
    Nothing,
}

/// A script, and what is left of the path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Script {
    /// Beneath the root, with a slash in front
    pub(super) path: Vec<u8>,
    pub(super) path_info: Vec<u8>,
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    File,
    Folder,
    Nothing,
}

impl Seen {
    fn at(path: &Path) -> Self {
        match path.metadata() {
            Ok(metadata) if metadata.is_file() => Self::File,
            Ok(metadata) if metadata.is_dir() => Self::Folder,
            _ => Self::Nothing,
        }
    }
}

/// No script answers for a path.
#[derive(Debug, thiserror::Error)]
#[error("the path names no script")]
pub(super) struct NotFound;

impl Scripts {
    pub(super) fn new(root: PathBuf, index: String, endings: Vec<String>, fallback: Option<String>) -> Self {
        Self { root, index, endings, fallback, known: Mutex::default() }
    }

    /// The folder.
    pub(super) fn root(&self) -> &[u8] {
        let root = self.root.as_os_str().as_bytes();
        root.strip_suffix(b"/").unwrap_or(root)
    }

    /// The script for a decoded path, whose dot segments are resolved.
    pub(super) async fn find(&self, path: &[u8]) -> Found {
        let mut path = path.to_vec();
        path.dedup_by(|next, before| *next == b'/' && *before == b'/');
        if !path.starts_with(b"/") {
            path.insert(0, b'/');
        }
        for end in self.candidates(&path) {
            match self.look(&path[..end]).await {
                Seen::File => {
                    let path_info = path.split_off(end);
                    return Found::Script(Script { path, path_info });
                }
                Seen::Folder => {}
                // Nor is there anything beneath it, however many names follow.
                Seen::Nothing => break,
            }
        }
        let is_folder = path.ends_with(b"/");
        let mut index = path;
        if !is_folder {
            index.push(b'/');
        }
        index.extend_from_slice(self.index.as_bytes());
        if self.look(&index).await == Seen::File {
            return if is_folder {
                Found::Script(Script { path: index, path_info: Vec::new() })
            } else {
                Found::Folder
            };
        }
        if let Some(fallback) = &self.fallback {
            let path = [b"/", fallback.as_bytes()].concat();
            if self.look(&path).await == Seen::File {
                return Found::Script(Script { path, path_info: Vec::new() });
            }
        }
        Found::Nothing
    }

    /// Where segments end that are named as scripts are.
    fn candidates(&self, path: &[u8]) -> Vec<usize> {
        let slashes = path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        slashes.chain([path.len()]).filter(|end| self.is_named_as_script(&path[..*end])).collect()
    }

    fn is_named_as_script(&self, path: &[u8]) -> bool {
        let start = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        let name = &path[start..];
        self.endings.iter().any(|ending| name.len() > ending.len() && name.ends_with(ending.as_bytes()))
    }

    /// What is there. Looking may block: a thread that may wait does it, unless the answer is known.
    async fn look(&self, path: &[u8]) -> Seen {
        if self.known().get(path).is_some_and(|seen| seen.elapsed() < TRUSTED) {
            return Seen::File;
        }
        let file = self.root.join(Path::new(OsStr::from_bytes(&path[1..])));
        let seen = tokio::task::spawn_blocking(move || Seen::at(&file)).await.unwrap_or(Seen::Nothing);
        let mut known = self.known();
        if seen == Seen::File {
            if known.len() >= MOST_KNOWN {
                known.clear();
            }
            known.insert(path.to_vec(), Instant::now());
        }
        seen
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Instant>> {
        // Nothing in here is left half done by a panic.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(fallback: Option<&str>) -> (tempfile::TempDir, Scripts) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["wiki", "empty", "v1.php"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        for name in ["index.php", "app.php", "wiki/index.php", "v1.php/a.php", "avatar.jpg", ".php"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let endings = vec![".php".to_owned()];
        let scripts =
            Scripts::new(folder.path().into(), "index.php".into(), endings, fallback.map(str::to_owned));
        (folder, scripts)
    }

    fn script(path: &str, path_info: &str) -> Found {
        Found::Script(Script { path: path.into(), path_info: path_info.into() })
    }

    #[tokio::test]
    async fn a_path_is_split_behind_the_first_script_that_exists() {
        let (_folder, scripts) = site(None);
        for (path, found) in [
            ("/app.php", script("/app.php", "")),
            ("/app.php/a/b.php", script("/app.php", "/a/b.php")),
            ("/app.php/", script("/app.php", "/")),
            ("//app.php//a", script("/app.php", "/a")),
            ("/v1.php/a.php/b", script("/v1.php/a.php", "/b")),
            ("/", script("/index.php", "")),
            ("", script("/index.php", "")),
            ("/wiki/", script("/wiki/index.php", "")),
            ("/wiki", Found::Folder),
        ] {
            assert_eq!(scripts.find(path.as_bytes()).await, found, "{path}");
        }
    }

    #[tokio::test]
    async fn what_is_no_script_is_never_passed_on() {
        let (_folder, scripts) = site(None);
        for path in [
            "/avatar.jpg/x.php",
            "/avatar.jpg",
            "/no.php",
            "/no.php/a",
            "/empty/",
            "/.php",
            "/app.PHP",
            "/v1.php",
        ] {
            assert_eq!(scripts.find(path.as_bytes()).await, Found::Nothing, "{path}");
        }
    }

    #[tokio::test]
    async fn a_path_of_many_names_costs_no_more_looks_than_there_are_folders() {
        let (_folder, scripts) = site(None);
        let path = format!("/v1.php{}", "/no.php".repeat(5_000));
        let mut find = std::pin::pin!(scripts.find(path.as_bytes()));
        let mut polls = 0;
        let found = std::future::poll_fn(|cx| {
            polls += 1;
            find.as_mut().poll(cx)
        });
        assert_eq!(found.await, Found::Nothing);
        // Each look is waited for once.
        assert!(polls < 20, "{polls}");
    }

    #[tokio::test]
    async fn a_fallback_answers_for_all_that_is_no_script() {
        let (_folder, scripts) = site(Some("index.php"));
        for path in ["/articles/7", "/avatar.jpg/x.php", "/no.php"] {
            assert_eq!(scripts.find(path.as_bytes()).await, script("/index.php", ""), "{path}");
        }
        assert_eq!(scripts.find(b"/app.php/x").await, script("/app.php", "/x"));
    }
}
