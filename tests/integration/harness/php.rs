//! Debian's php-fpm behind a gateway.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use tempfile::TempDir;

use super::eventually;

/// php-fpm with a folder of its own. It ends when it is dropped.
pub(crate) struct Php {
    child: Child,
    folder: TempDir,
    address: String,
}

/// Where it listens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PhpListens {
    Unix,
    Tcp,
}

impl Php {
    /// Starts php-fpm with so many processes.
    ///
    /// # Panics
    ///
    /// If it is missing or does not start.
    pub(crate) fn start(listens: PhpListens, processes: usize) -> Self {
        // It cannot be told to choose a port. Where another program was faster, it ends, and another port is tried.
        eventually("php-fpm to find a port", || Self::try_start(listens, processes))
    }

    /// Where it listens, as a gateway is told.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What php-fpm itself has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("fpm.log")).unwrap_or_default()
    }

    fn try_start(listens: PhpListens, processes: usize) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (listen, address) = match listens {
            PhpListens::Unix => {
                let path = folder.path().join("php.sock").display().to_string();
                (path.clone(), format!("unix:{path}"))
            }
            PhpListens::Tcp => {
                let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
                let free = free.expect("a port is free").to_string();
                (free.clone(), free)
            }
        };
        let file = folder.path().join("fpm.conf");
        fs::write(&file, configuration(folder.path(), &listen, processes)).expect("its file is written");
        let child = Command::new(program())
            .args(["--nodaemonize", "--allow-to-run-as-root", "-d", "cgi.fix_pathinfo=1", "--fpm-config"])
            .arg(&file)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("php-fpm starts");
        let mut php = Self { child, folder, address };
        // By its own word: at an address that is taken, somebody else accepts.
        let listens = eventually("php-fpm to start", || {
            let has_ended = php.child.try_wait().expect("its state can be asked").is_some();
            let listens = php.log().contains("ready to handle connections");
            (has_ended || listens).then_some(listens)
        });
        assert!(listens || php.log().contains("in use"), "php-fpm does not start:\n{}", php.log());
        listens.then_some(php)
    }
}

/// Debian's program has its version in its name.
fn program() -> PathBuf {
    let programs = fs::read_dir("/usr/sbin").expect("there is a /usr/sbin").filter_map(Result::ok);
    let mut programs: Vec<_> = programs
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("php-fpm"))
        .map(|entry| entry.path())
        .collect();
    programs.sort();
    programs.pop().expect("php-fpm is missing: apt-get install php-fpm (tests/run does it)")
}

impl Drop for Php {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("php-fpm:\n{}", self.log());
        }
        // Asked to end, it takes its processes along; killed, it would leave them behind.
        drop(Command::new("kill").arg(self.child.id().to_string()).stderr(Stdio::null()).status());
        drop(self.child.wait());
    }
}

fn configuration(folder: &Path, listen: &str, processes: usize) -> String {
    format!(
        "[global]
error_log = {0}/fpm.log
pid = {0}/fpm.pid
[site]
user = root
group = root
listen = {listen}
pm = static
pm.max_children = {processes}
catch_workers_output = yes
php_admin_value[session.save_path] = {0}
php_admin_value[upload_tmp_dir] = {0}
php_admin_value[upload_max_filesize] = 64M
php_admin_value[post_max_size] = 64M
php_admin_flag[log_errors] = on
",
        folder.display()
    )
}
