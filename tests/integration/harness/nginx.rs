//! Debian's nginx in front of a gateway.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use tempfile::TempDir;

use super::{Client, eventually};

/// nginx with a folder of its own; it listens on a unix socket there, so that no port is guessed. It ends when it is dropped.
pub(crate) struct Nginx {
    child: Child,
    folder: TempDir,
}

impl Nginx {
    /// Starts nginx in front of `upstream` (`127.0.0.1:8000` or `unix:/path`), with connections to it that are kept open.
    ///
    /// # Panics
    ///
    /// If nginx is missing or does not start.
    pub(crate) fn in_front_of(upstream: &str) -> Self {
        Self::with_site(|front| site(front, upstream))
    }

    /// Starts nginx with a site: text for its `http` section, made for the address to `listen` on.
    ///
    /// # Panics
    ///
    /// If nginx is missing or does not start.
    pub(crate) fn with_site(site: impl FnOnce(&str) -> String) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let front = format!("unix:{}/front.sock", folder.path().display());
        fs::write(folder.path().join("nginx.conf"), configuration(folder.path(), &site(&front)))
            .expect("its file is written");
        let child = Command::new("nginx")
            .arg("-p")
            .arg(folder.path())
            .args(["-c", "nginx.conf", "-e", "error.log"])
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx is missing: apt-get install nginx-light (tests/run does it)");
        let nginx = Self { child, folder };
        eventually("nginx to accept", || Client::connect(&nginx.address()).ok());
        nginx
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        format!("unix:{}", self.folder.path().join("front.sock").display())
    }

    /// What it has complained about.
    pub(crate) fn errors(&self) -> String {
        fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("nginx:\n{}", self.errors());
        }
        // Asked to quit, it takes its worker along; killed, it would leave it behind.
        drop(Command::new("kill").arg(self.child.id().to_string()).status());
        drop(self.child.wait());
    }
}

fn configuration(folder: &Path, site: &str) -> String {
    format!(
        "daemon off;
user root;
worker_processes 1;
pid nginx.pid;
error_log error.log info;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_max_body_size 16m;
    client_body_temp_path {0}/body;
    proxy_temp_path {0}/proxy;
    fastcgi_temp_path {0}/fastcgi;
    uwsgi_temp_path {0}/uwsgi;
    scgi_temp_path {0}/scgi;
    {site}
}}
",
        folder.display()
    )
}

fn site(front: &str, upstream: &str) -> String {
    format!(
        "upstream vestibule {{
        server {upstream};
        keepalive 32;
        # Shorter than the time for which a retiring worker keeps idle connections: it is nginx that closes them.
        keepalive_timeout 1s;
    }}
    server {{
        listen {front};
        location / {{
            proxy_pass http://vestibule;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Request-ID $request_id;
        }}
    }}"
    )
}
