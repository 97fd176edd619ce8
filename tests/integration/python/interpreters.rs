//! One binary, every interpreter.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::tempdir;

use super::{APPS, promised, start, told, venv};
use crate::harness::{TestGateway, check, get};

#[test]
fn every_interpreter_runs_in_the_same_binary() {
    let pythons =
        env::var("VESTIBULE_TEST_PYTHONS").expect("VESTIBULE_TEST_PYTHONS is not set: start tests/run");
    let mut versions = Vec::new();
    for python in pythons.split(':') {
        let asked = Command::new(python).args(["-c", "import sys; print(sys.version.split()[0])"]).output();
        let asked = asked.unwrap_or_else(|error| panic!("failed to run {python}: {error}"));
        let wanted = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
        let yaml =
            format!("python: {python}\nroutes: [ {{ wsgi: {{ app: \"who:application\", path: {APPS} }} }} ]");
        let gateway = TestGateway::from_yaml(&yaml);
        let who = get(&gateway.address(), "/").text();
        assert_eq!(told(&who, "version"), wanted, "{python}");
        println!("{python}: an application of Python {wanted} was served");
        versions.push(wanted);
    }
    for minor in promised() {
        let is_it = |version: &String| version.starts_with(&format!("{minor}."));
        assert!(versions.iter().any(is_it), "Python {minor} has not run, only {versions:?}");
    }
    assert!(!versions.is_empty());
}

#[test]
fn the_packages_of_the_virtualenv_are_found() {
    let gateway = start("routes: [ { wsgi: { app: \"who:application\", path: \"${APPS}\" } } ]");
    let who = get(&gateway.address(), "/").text();
    assert_eq!(told(&who, "prefix"), venv());
    assert!(told(&who, "from").starts_with(&venv()), "{who}");
}

#[test]
fn an_application_names_its_own_virtualenv() {
    let yaml = format!(
        "routes: [ {{ wsgi: {{ app: \"who:application\", path: {APPS}, python: {}/bin/python3 }} }} ]",
        venv()
    );
    let gateway = TestGateway::from_yaml(&yaml);
    assert_eq!(told(&get(&gateway.address(), "/").text(), "prefix"), venv());
}

/// What `check` says of an application with one of the interpreters beside this file.
fn checked_with(interpreter: &str) -> String {
    let folder = tempdir().unwrap();
    let interpreters = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/python/interpreters");
    let yaml = format!(
        "python: {interpreters}/{interpreter}\nroutes: [ {{ wsgi: {{ app: \"who:application\" }} }} ]"
    );
    fs::write(folder.path().join("vestibule.yaml"), yaml).unwrap();
    let output = check(folder.path(), &["check", "vestibule.yaml"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("--> vestibule.yaml:1:9"), "{told}");
    told
}

#[test]
fn an_interpreter_without_its_library_names_the_package() {
    let told = checked_with("without_library");
    assert!(
        told.contains("libpython3.94.so.1.0") && told.contains("install the package libpython3.94"),
        "{told}"
    );
}

#[test]
fn an_interpreter_that_is_too_old_is_refused() {
    let told = checked_with("too_old");
    assert!(told.contains("is cpython 3.9.2; CPython 3.10 or later"), "{told}");
}

#[test]
fn a_later_version_is_tried_with_a_warning() {
    let interpreters = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/python/interpreters");
    let yaml = format!(
        "python: {interpreters}/later\nroutes: [ {{ wsgi: {{ app: \"who:application\", path: {APPS} }} }} ]"
    );
    let gateway = TestGateway::from_yaml(&yaml);
    let warning = gateway.log().wait_for_text("this version of Python is not tested");
    assert!(warning.contains("\"WARN\"") && warning.contains("3.94.1"), "{warning}");
    assert_eq!(get(&gateway.address(), "/").status, 200);
}

#[test]
fn an_interpreter_that_fails_is_told_with_its_words() {
    let told = checked_with("damaged");
    assert!(told.contains("failed: no module named encodings"), "{told}");
}

#[test]
fn files_of_applications_start_from_the_folder_of_the_configuration() {
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("site")).unwrap();
    fs::copy(Path::new(APPS).join("who.py"), folder.path().join("site/who.py")).unwrap();
    let yaml = format!("python: {}\nroutes: [ {{ wsgi: {{ app: site/who.py }} }} ]", venv());
    let file = folder.path().join("vestibule.yaml");
    fs::write(&file, yaml).unwrap();
    let elsewhere = tempdir().unwrap();
    let output = check(elsewhere.path(), &["check", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}
