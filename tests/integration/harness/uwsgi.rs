//! Debian's uWSGI behind a gateway, with an application of `tests/apps`.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::thread;

use tempfile::TempDir;

use super::eventually;

/// uWSGI with a folder of its own. It ends when it is dropped.
pub(crate) struct Uwsgi {
    child: Child,
    folder: TempDir,
    address: String,
}

/// Where it listens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum UwsgiListens {
    Unix,
    Tcp,
}

impl Uwsgi {
    /// Starts uWSGI with two processes, which speak the protocol of a gateway's backend: `uwsgi` or `scgi`.
    ///
    /// # Panics
    ///
    /// If it is missing or does not start.
    pub(crate) fn start(protocol: &str, listens: UwsgiListens) -> Self {
        let echo = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/apps/echo_uwsgi.py");
        Self::running(echo, protocol, listens)
    }

    /// The same with another application.
    pub(crate) fn running(application: &str, protocol: &str, listens: UwsgiListens) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let socket = folder.path().join("app.sock").display().to_string();
        let listen = match listens {
            UwsgiListens::Unix => &socket,
            // uWSGI chooses a port, and logs it.
            UwsgiListens::Tcp => "127.0.0.1:0",
        };
        let log = File::create(folder.path().join("log")).expect("a log");
        let child = Command::new("uwsgi")
            .args(["--plugin", "python3", "--master", "--no-orphans", "--processes", "2"])
            .args(["--buffer-size", "65535", "--wsgi-file"])
            .arg(application)
            .arg(if protocol == "scgi" { "--scgi-socket" } else { "--uwsgi-socket" })
            .arg(listen)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("uWSGI is missing: apt-get install uwsgi-core uwsgi-plugin-python3 (tests/run does it)");
        let mut uwsgi = Self { child, folder, address: String::new() };
        let log = eventually("uWSGI to start its processes", || {
            let log = uwsgi.log();
            let has_ended = uwsgi.child.try_wait().expect("its state can be asked").is_some();
            assert!(!has_ended, "uWSGI does not start:\n{log}");
            log.contains("spawned uWSGI worker 2").then_some(log)
        });
        uwsgi.address = match listens {
            UwsgiListens::Unix => format!("unix:{socket}"),
            UwsgiListens::Tcp => {
                let said = log.split_once("bound to TCP address ").expect("it tells its port").1;
                said.split(' ').next().unwrap_or_default().to_owned()
            }
        };
        uwsgi
    }

    /// Where it listens, as a gateway is told.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Uwsgi {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("uWSGI:\n{}", self.log());
        }
        // Asked to end, it takes its processes along at once; killed, they follow when they notice.
        drop(
            Command::new("kill").args(["-INT", &self.child.id().to_string()]).stderr(Stdio::null()).status(),
        );
        drop(self.child.wait());
    }
}
