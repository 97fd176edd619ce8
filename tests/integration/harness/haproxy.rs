//! Debian's HAProxy in front of a gateway, without looking into what it hands on.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;

use tempfile::TempDir;

use super::{Client, eventually};

/// HAProxy with a folder of its own; it listens on a unix socket there, so that no port is guessed. It ends when it is dropped.
pub(crate) struct Haproxy {
    child: Child,
    folder: TempDir,
}

impl Haproxy {
    /// Starts HAProxy in front of `upstream` (`127.0.0.1:8000` or `unix:/path`), to which it sends a header as `option` says:
    /// `send-proxy` or `send-proxy-v2`. Its own clients have to send one, too.
    ///
    /// # Panics
    ///
    /// If HAProxy is missing or does not start.
    pub(crate) fn in_front_of(upstream: &str, option: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let here = folder.path().display();
        let upstream = upstream.replace("unix:", "unix@");
        let configuration = format!(
            "defaults
    mode tcp
    timeout connect 10s
    timeout client 60s
    timeout server 60s
listen gateway
    bind unix@{here}/front.sock accept-proxy
    server gateway {upstream} {option}
"
        );
        fs::write(folder.path().join("haproxy.cfg"), configuration).expect("its file is written");
        let log = fs::File::create(folder.path().join("log")).expect("a log");
        let child = Command::new("haproxy")
            .args(["-db", "-f"])
            .arg(folder.path().join("haproxy.cfg"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("HAProxy is missing: apt-get install haproxy (tests/run does it)");
        let haproxy = Self { child, folder };
        eventually("HAProxy to accept", || Client::connect(&haproxy.address()).ok());
        haproxy
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        format!("unix:{}", self.folder.path().join("front.sock").display())
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            eprintln!("HAProxy:\n{log}");
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
