//! Finds an interpreter and its shared library: by a virtualenv, a path, `$VIRTUAL_ENV`, or `python3` on PATH.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// Asks the interpreter about itself: one `key=value` a line.
const QUESTIONS: &str = r#"
import sys, sysconfig as s
v = s.get_config_var
print("implementation=" + sys.implementation.name)
print("version=%d.%d.%d" % sys.version_info[:3])
print("executable=" + sys.executable)
print("prefix=" + sys.prefix)
print("base_prefix=" + sys.base_prefix)
print("free_threaded=%d" % (v("Py_GIL_DISABLED") or 0))
print("folder=" + (v("LIBDIR") or ""))
print("library=" + (v("INSTSONAME") or v("LDLIBRARY") or ""))
print("packages=" + s.get_path("purelib"))
print("platform_packages=" + s.get_path("platlib"))
"#;

/// An interpreter of Python and what must be known to run it inside of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovered {
    /// The interpreter, within its virtualenv if it has one.
    pub executable: PathBuf,
    /// `sys.prefix`: the virtualenv or the installation.
    pub prefix: PathBuf,
    /// Major, minor and patch version.
    pub version: [u32; 3],
    /// libpython.
    pub library: PathBuf,
    /// The folders of its site-packages.
    pub packages: Vec<PathBuf>,
}

impl Discovered {
    /// `3.11.2`
    pub fn version_text(&self) -> String {
        self.version.map(|number| number.to_string()).join(".")
    }
}

/// No interpreter that could be run in this process.
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    /// The path that was given is neither an interpreter nor a virtualenv.
    #[error(
        "{} is neither an interpreter nor a virtualenv (it has no bin/python3); `python` is a path, as /usr/bin/python3.11",
        .0.display()
    )]
    NotPython(PathBuf),
    /// No path was given, and there is no interpreter to be found.
    #[error("there is no python3 on PATH and no active virtualenv")]
    Nowhere,
    /// The interpreter does not start.
    #[error("failed to run {}", .executable.display())]
    Run {
        /// The interpreter.
        executable: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The interpreter starts and fails.
    #[error("{} failed: {message}", .executable.display())]
    Failed {
        /// The interpreter.
        executable: PathBuf,
        /// What it wrote on stderr.
        message: String,
    },
    /// It is not CPython, or a version that is too old.
    #[error("{} is {found}; CPython 3.10 or later with a GIL is needed", .executable.display())]
    Unsupported {
        /// The interpreter.
        executable: PathBuf,
        /// What it is.
        found: String,
    },
    /// The interpreter has no shared library.
    #[error(
        "{} has no shared library ({library} is not in {} nor on the ordinary search path): on Debian, install the \
         package libpython{version}; with pyenv, install with PYTHON_CONFIGURE_OPTS=--enable-shared",
        .executable.display(), .folder.display()
    )]
    NoLibrary {
        /// The interpreter.
        executable: PathBuf,
        /// Major and minor version.
        version: String,
        /// The library's file name.
        library: String,
        /// Where it was expected.
        folder: PathBuf,
    },
}

/// Finds the interpreter named by `python` (a virtualenv's folder or an interpreter), else the active virtualenv's, else
/// `python3` on PATH; and its shared library. Runs the interpreter once.
pub fn discover(python: Option<&Path>) -> Result<Discovered, DiscoverError> {
    let executable = match python {
        Some(path) => interpreter_at(path)?,
        None => default_interpreter()?,
    };
    let answers = ask(&executable)?;
    let answer = |key: &str| answers.get(key).cloned().unwrap_or_default();
    let numbers: Vec<u32> = answer("version").split('.').filter_map(|number| number.parse().ok()).collect();
    let version = <[u32; 3]>::try_from(numbers).unwrap_or_default();
    let implementation = answer("implementation");
    let free_threaded = answer("free_threaded") == "1";
    if implementation != "cpython" || version < [3, 10, 0] || free_threaded {
        let kind = if free_threaded { " (free-threaded)" } else { "" };
        let found = format!("{implementation} {}{kind}", answer("version"));
        return Err(DiscoverError::Unsupported { executable, found });
    }
    let mut packages = vec![PathBuf::from(answer("packages"))];
    let platform = PathBuf::from(answer("platform_packages"));
    if !packages.contains(&platform) {
        packages.push(platform);
    }
    let library =
        find_library(&executable, version, &answer("folder"), &answer("base_prefix"), &answer("library"))?;
    Ok(Discovered {
        executable: answer("executable").into(),
        prefix: answer("prefix").into(),
        version,
        library,
        packages,
    })
}

fn interpreter_at(path: &Path) -> Result<PathBuf, DiscoverError> {
    let in_folder = ["bin/python3", "bin/python"].map(|name| path.join(name));
    let candidates = if path.is_dir() { in_folder.to_vec() } else { vec![path.to_owned()] };
    candidates
        .into_iter()
        .find(|file| file.is_file())
        .ok_or_else(|| DiscoverError::NotPython(path.to_owned()))
        .map(absolute)
}

fn default_interpreter() -> Result<PathBuf, DiscoverError> {
    if let Some(active) = std::env::var_os("VIRTUAL_ENV").filter(|path| !path.is_empty()) {
        return interpreter_at(Path::new(&active));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join("python3"))
        .find(|file| file.is_file())
        .ok_or(DiscoverError::Nowhere)
        .map(absolute)
}

/// Made absolute without following links: a virtualenv's interpreter is a link, and its path is what matters.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

fn ask(executable: &Path) -> Result<HashMap<String, String>, DiscoverError> {
    let output = command(executable)
        .args(["-c", QUESTIONS])
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|source| DiscoverError::Run { executable: executable.to_owned(), source })?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(DiscoverError::Failed { executable: executable.to_owned(), message });
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    Ok(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

/// A program with the environment that this process had before there was Python in it. Applications change the process's own at
/// any time: a program that is started meanwhile may read what has just been freed.
fn command(program: &Path) -> Command {
    static ENVIRONMENT: LazyLock<Vec<(OsString, OsString)>> = LazyLock::new(|| std::env::vars_os().collect());
    let mut command = Command::new(program);
    command.env_clear().envs(ENVIRONMENT.iter().map(|(name, value)| (name, value)));
    command
}

fn find_library(
    executable: &Path,
    [major, minor, _]: [u32; 3],
    folder: &str,
    base_prefix: &str,
    told: &str,
) -> Result<PathBuf, DiscoverError> {
    let version = format!("{major}.{minor}");
    // An interpreter that is linked statically tells the name of its archive; Debian's shared library has this name.
    let name = if told.contains(".so") { told.to_owned() } else { format!("libpython{version}.so.1.0") };
    let installed = Path::new(base_prefix).join("lib");
    let search = [Path::new(folder), installed.as_path()];
    let files = search.iter().map(|folder| folder.join(&name));
    if let Some(file) = files.into_iter().find(|file| file.is_file()) {
        return Ok(file);
    }
    if is_on_search_path(&name) {
        return Ok(name.into());
    }
    Err(DiscoverError::NoLibrary {
        executable: executable.to_owned(),
        version,
        library: name,
        folder: folder.into(),
    })
}

/// Whether the dynamic linker's cache has the library, as Debian's multi-arch folders are found.
fn is_on_search_path(name: &str) -> bool {
    let tools = ["/sbin/ldconfig", "/usr/sbin/ldconfig"];
    let listed = tools.iter().find_map(|tool| command(Path::new(tool)).arg("-p").output().ok());
    listed.is_some_and(|output| {
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .any(|line| line.trim().split(' ').next() == Some(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_an_interpreter_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = discover(Some(folder.path())).unwrap_err();
        assert!(error.to_string().contains("neither an interpreter nor a virtualenv"), "{error}");
    }

    #[test]
    fn an_interpreter_that_fails_is_refused_with_its_words() {
        let (_folder, python) = script("echo no luck >&2; exit 3");
        let error = discover(Some(&python)).unwrap_err();
        assert!(error.to_string().ends_with("failed: no luck"), "{error}");
    }

    #[test]
    fn another_implementation_is_refused() {
        let (_folder, python) = script("echo implementation=pypy; echo version=3.10.2");
        let error = discover(Some(&python)).unwrap_err();
        assert!(error.to_string().contains("is pypy 3.10.2"), "{error}");
    }

    #[test]
    fn a_missing_library_is_told_with_its_package() {
        let (_folder, python) =
            script("echo implementation=cpython; echo version=3.94.1; echo library=libpython3.94.a");
        let error = discover(Some(&python)).unwrap_err();
        assert!(error.to_string().contains("the package libpython3.94;"), "{error}");
    }

    /// A script in a folder of its own. Another process writes it: one that this process has open for writing while
    /// another test forks cannot be started ("text file busy").
    fn script(body: &str) -> (tempfile::TempDir, PathBuf) {
        use std::io::Write;
        use std::process::Stdio;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("python3");
        let mut install = Command::new("install");
        install.args(["-m", "755", "/dev/stdin"]).arg(&path).stdin(Stdio::piped());
        let mut writer = install.spawn().expect("coreutils are there");
        write!(writer.stdin.take().unwrap(), "#!/bin/sh\n{body}\n").unwrap();
        assert!(writer.wait().unwrap().success());
        (folder, path)
    }
}
