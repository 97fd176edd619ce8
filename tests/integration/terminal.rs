//! What a person sees: on a terminal, with colours and without.

use std::fs;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

use crate::harness::{check, check_with, eventually, kill};

const GOOD: &str = "listen: 127.0.0.1:0\nroutes: [ { respond: { text: hello } } ]\n";
const BROKEN: &str = "listen: 127.0.0.1:0\nroutes: [ { app: nobody } ]\n";

/// A command of the binary on a terminal of its own, which `script` is.
struct Terminal {
    script: Child,
    folder: TempDir,
    shown: Arc<Mutex<String>>,
}

impl Terminal {
    fn start(command: &str, yaml: &str, no_color: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("vestibule.yaml"), yaml).expect("it is written");
        let mut script = Command::new("script")
            .args(["--quiet", "--flush", "--return", "--command"])
            .args([&format!("exec {} {command}", env!("CARGO_BIN_EXE_vestibule")), "/dev/null"])
            .current_dir(&folder)
            .env("NO_COLOR", no_color)
            .env_remove("VESTIBULE_LOG")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("every Debian has `script`");
        let mut stdout = script.stdout.take().expect("stdout is a pipe");
        let shown = Arc::new(Mutex::new(String::new()));
        let screen = Arc::clone(&shown);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..count]);
                screen.lock().expect("no test panics with the lock").push_str(&text);
            }
        });
        Self { script, folder, shown }
    }

    fn shown(&self) -> String {
        self.shown.lock().expect("no test panics with the lock").clone()
    }

    fn wait_for(&self, text: &str) -> String {
        eventually(&format!("{text} on the terminal"), || Some(self.shown()).filter(|it| it.contains(text)))
    }

    /// The number of the command itself, while it runs.
    fn command(&self) -> Option<u32> {
        let script = self.script.id();
        let children = fs::read_to_string(format!("/proc/{script}/task/{script}/children")).ok()?;
        children.trim().parse().ok()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the terminal:\n{:?}", self.shown());
        }
        // It does not end with its terminal, but with this it may just have ended.
        if let Some(command) = self.command() {
            drop(Command::new("kill").args(["-KILL", &command.to_string()]).stderr(Stdio::null()).status());
        }
        drop(self.script.kill());
        drop(self.script.wait());
    }
}

/// With colours, and as `NO_COLOR` wants it.
const NO_COLOR: [(&str, bool); 2] = [("", true), ("1", false)];

#[test]
fn a_refused_reload_is_readable() {
    for (no_color, is_colored) in NO_COLOR {
        let terminal = Terminal::start("run", GOOD, no_color);
        terminal.wait_for("ready");
        let gateway = terminal.command().expect("it runs");
        fs::write(terminal.folder.path().join("vestibule.yaml"), BROKEN).expect("it is written");
        kill("HUP", gateway);
        let shown = terminal.wait_for("1 error in vestibule.yaml");
        assert!(shown.contains(&format!("`kill -HUP {gateway}`) tries again reason:\r\n")), "{shown:?}");
        let reason = "    error: unknown app `nobody`\r\n     --> vestibule.yaml:2:18\r\n      |\r\n    \
                      2 | routes: [ { app: nobody } ]\r\n      |                  ^^^^^^\r\n";
        assert!(shown.contains(reason), "{shown:?}");
        assert_eq!(shown.contains("\x1b[31mERROR\x1b[0m the reload has failed"), is_colored, "{shown:?}");
        assert_eq!(shown.contains('\x1b'), is_colored, "{shown:?}");
        // Nor as what it would be on paper.
        assert!(!shown.contains("u{1b}"), "{shown:?}");
        kill("TERM", gateway);
        terminal.wait_for("stopped");
    }
}

#[test]
fn mistakes_have_colours_on_a_terminal_only() {
    for (no_color, is_colored) in NO_COLOR {
        let terminal = Terminal::start("check", BROKEN, no_color);
        let shown = terminal.wait_for("1 error in vestibule.yaml");
        assert_eq!(shown.contains('\x1b'), is_colored, "{shown:?}");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("vestibule.yaml"), BROKEN).expect("it is written");
    let told = check_with(folder.path(), &["check"], &[("NO_COLOR", "")]).stderr;
    assert!(!told.contains(&0x1b), "{}", String::from_utf8_lossy(&told));
}

#[test]
fn whoever_has_no_file_yet_is_told_how_to_begin() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for command in ["check", "run", "routes", "doctor"] {
        let told = String::from_utf8(check(folder.path(), &[command]).stderr).expect("it is text");
        for part in ["cannot read `vestibule.yaml`", "`vestibule --help` shows a small one"] {
            assert!(told.contains(part), "{command}: {told}");
        }
    }
    // And so it does.
    let help = String::from_utf8(check(folder.path(), &["--help"]).stdout).expect("it is text");
    let (_, example) = help.split_once("A small vestibule.yaml:\n").expect("it has one");
    let example: Vec<&str> = example.lines().map_while(|line| line.strip_prefix("  ")).collect();
    fs::create_dir(folder.path().join("shop")).expect("it is made");
    fs::write(folder.path().join("shop/wsgi.py"), "application = print\n").expect("it is written");
    let folder_of_files = folder.path().display().to_string();
    let yaml = example.join("\n").replace("/srv/www", &folder_of_files).replace("path: shop", "path: .");
    fs::write(folder.path().join("vestibule.yaml"), yaml).expect("it is written");
    let checked = check(folder.path(), &["check"]);
    let told = String::from_utf8_lossy(&checked.stdout).into_owned();
    let mistakes = String::from_utf8_lossy(&checked.stderr);
    assert_eq!(told, "vestibule.yaml is fine: 2 routes\n", "{mistakes}");
}
