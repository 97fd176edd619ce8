//! Broken files with the real layers, backends and predicates: what `check` and `run` say of them.
//!
//! Every `broken/NAME.yaml` gives exactly what `broken/NAME.txt` holds. `BLESS=1` writes what is given now; read it as
//! somebody who has to mend that file.

mod system;

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::harness::check;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/bad_input/broken");

#[test]
fn check_gives_the_expected_diagnostics() {
    let bless = env::var_os("BLESS").is_some();
    let mut differences = String::new();
    for name in names() {
        let given = told_by("check", &name);
        let expected = Path::new(FOLDER).join(&name).with_extension("txt");
        if bless {
            fs::write(&expected, &given).expect("it is written");
        }
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        if given != expected {
            let _ = write!(differences, "{name} expected:\n{expected}\n{name} given:\n{given}\n");
        }
    }
    assert!(differences.is_empty(), "with BLESS=1 what is given becomes what is expected\n{differences}");
}

#[test]
fn run_says_the_same_and_serves_nothing() {
    for name in names() {
        assert_eq!(told_by("run", &name), told_by("check", &name), "{name}");
    }
}

fn names() -> Vec<String> {
    let files = fs::read_dir(FOLDER).expect("the folder is there");
    let files = files.map(|entry| entry.expect("it can be read").path());
    let broken = files.filter(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    let mut names: Vec<_> = broken.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect();
    names.sort();
    assert!(names.len() >= 25, "only {} files", names.len());
    names
}

/// What a command prints of a broken file, with the exit code of a configuration that is at fault.
fn told_by(command: &str, name: &str) -> String {
    let output = check(Path::new(FOLDER), &[command, name]);
    let told = String::from_utf8(output.stderr).expect("it is text");
    assert_eq!(output.status.code(), Some(1), "{command} {name}: {told}");
    // libxslt names sheets by their whole path.
    let told = told.replace(&format!("{FOLDER}/"), "");
    assert!(output.stdout.is_empty() && !told.contains("panicked"), "{command} {name}: {told}");
    told
}
