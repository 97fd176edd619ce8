//! A program of libfcgi's, which gets its listening socket as its stdin.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command};

use tempfile::TempDir;

use super::before;
use crate::harness::get;

/// The program, on a socket in a folder of its own. It ends when it is dropped.
pub(crate) struct Responder {
    child: Child,
    folder: TempDir,
}

impl Responder {
    /// Compiles it and starts it.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("responder");
        let compiled = Command::new("cc")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/apps/responder.c"))
            .args(["-lfcgi", "-o"])
            .arg(&program)
            .status();
        assert!(
            compiled.expect("gcc is there").success(),
            "libfcgi is missing: apt-get install libfcgi-dev (tests/run does it)"
        );
        let listener = UnixListener::bind(folder.path().join("app.sock")).unwrap();
        let child = Command::new(program).stdin(OwnedFd::from(listener)).spawn().unwrap();
        Self { child, folder }
    }

    /// Where it listens, as a gateway is told.
    pub(crate) fn address(&self) -> String {
        format!("unix:{}", self.folder.path().join("app.sock").display())
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_program_without_scripts_sees_the_path_as_it_came() {
    let responder = Responder::start();
    let gateway = before(&responder.address(), "");
    let mut client = gateway.connect();
    for count in 1..=3 {
        let body = "x".repeat(count * 100_000);
        let text = client.request("POST", "/a%20b?c=d", &["X-Odd: 1"], &body).unwrap().text();
        let length = format!("length={}", body.len());
        let counted = format!("count={count}");
        for line in ["PATH_INFO=/a b", "SCRIPT_NAME=", "QUERY_STRING=c=d", "HTTP_X_ODD=1", &length, &counted]
        {
            assert!(text.lines().any(|known| known == line), "{line}: {text}");
        }
        gateway.log().wait_for_texts(&[&format!("answer {count}"), "stderr"]);
    }
}

#[test]
fn a_program_that_crashes_in_mid_answer_aborts_it() {
    let responder = Responder::start();
    let gateway = before(&responder.address(), "");
    assert!(gateway.connect().request("GET", "/crash", &[], "").is_err());
    // Nobody listens any more.
    assert_eq!(get(&gateway.address(), "/").status, 502);
}
