//! The binary, started as its users start it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

use super::{Client, eventually};

/// The binary.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_vestibule");

/// `vestibule run`, on a file `vestibule.yaml` in a folder of its own. It is killed when it is dropped.
pub(crate) struct TestGateway {
    child: Child,
    folder: TempDir,
    log: Log,
    log_closed: Arc<AtomicBool>,
}

/// What the gateway has written on stderr: JSON of one line each, and what is printed for people.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl TestGateway {
    /// Starts an example of the repository where it is, as its users do; it listens on a free port.
    ///
    /// # Panics
    ///
    /// If it does not come up, with its log.
    pub(crate) fn of_example(name: &str, variables: &[(&str, &Path)]) -> Self {
        let file = format!("{}/examples/{name}/vestibule.yaml", env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(BINARY);
        command.args(["run", &file]).env("PORT", "0").env("PYTHONDONTWRITEBYTECODE", "1");
        let mut gateway = Self::spawn(command, tempfile::tempdir().expect("a temporary folder"), variables);
        gateway.wait_ready(1);
        gateway
    }

    /// Starts it and waits until it is ready. Without `listen` in the YAML, it listens on a free port.
    ///
    /// # Panics
    ///
    /// If it does not come up, with its log.
    pub(crate) fn from_yaml(yaml: &str) -> Self {
        Self::with_files(yaml, &[])
    }

    /// Starts it with further files in its folder.
    pub(crate) fn with_files(yaml: &str, files: &[(&str, &str)]) -> Self {
        Self::in_folder(tempfile::tempdir().expect("a temporary folder"), yaml, files)
    }

    /// Starts it in a folder that is there already.
    pub(crate) fn in_folder(folder: TempDir, yaml: &str, files: &[(&str, &str)]) -> Self {
        let mut gateway = Self::start(folder, yaml, files);
        gateway.wait_ready(1);
        gateway
    }

    /// Starts it with further variables in its environment.
    pub(crate) fn with_environment(yaml: &str, files: &[(&str, &str)], variables: &[(&str, &Path)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut gateway = Self::start_with(folder, yaml, files, variables);
        gateway.wait_ready(1);
        gateway
    }

    /// Starts it with a limit of open files that it cannot raise.
    pub(crate) fn with_at_most_files(yaml: &str, count: usize) -> Self {
        Self::after("ulimit -n", &count.to_string(), yaml)
    }

    /// Starts it with a umask.
    pub(crate) fn with_umask(yaml: &str, umask: &str) -> Self {
        Self::after("umask", umask, yaml)
    }

    /// Starts it by a shell that first does something to itself.
    fn after(command: &str, argument: &str, yaml: &str) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{command} $0 && exec \"$@\""), argument, BINARY]);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut gateway = Self::start_by(shell, folder, yaml, &[], &[]);
        gateway.wait_ready(1);
        gateway
    }

    /// Starts it in a folder whose file `trace` tells which of these system calls it makes, with all its processes.
    pub(crate) fn traced(folder: TempDir, yaml: &str, calls: &str) -> Self {
        let mut strace = Command::new("strace");
        // As its grandchild: the child is the gateway itself.
        strace
            .args(["-D", "-f", "-e", &format!("trace={calls}"), "-o"])
            .arg(folder.path().join("trace"))
            .arg(BINARY);
        let mut gateway = Self::start_by(strace, folder, yaml, &[], &[]);
        gateway.wait_ready(1);
        gateway
    }

    /// Starts it, and waits for nothing.
    pub(crate) fn start(folder: TempDir, yaml: &str, files: &[(&str, &str)]) -> Self {
        Self::start_with(folder, yaml, files, &[])
    }

    fn start_with(folder: TempDir, yaml: &str, files: &[(&str, &str)], variables: &[(&str, &Path)]) -> Self {
        Self::start_by(Command::new(BINARY), folder, yaml, files, variables)
    }

    fn start_by(
        mut command: Command,
        folder: TempDir,
        yaml: &str,
        files: &[(&str, &str)],
        variables: &[(&str, &Path)],
    ) -> Self {
        for (name, text) in files {
            write(&folder.path().join(name), text);
        }
        write(&folder.path().join("vestibule.yaml"), &with_listen(yaml));
        command.args(["run", "vestibule.yaml"]);
        Self::spawn(command, folder, variables)
    }

    fn spawn(mut command: Command, folder: TempDir, variables: &[(&str, &Path)]) -> Self {
        let mut child = command
            .current_dir(&folder)
            .env_remove("RUST_LOG")
            .env("VESTIBULE_LOG", "debug")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts (tests/run installs what may be missing)");
        let log = Log::default();
        let stderr = child.stderr.take().expect("stderr is a pipe");
        let log_closed = Arc::new(AtomicBool::new(false));
        let (lines, closed) = (log.clone(), Arc::clone(&log_closed));
        thread::spawn(move || {
            let all = BufReader::new(stderr).lines().map_while(Result::ok);
            for line in all.take_while(|_| !closed.load(Ordering::Relaxed)) {
                lines.0.lock().expect("no test panics with the lock").push(line);
            }
        });
        Self { child, folder, log, log_closed }
    }

    /// The address it listens on; the first, if there are several.
    pub(crate) fn address(&self) -> String {
        self.addresses().into_iter().next().expect("a gateway that is ready listens")
    }

    /// All addresses that it has begun to listen on; those of unix sockets with their folder.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let lines = self.log.lines();
        lines
            .iter()
            .filter(|line| message(line) == Some("listening"))
            .filter_map(|line| field(line, "address"))
            .map(|address| match address.strip_prefix("unix:") {
                Some(path) => format!("unix:{}", self.path(path).display()),
                None => address,
            })
            .collect()
    }

    /// Connects to it.
    pub(crate) fn connect(&self) -> Client {
        Client::connect(&self.address()).expect("the gateway accepts")
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// Writes a file in its folder, at once: no reader sees a part of it.
    pub(crate) fn write(&self, name: &str, text: &str) {
        write(&self.path("next"), text);
        fs::rename(self.path("next"), self.path(name)).expect("the file takes its place");
    }

    /// Replaces its configuration, and sends SIGHUP.
    pub(crate) fn reload(&self, yaml: &str) {
        self.write("vestibule.yaml", &with_listen(yaml));
        self.signal("HUP");
    }

    /// Waits until a generation is ready.
    pub(crate) fn wait_ready(&mut self, generation: u64) {
        let log = self.log.clone();
        eventually(&format!("generation {generation} to be ready; the log:\n{log}"), || {
            let ended = self.child.try_wait().expect("its state can be asked");
            assert!(ended.is_none(), "the gateway has ended ({ended:?}):\n{log}");
            log.find(|line| message(line) == Some("ready") && is(line, "generation", generation))
        });
    }

    /// Its log.
    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// The process id of its supervisor.
    pub(crate) fn supervisor(&self) -> u32 {
        self.child.id()
    }

    /// The process ids of its workers.
    pub(crate) fn workers(&self) -> Vec<u32> {
        let pid = self.child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }

    /// Closes the other end of its stderr, after the next line.
    pub(crate) fn close_log(&self) {
        self.log_closed.store(true, Ordering::Relaxed);
    }

    /// Sends a signal (`TERM`, `HUP`) to the supervisor.
    pub(crate) fn signal(&self, name: &str) {
        kill(name, self.child.id());
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        eventually("the gateway to end", || self.child.try_wait().expect("its state can be asked"))
    }
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the gateway:\n{}", self.log);
        }
        // The workers see the end of their supervisor, and leave.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Log {
    /// All lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().expect("no test panics with the lock").clone()
    }

    /// The first line so far that is wanted.
    pub(crate) fn find(&self, wanted: impl Fn(&str) -> bool) -> Option<String> {
        self.lines().into_iter().find(|line| wanted(line))
    }

    /// How many lines so far contain a text.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.lines().iter().filter(|line| line.contains(text)).count()
    }

    /// Waits for a line that contains a text.
    pub(crate) fn wait_for_text(&self, text: &str) -> String {
        self.wait_for_texts(&[text])
    }

    /// Waits for a line that contains several texts.
    pub(crate) fn wait_for_texts(&self, texts: &[&str]) -> String {
        eventually(&format!("{texts:?} on one line of the log:\n{self}"), || {
            self.find(|line| texts.iter().all(|text| line.contains(text)))
        })
    }
}

impl std::fmt::Display for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

/// Runs a command of the binary in a folder, to its end.
pub(crate) fn check(folder: &Path, arguments: &[&str]) -> Output {
    check_with(folder, arguments, &[])
}

/// Runs a command of the binary with further variables in its environment.
pub(crate) fn check_with(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(BINARY);
    command.args(arguments).envs(variables.iter().copied()).current_dir(folder).stdin(Stdio::null());
    command.output().expect("the binary starts")
}

/// Sends a signal to a process.
pub(crate) fn kill(name: &str, pid: u32) {
    let status = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    assert!(status.expect("kill is there").success(), "no process {pid}");
}

fn with_listen(yaml: &str) -> String {
    if yaml.lines().any(|line| line.starts_with("listen:")) {
        yaml.into()
    } else {
        format!("listen: \"127.0.0.1:0\"\n{yaml}")
    }
}

fn write(path: &Path, text: &str) {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).expect("the folder is made");
    }
    fs::write(path, text).unwrap_or_else(|error| panic!("failed to write {}: {error}", path.display()));
}

fn message(line: &str) -> Option<&str> {
    line.split_once(r#""message":""#)?.1.split('"').next()
}

fn field(line: &str, name: &str) -> Option<String> {
    Some(line.split_once(&format!(r#""{name}":""#))?.1.split('"').next()?.into())
}

fn is(line: &str, name: &str, value: u64) -> bool {
    let found = line.split_once(&format!(r#""{name}":"#)).map(|(_, rest)| rest);
    found.is_some_and(|rest| rest.split([',', '}']).next() == Some(&value.to_string()))
}
