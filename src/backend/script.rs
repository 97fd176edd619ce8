//! Which script a path names, and what of the path is left for it.
//!
//! The path is split behind the first name that ends as scripts do and is a file: `/app.php/a/b.php` is `/app.php` with
//! PATH_INFO `/a/b.php`. A script that does not exist is never passed on: PHP would look for one among the folders
//! above (`cgi.fix_pathinfo`), and run an uploaded image of which a client calls `/avatar.jpg/x.php`.
//!
//! Paths come decoded, with their dot segments resolved. What the gateway itself runs it looks for beneath the root alone
//! ([`Eye::Beneath`]); an application that opens its scripts in its own way also follows links that lead elsewhere.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http_environ::View;

use super::beneath::{Root, Seen, is_hidden};

/// How late it may be seen that a script is gone.
const TRUSTED: Duration = Duration::from_secs(1);

/// How many scripts are known at most. Clients cannot make up more than there are, and few sites have so many.
const MOST_KNOWN: usize = 4_096;

/// The scripts beneath a folder.
pub(super) struct Scripts {
    root: PathBuf,
    names: Names,
    eye: Eye,
}

/// How scripts are named.
pub(super) struct Names {
    /// The script that answers for a folder.
    pub(super) index: Option<String>,
    /// How names of scripts end; `None` for any name.
    pub(super) endings: Option<Vec<String>>,
    /// The script that answers where there is none.
    pub(super) fallback: Option<String>,
}

/// Who looks for scripts.
pub(super) enum Eye {
    /// Follows links wherever they lead, and keeps for a moment what was there, and when.
    Following(Mutex<HashMap<Vec<u8>, Instant>>),
    /// Sees nothing outside of the folder, and no name that begins with a dot.
    Beneath(Root),
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

/// No script answers for a path.
#[derive(Debug, thiserror::Error)]
#[error("the path names no script")]
pub(super) struct NotFound;

impl Scripts {
    pub(super) fn new(root: PathBuf, names: Names, eye: Eye) -> Self {
        Self { root, names, eye }
    }

    /// The folder.
    pub(super) fn root(&self) -> &[u8] {
        let root = self.root.as_os_str().as_bytes();
        root.strip_suffix(b"/").unwrap_or(root)
    }

    /// The script for a decoded path, whose dot segments are resolved. Repeated slashes name the same script as one, and stay in
    /// what is left for it.
    pub(super) async fn find(&self, sent: &[u8]) -> Found {
        let mut path = [b"/", sent].concat();
        path.dedup_by(|next, before| *next == b'/' && *before == b'/');
        for end in self.candidates(&path) {
            match self.look(&path[..end]).await {
                Seen::File => {
                    path.truncate(end);
                    return Found::Script(Script { path, path_info: behind(sent, end) });
                }
                Seen::Folder => {}
                // Nor is there anything beneath it, however many names follow.
                Seen::Nothing => break,
            }
        }
        match self.index(path).await {
            Found::Nothing => self.fallback().await,
            found => found,
        }
    }

    /// The script that answers for a folder.
    async fn index(&self, mut path: Vec<u8>) -> Found {
        let Some(index) = &self.names.index else { return Found::Nothing };
        let is_folder = path.ends_with(b"/");
        if !is_folder {
            path.push(b'/');
        }
        path.extend_from_slice(index.as_bytes());
        match self.look(&path).await {
            Seen::File if is_folder => Found::Script(Script { path, path_info: Vec::new() }),
            Seen::File => Found::Folder,
            _ => Found::Nothing,
        }
    }

    async fn fallback(&self) -> Found {
        let Some(fallback) = &self.names.fallback else { return Found::Nothing };
        let path = [b"/", fallback.as_bytes()].concat();
        match self.look(&path).await {
            Seen::File => Found::Script(Script { path, path_info: Vec::new() }),
            _ => Found::Nothing,
        }
    }

    /// Passes the variables of a request to a script.
    pub(super) fn variables(&self, script: &Script, view: &View<'_>, add: &mut dyn FnMut(&[u8], &[u8])) {
        let mount: Cow<'_, [u8]> = view.environ().script_name();
        let root = self.root();
        view.for_each(|name, value| match name {
            "SCRIPT_NAME" | "PATH_INFO" => {}
            _ => add(name.as_bytes(), value),
        });
        add(b"SCRIPT_NAME", &[&mount, script.path.as_slice()].concat());
        add(b"PATH_INFO", &script.path_info);
        add(b"SCRIPT_FILENAME", &[root, &script.path].concat());
        add(b"DOCUMENT_ROOT", root);
        // What php-cgi asks for, so that nobody runs it as a plain program below a document root.
        add(b"REDIRECT_STATUS", b"200");
        if !script.path_info.is_empty() {
            add(b"PATH_TRANSLATED", &[root, &script.path_info].concat());
        }
    }

    /// Where segments end that are named as scripts are.
    fn candidates(&self, path: &[u8]) -> Vec<usize> {
        let slashes = path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        slashes.chain([path.len()]).filter(|end| self.is_named_as_script(&path[..*end])).collect()
    }

    fn is_named_as_script(&self, path: &[u8]) -> bool {
        let start = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        let name = &path[start..];
        let Some(endings) = &self.names.endings else { return !name.is_empty() };
        endings.iter().any(|ending| name.len() > ending.len() && name.ends_with(ending.as_bytes()))
    }

    /// What is there.
    async fn look(&self, path: &[u8]) -> Seen {
        let relative = &path[1..];
        match &self.eye {
            Eye::Following(known) if is_known(known, path) => Seen::File,
            Eye::Following(known) => {
                // Boxed, so that a script that is known does not carry the room for looking.
                let file = self.root.join(Path::new(OsStr::from_bytes(relative)));
                Box::pin(follow(known, path, file)).await
            }
            Eye::Beneath(_) if is_hidden(relative) => Seen::Nothing,
            Eye::Beneath(root) => root.look(relative).await,
        }
    }
}

/// What follows in a path as it was sent, where with one slash in front and none repeated it is split at `end`.
fn behind(sent: &[u8], end: usize) -> Vec<u8> {
    let (mut left, mut before) = (end - 1, b'/');
    let start = sent.iter().position(|byte| {
        let is_repeated = *byte == b'/' && before == b'/';
        before = *byte;
        let is_behind = !is_repeated && left == 0;
        left -= usize::from(!is_repeated && left > 0);
        is_behind
    });
    start.map_or_else(Vec::new, |start| sent[start..].to_vec())
}

fn is_known(known: &Mutex<HashMap<Vec<u8>, Instant>>, path: &[u8]) -> bool {
    lock(known).get(path).is_some_and(|seen| seen.elapsed() < TRUSTED)
}

/// Looking may block: a thread that may wait does it.
async fn follow(known: &Mutex<HashMap<Vec<u8>, Instant>>, path: &[u8], file: PathBuf) -> Seen {
    let seen = tokio::task::spawn_blocking(move || stat(&file)).await.unwrap_or(Seen::Nothing);
    let mut known = lock(known);
    if seen == Seen::File {
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(path.to_vec(), Instant::now());
    }
    seen
}

fn stat(path: &Path) -> Seen {
    match path.metadata() {
        Ok(metadata) if metadata.is_file() => Seen::File,
        Ok(metadata) if metadata.is_dir() => Seen::Folder,
        _ => Seen::Nothing,
    }
}

fn lock(known: &Mutex<HashMap<Vec<u8>, Instant>>) -> MutexGuard<'_, HashMap<Vec<u8>, Instant>> {
    // Nothing in here is left half done by a panic.
    known.lock().unwrap_or_else(PoisonError::into_inner)
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
        let names = Names {
            index: Some("index.php".to_owned()),
            endings: Some(vec![".php".to_owned()]),
            fallback: fallback.map(str::to_owned),
        };
        let scripts = Scripts::new(folder.path().into(), names, Eye::Following(Mutex::default()));
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
            ("//app.php//a", script("/app.php", "//a")),
            ("app.php//", script("/app.php", "//")),
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

    /// What the gateway runs: of any name, beneath the root.
    fn programs() -> (tempfile::TempDir, Scripts) {
        let folder = tempfile::tempdir().unwrap();
        let (root, outside) = (folder.path().join("root"), folder.path().join("outside"));
        for folder in ["root/sub", "root/.git", "outside"] {
            std::fs::create_dir_all(root.join("..").join(folder)).unwrap();
        }
        for name in ["a", "sub/b", "sub/index.cgi", ".git/hook", ".hidden", "%2e%2e"] {
            std::fs::write(root.join(name), "").unwrap();
        }
        std::fs::write(outside.join("secret"), "").unwrap();
        for (target, link) in [("../outside/secret", "leaves"), ("../outside", "door"), ("sub/b", "stays")] {
            std::os::unix::fs::symlink(target, root.join(link)).unwrap();
        }
        let names = Names { index: Some("index.cgi".to_owned()), endings: None, fallback: None };
        let eye = Eye::Beneath(Root::open(&root).unwrap());
        (folder, Scripts::new(root, names, eye))
    }

    #[tokio::test]
    async fn a_script_of_any_name_ends_where_the_first_file_does() {
        let (_folder, scripts) = programs();
        for (path, found) in [
            ("/a", script("/a", "")),
            ("/a/b/c", script("/a", "/b/c")),
            ("/a/", script("/a", "/")),
            ("/sub/b/../c", script("/sub/b", "/../c")),
            ("/stays/x", script("/stays", "/x")),
            ("/sub/", script("/sub/index.cgi", "")),
            ("/sub", Found::Folder),
            ("/%2e%2e", script("/%2e%2e", "")),
        ] {
            assert_eq!(scripts.find(path.as_bytes()).await, found, "{path}");
        }
    }

    #[tokio::test]
    async fn nothing_outside_and_nothing_hidden_is_run() {
        let (_folder, scripts) = programs();
        for path in [
            "/",
            "/no",
            "/no/a",
            "/leaves",
            "/door/secret",
            "/../outside/secret",
            "/sub/../../outside/secret",
            "/.git/hook",
            "/.hidden",
            "/sub/./b",
        ] {
            assert_eq!(scripts.find(path.as_bytes()).await, Found::Nothing, "{path}");
        }
    }
}
