//! Imports that end their process, or never end.

use super::{start_with, venv};
use crate::harness::{check_with, eventually_says};

const YAML: &str = "python: \"${VENV}\"
apps: { shop: { wsgi: { app: \"place:app\" } } }
routes: [ { app: shop } ]";

/// An application that does something as it is imported.
fn doing(what: &str) -> String {
    format!(
        "import os, time\n{what}\n\ndef app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'mended']\n"
    )
}

#[test]
fn an_import_that_ends_its_process_is_told_with_its_application() {
    for (what, ended) in [
        ("os._exit(0)", "exit status: 0"),
        ("os._exit(9)", "exit status: 9"),
        ("import ctypes; ctypes.string_at(0)", "signal: 11 (SIGSEGV)"),
    ] {
        for isolation in ["shared", "process"] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("place.py"), doing(what)).unwrap();
            let yaml = YAML.replace("\"place:app\"", &format!("\"place:app\", isolation: {isolation}"));
            std::fs::write(folder.path().join("vestibule.yaml"), yaml).unwrap();
            for command in ["check", "run"] {
                let output = check_with(folder.path(), &[command], &[("VENV", &venv())]);
                let told = String::from_utf8_lossy(&output.stderr);
                assert_eq!(output.status.code(), Some(2), "{command} {what} {isolation}: {told}");
                let why = format!("a worker ended before it was ready: {ended} (");
                assert!(told.contains(&why) && told.contains("building shop"), "{told}");
            }
        }
    }
}

#[test]
fn an_import_that_hangs_is_told_and_given_up_for_a_reload() {
    let yaml = YAML.split_once('\n').unwrap().1;
    let hangs = doing("while True: time.sleep(1)");
    let mut gateway = start_with(yaml, &[("place.py", &doing("").replace("mended", "old"))], &[]);
    gateway.write("place.py", &hangs);
    gateway.signal("HUP");
    gateway.log().wait_for_texts(&["is not ready after 5s", "\"application\":\"shop\""]);
    eventually_says(&gateway.address(), "old");
    gateway.write("place.py", &doing(""));
    gateway.signal("HUP");
    gateway.log().wait_for_texts(&["\"generation\":2", "given up for a reload"]);
    gateway.wait_ready(3);
    eventually_says(&gateway.address(), "mended");
}
