//! Every `tests/broken/NAME.yaml` gives exactly what `NAME.txt` holds. `BLESS=1` writes what is given now.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use vestibule_config::load;

use crate::kinds::{environment, kinds};

/// As a user in this folder would name it.
const FOLDER: &str = "tests/broken";

#[test]
fn every_broken_file_gives_the_expected_diagnostics() {
    let files = files();
    assert!(files.len() >= 40, "only {} files", files.len());
    let bless = std::env::var_os("BLESS").is_some();
    let mut differences = String::new();
    for yaml in files {
        let given = diagnostics(&yaml);
        let text = yaml.with_extension("txt");
        if bless {
            fs::write(&text, &given).unwrap();
        }
        let expected = fs::read_to_string(&text).unwrap_or_default();
        if given != expected {
            let _ = write!(differences, "{}:\n{}\n", text.display(), difference(&expected, &given));
        }
    }
    assert!(differences.is_empty(), "with BLESS=1 what is given becomes what is expected\n{differences}");
}

fn files() -> Vec<PathBuf> {
    let entries = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|it| it == "yaml")).collect();
    files.sort();
    files
}

/// What `check` would print.
fn diagnostics(yaml: &Path) -> String {
    let given = match load(yaml, &kinds(), &environment) {
        Ok(config) => config.warnings,
        Err(diagnostics) => diagnostics,
    };
    assert!(!given.is_empty(), "{} has nothing wrong", yaml.display());
    given.render(false)
}

/// The lines between those that both begin and end with.
fn difference(expected: &str, given: &str) -> String {
    let (expected, given): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), given.lines().collect());
    let start = expected.iter().zip(&given).take_while(|(a, b)| a == b).count();
    let same = expected[start..].iter().rev().zip(given[start..].iter().rev());
    let end = same.take_while(|(a, b)| a == b).count();
    let minus = expected[start..expected.len() - end].iter().map(|line| format!("- {line}\n"));
    let plus = given[start..given.len() - end].iter().map(|line| format!("+ {line}\n"));
    minus.chain(plus).collect()
}
