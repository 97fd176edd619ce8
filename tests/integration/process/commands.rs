//! What the commands print, compared with expected files.

use std::fs;
use std::path::Path;

use tempfile::tempdir;

use crate::harness::check;

const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/process/commands");

/// Runs a command on a file of the folder beside this one.
fn output(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = check(Path::new(FILES), arguments);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn expected(name: &str) -> String {
    fs::read_to_string(Path::new(FILES).join(name)).unwrap()
}

#[test]
fn check_says_what_is_fine() {
    assert_eq!(output(&["check", "site.yaml"]), (Some(0), expected("check.txt"), String::new()));
}

#[test]
fn check_tells_every_mistake() {
    assert_eq!(output(&["check", "broken.yaml"]), (Some(1), String::new(), expected("broken.txt")));
}

#[test]
fn check_tells_what_cannot_be_built() {
    assert_eq!(output(&["check", "unbuildable.yaml"]), (Some(1), String::new(), expected("unbuildable.txt")));
}

#[test]
fn run_tells_the_same_mistakes() {
    assert_eq!(output(&["run", "broken.yaml"]), (Some(1), String::new(), expected("broken.txt")));
    assert_eq!(output(&["run", "unbuildable.yaml"]), (Some(1), String::new(), expected("unbuildable.txt")));
}

#[test]
fn routes_shows_the_tree() {
    assert_eq!(output(&["routes", "site.yaml"]), (Some(0), expected("routes.txt"), String::new()));
}

#[test]
fn a_missing_file_is_told() {
    let folder = tempdir().unwrap();
    let output = check(folder.path(), &["run"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("vestibule.yaml"), "{told}");
}
