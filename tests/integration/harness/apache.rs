//! Debian's Apache in front of a gateway.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use tempfile::TempDir;

use super::eventually;

/// Apache with a folder of its own and a port that was free. It ends when it is dropped.
pub(crate) struct Apache {
    child: Child,
    folder: TempDir,
    address: String,
}

impl Apache {
    /// Starts Apache in front of the unix socket `upstream`.
    ///
    /// # Panics
    ///
    /// If Apache is missing or does not start.
    pub(crate) fn in_front_of(upstream: &Path) -> Self {
        // Apache cannot be told to choose a port. Where another program was faster, it ends, and another port is tried.
        eventually("Apache to find a port", || Self::try_start(upstream))
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    fn try_start(upstream: &Path) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("a port is free").to_string();
        let file = folder.path().join("apache.conf");
        fs::write(&file, configuration(folder.path(), &address, upstream)).expect("its file is written");
        let child = Command::new("apache2")
            .args(["-D", "FOREGROUND", "-f"])
            .arg(&file)
            .stdin(Stdio::null())
            .stderr(File::create(folder.path().join("stderr")).expect("its file is made"))
            .spawn()
            .expect("apache2 is missing: apt-get install apache2-bin (tests/run does it)");
        let mut apache = Self { child, folder, address };
        // It writes its number when it has bound its port, and before it serves.
        let listens = eventually("Apache to start", || {
            let has_ended = apache.child.try_wait().expect("its state can be asked").is_some();
            let listens = apache.folder.path().join("apache.pid").exists();
            (has_ended || listens).then_some(listens)
        });
        assert!(listens || apache.errors().contains("in use"), "Apache does not start:\n{}", apache.errors());
        listens.then_some(apache)
    }

    fn errors(&self) -> String {
        // A port that is taken is told before there is a log.
        ["stderr", "error.log"]
            .map(|name| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default())
            .concat()
    }
}

impl Drop for Apache {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("Apache:\n{}", self.errors());
        }
        // Asked to end, it takes its workers along; killed, it would leave them behind.
        drop(Command::new("kill").arg(self.child.id().to_string()).stderr(Stdio::null()).status());
        drop(self.child.wait());
    }
}

fn configuration(folder: &Path, address: &str, upstream: &Path) -> String {
    let modules = "/usr/lib/apache2/modules";
    format!(
        "ServerRoot {0}
ServerName front.example
Listen {address}
PidFile apache.pid
ErrorLog error.log
DefaultRuntimeDir {0}
Mutex posixsem
User www-data
Group www-data
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule headers_module {modules}/mod_headers.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
StartServers 1
ProxyPreserveHost On
RequestHeader set X-Forwarded-Proto expr=%{{REQUEST_SCHEME}}
ProxyPass / \"unix:{1}|http://localhost/\"
",
        folder.display(),
        upstream.display()
    )
}
