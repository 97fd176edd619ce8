//! Debian's dnsmasq: a name server that says what a test wants.

use std::fs::{self, File};
use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use tempfile::TempDir;

use super::eventually;

/// A name server on a port of its own. It ends when it is dropped.
pub(crate) struct Dnsmasq {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Dnsmasq {
    /// Starts it with records as lines of its configuration, each valid for a second.
    ///
    /// # Panics
    ///
    /// If it is missing or does not start.
    pub(crate) fn with(records: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (child, port) = eventually("a port for dnsmasq", || {
            let port = free_port()?;
            Some((start(&folder, port, records)?, port))
        });
        Self { child, folder, port }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts again with other records, at the same address.
    pub(crate) fn replace(&mut self, records: &str) {
        self.stop();
        let child = eventually("dnsmasq to start again", || start(&self.folder, self.port, records));
        self.child = child;
    }

    /// Ends it.
    pub(crate) fn stop(&mut self) {
        drop(self.child.kill());
        self.child.wait().expect("it has ended");
    }
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        self.stop();
        if thread::panicking() {
            eprintln!("dnsmasq:\n{}", fs::read_to_string(log(&self.folder)).unwrap_or_default());
        }
    }
}

/// `None` where somebody else has taken the port.
fn start(folder: &TempDir, port: u16, records: &str) -> Option<Child> {
    let configuration = folder.path().join("dnsmasq.conf");
    fs::write(&configuration, format!("{SETTINGS}\nport={port}\n{records}\n")).expect("it is written");
    let log = log(folder);
    let mut child = Command::new("dnsmasq")
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .arg("--keep-in-foreground")
        .arg(format!("--conf-file={}", configuration.display()))
        .args(rustix::process::getuid().is_root().then_some("--user=root"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log).expect("a log"))
        .spawn()
        .expect("dnsmasq is missing: apt-get install dnsmasq-base (tests/run does it)");
    let has_ended = eventually("dnsmasq to start", || {
        let log = fs::read_to_string(&log).unwrap_or_default();
        let has_ended = child.try_wait().expect("its state can be asked").is_some();
        assert!(!has_ended || log.contains("Address already in use"), "dnsmasq does not start:\n{log}");
        (has_ended || log.contains("started, version")).then_some(has_ended)
    });
    (!has_ended).then_some(child)
}

/// It knows nothing but the records that it is given.
const SETTINGS: &str = "no-resolv
no-hosts
no-poll
local=/test/
listen-address=127.0.0.1
bind-interfaces
local-ttl=1
pid-file=
log-facility=-";

fn log(folder: &TempDir) -> PathBuf {
    folder.path().join("log")
}

/// A port that is free for both protocols just now.
fn free_port() -> Option<u16> {
    let tcp = TcpListener::bind("127.0.0.1:0").ok()?;
    let port = tcp.local_addr().ok()?.port();
    UdpSocket::bind(("127.0.0.1", port)).is_ok().then_some(port)
}
