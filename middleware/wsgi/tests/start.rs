//! A start that fails: a test of its own, because an interpreter is started once in a process.

#[expect(dead_code, reason = "the other tests use more of it")]
#[path = "wsgi/harness.rs"]
mod harness;

use std::process::Command;

use tower_wsgi::{Application, Settings, discover};

use harness::settings;

#[test]
fn an_interpreter_that_could_not_be_prepared_fails_every_application_alike() {
    let wanted = settings("answers:hello");
    let base = discover(wanted.python.as_deref()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut venv = Command::new(&base.executable);
    venv.args(["-m", "venv", "--without-pip"]).arg(folder.path());
    assert!(venv.status().unwrap().success());
    let python = discover(Some(folder.path())).unwrap();
    // Without `signal`, the host cannot begin.
    let site = "import sys; sys.modules['signal'] = None\n";
    std::fs::write(python.packages[0].join("without_signal.pth"), site).unwrap();
    let load = || {
        let wanted = Settings { python: Some(folder.path().into()), ..wanted.clone() };
        Application::load(wanted).unwrap_err().to_string()
    };
    let first = load();
    assert!(first.contains("signal") && first.contains("Traceback"), "{first}");
    assert_eq!(load(), first);
}
