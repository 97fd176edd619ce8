//! Sockets that are bound before the gateway is there, passed by `systemd-socket-activate`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use tempfile::{TempDir, tempdir};

use crate::harness::{Client, DEADLINE, check, eventually, eventually_says, get, kill};

/// The gateway, which starts with its first client. It is killed when it is dropped.
struct Activated {
    child: Child,
    folder: TempDir,
    log: Receiver<String>,
}

impl Activated {
    /// Has two sockets bound, with these names.
    fn start(names: &str, yaml: &str) -> Self {
        let folder = tempdir().unwrap();
        fs::write(folder.path().join("vestibule.yaml"), yaml).unwrap();
        let socket = |name: &str| format!("--listen={}", folder.path().join(name).display());
        let mut child = Command::new("systemd-socket-activate")
            .args([socket("web.sock"), socket("admin.sock"), format!("--fdname={names}")])
            .args(["-E", "VESTIBULE_LOG=info", env!("CARGO_BIN_EXE_vestibule"), "run", "vestibule.yaml"])
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("systemd-socket-activate is missing: apt-get install systemd (tests/run does it)");
        let (tell, log) = channel();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let activated = Self { child, folder, log };
        eventually("the sockets to be bound", || Client::connect(&activated.address("admin")).ok());
        activated
    }

    fn address(&self, name: &str) -> String {
        format!("unix:{}", self.folder.path().join(format!("{name}.sock")).display())
    }

    /// Reads the log up to a line with this text.
    fn wait_for(&self, text: &str) -> String {
        loop {
            let line =
                self.log.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("waited in vain for {text}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    fn reload(&self, yaml: &str) {
        fs::write(self.folder.path().join("vestibule.yaml"), yaml).unwrap();
        kill("HUP", self.child.id());
        self.wait_for("\"ready\"");
    }
}

impl Drop for Activated {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn sockets_that_are_passed_are_served_and_kept_over_reloads() {
    let web = "listen: \"fd:web\"\nroutes: [ { respond: { text: hello } } ]";
    let gateway = Activated::start("web:admin", web);
    assert_eq!(get(&gateway.address("web"), "/").text(), "hello");
    let told = gateway.wait_for("listening");
    assert!(told.contains("web.sock"), "{told}");
    gateway.wait_for("\"ready\"");
    // A reload that lists the other one only, by its number, and one that lists both.
    gateway.reload("listen: \"fd:4\"\nroutes: [ { respond: { text: other } } ]");
    eventually_says(&gateway.address("admin"), "other");
    gateway.reload("listen: [ \"fd:web\", \"fd:admin\" ]\nroutes: [ { respond: { text: both } } ]");
    eventually_says(&gateway.address("web"), "both");
    eventually_says(&gateway.address("admin"), "both");
}

#[test]
fn workers_get_the_sockets_that_they_serve_and_no_other() {
    let gateway =
        Activated::start("web:admin", "listen: \"fd:web\"\nroutes: [ { respond: { text: hello } } ]");
    assert_eq!(get(&gateway.address("web"), "/").text(), "hello");
    let pid = gateway.child.id();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let worker = children.split_whitespace().next().unwrap();
    let listening = fs::read_dir(format!("/proc/{worker}/fd")).unwrap().filter(|entry| {
        let target = fs::read_link(entry.as_ref().unwrap().path()).unwrap_or_default();
        is_listening(&target)
    });
    assert_eq!(listening.count(), 1);
    let environment = fs::read(format!("/proc/{worker}/environ")).unwrap();
    assert!(!environment.split(|byte| *byte == 0).any(|text| text.starts_with(b"LISTEN_PID=")));
}

/// Whether it is one of the unix sockets that listen, by the kernel's table of them.
fn is_listening(target: &Path) -> bool {
    let Some(inode) = target.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']'))
    else {
        return false;
    };
    let table = fs::read_to_string("/proc/net/unix").unwrap();
    table.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // Flags: `__SO_ACCEPTCON`.
        fields.get(6) == Some(&inode) && fields.get(3) == Some(&"00010000")
    })
}

#[test]
fn a_socket_that_was_not_passed_is_told() {
    let mut gateway = Activated::start("web:admin", "listen: \"fd:wep\"\nroutes: [ { respond: {} } ]");
    gateway.wait_for("no socket was passed as `fd:wep`");
    gateway.wait_for("there are fd:3 (fd:web), fd:4 (fd:admin)");
    let ended = eventually("the gateway to end", || gateway.child.try_wait().unwrap());
    assert_eq!(ended.code(), Some(2));

    let folder = tempdir().unwrap();
    fs::write(folder.path().join("vestibule.yaml"), "listen: \"fd:web\"\nroutes: [ { respond: {} } ]")
        .unwrap();
    let output = check(folder.path(), &["run"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("no socket was passed") && told.contains(".socket unit"), "{told}");
    // What is passed is known only when it is run.
    assert_eq!(check(folder.path(), &["check"]).status.code(), Some(0));
}
