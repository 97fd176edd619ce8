//! A real server of gRPC behind a gateway, and a real client in front: `tests/apps/grpc_calls.py`.

use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::eventually;

/// The server, on a port of its own. It ends when it is dropped.
pub(crate) struct Grpc {
    child: Child,
    address: String,
    _folder: TempDir,
}

impl Grpc {
    /// Starts it.
    ///
    /// # Panics
    ///
    /// If grpcio is missing, or it does not start.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut child =
            script(&["serve"]).current_dir(folder.path()).spawn().expect("a virtualenv has Python");
        let port = eventually("a server of gRPC", || {
            let has_ended = child.try_wait().expect("its state can be asked").is_some();
            assert!(!has_ended, "is grpcio missing? tests/run installs what tests/requirements.txt names");
            std::fs::read_to_string(folder.path().join("port")).ok()
        });
        Self { child, address: format!("127.0.0.1:{port}"), _folder: folder }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Grpc {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes calls of all kinds, and checks what comes of them.
///
/// # Panics
///
/// With what went wrong.
#[track_caller]
pub(crate) fn grpc_calls(address: &str) {
    let output = script(&["call", address]).stderr(Stdio::piped()).output().expect("a virtualenv has Python");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
}

fn script(arguments: &[&str]) -> Command {
    let venv = std::env::var("VESTIBULE_TEST_VENV").expect("tests/run sets VESTIBULE_TEST_VENV");
    let mut command = Command::new(format!("{venv}/bin/python3"));
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/apps/grpc_calls.py")).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}
