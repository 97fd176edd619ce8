//! What a WSGI server must get right, row by row: `tests/wsgi/README.md` has the list, the checks there are the same that
//! other servers go through.
//!
//! All checks run once, with a deadline, and each row is a test of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use crate::python::isolation::with_sub_interpreters;
use crate::python::venv;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const TABLE: &str = include_str!("../wsgi/README.md");

/// What `run.py` has told: a line for each check.
static OUTCOMES: LazyLock<String> = LazyLock::new(|| run(&["vestibule"], Path::new(&venv())));

macro_rules! rows {
    ($($row:ident)*) => {
        const ROWS: &[&str] = &[$(stringify!($row)),*];
        $(#[test] fn $row() { passes(stringify!($row)); })*
    };
}

rows! {
    late_start empty_chunks start_twice write close content_length broken_stream framing head bodiless hop_by_hop
    status_line header_values repeated_headers underscores httpoxy content_headers path mount nested_mounts query
    server_name remote_addr scheme input chunked truncated_upload unread_body r#continue upload_size streaming client_gone
    long_streams file_wrapper truth errors environ thread import survival transforms
    returns_none returns_text no_start wrong_head raising leaving os_exit forking recursion blocking printing
}

#[test]
fn a_process_of_its_own_passes_every_row() {
    let outcomes = run(&["vestibule-process"], Path::new(&venv()));
    for row in ROWS {
        assert_passed(&outcomes, &name_of(row));
    }
}

#[test]
fn an_interpreter_of_its_own_passes_every_row() {
    // What is said where Python has none is asked beside `with_sub_interpreters`.
    let Some(python) = with_sub_interpreters() else { return };
    let outcomes = run(&["vestibule-interpreter"], &python);
    for row in ROWS {
        assert_passed(&outcomes, &name_of(row));
    }
}

#[test]
fn every_row_has_its_tests_and_every_test_is_there() {
    let documented = documented();
    let rows: BTreeSet<_> = ROWS.iter().map(|row| name_of(row)).collect();
    assert_eq!(documented.keys().cloned().collect::<BTreeSet<_>>(), rows);

    let sources = sources(Path::new(ROOT));
    let mut checks: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in run(&["--list"], Path::new(&venv())).lines() {
        let (row, check) = line.split_once('\t').expect("a row and a check");
        checks.entry(row.into()).or_default().insert(check.into());
    }
    for (row, tests) in &documented {
        let unnamed: Vec<_> =
            checks.get(row).into_iter().flatten().filter(|check| !tests.contains(*check)).collect();
        assert!(unnamed.is_empty() && !tests.is_empty(), "{row} does not name {unnamed:?}");
        for test in tests {
            let is_there = checks.get(row).is_some_and(|of_row| of_row.contains(test))
                || sources.contains(&format!("fn {test}("));
            assert!(is_there, "{row} names `{test}`, which is neither a check of it nor a test in Rust");
        }
    }
}

/// The rows of the table, each with the tests in its last column.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let rows = TABLE.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
    rows.map(|row| {
        let (name, rest) = row.split_once('`').expect("a name ends");
        let tests = rest.rsplit(" | ").next().expect("a last column");
        (name.to_owned(), tests.split('`').skip(1).step_by(2).map(str::to_owned).collect())
    })
    .collect()
}

fn passes(row: &str) {
    assert_passed(&OUTCOMES, &name_of(row));
}

fn assert_passed(outcomes: &str, row: &str) {
    let of_row: Vec<_> = outcomes.lines().filter(|line| line.split('\t').nth(1) == Some(row)).collect();
    assert!(!of_row.is_empty(), "no check of {row} was run:\n{outcomes}");
    let failed: Vec<_> = of_row.iter().filter(|line| line.split('\t').nth(3) != Some("pass")).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

fn name_of(row: &str) -> String {
    row.trim_start_matches("r#").replace('_', "-")
}

/// Runs `run.py`; at its deadline it is asked to end its servers, and then killed.
fn run(arguments: &[&str], python: &Path) -> String {
    let output = Command::new("timeout")
        .args(["--kill-after=10s", "600s"])
        .arg(python.join("bin/python3"))
        .args(["-B", "tests/wsgi/run.py"])
        .args(arguments)
        .current_dir(ROOT)
        .env("VESTIBULE", env!("CARGO_BIN_EXE_vestibule"))
        .env("VESTIBULE_TEST_VENV", python)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("timeout, of coreutils, starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// All that is written in Rust below a folder.
fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for name in ["src", "tests", "middleware", "config"] {
        gather(&folder.join(name), &mut all);
    }
    all
}

fn gather(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            gather(&path, all);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            all.push_str(&fs::read_to_string(&path).expect("it is text"));
        }
    }
}
