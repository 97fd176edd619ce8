//! Eight threads that share compiled sheets: each run gives what the first one gave, and memory stays flat.
//!
//! `VESTIBULE_TEST_RUNS` says how many runs each thread makes. `VESTIBULE_TEST_WATCHED` says that valgrind or a sanitiser watches:
//! they keep what was freed. They see all of libxml2's memory where it is linked (`--features libxslt-sys/link`), as it is
//! `malloc`'s then.

use std::fs;
use std::path::Path;
use std::thread;

use bytes::Bytes;
use tower_xslt::{Limits, Policy, Stylesheet};

const THREADS: usize = 8;
const RUNS: usize = 2_000;
/// What memory may grow by between the first tenth of the runs and their end.
const GROWTH: u64 = 8 << 20;

struct Case {
    sheet: Stylesheet,
    document: Vec<u8>,
    expected: Bytes,
}

impl Case {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sheets");
        let sheet =
            Stylesheet::compile([folder.join(name).with_extension("xsl")], &Policy::default()).unwrap();
        let document = fs::read(folder.join(name).with_extension("xml")).unwrap();
        let expected = sheet.transform(&*document, &params("first"), &Limits::default()).unwrap().bytes;
        Self { sheet, document, expected }
    }

    fn run(&self) {
        let output = self.sheet.transform(&*self.document, &params("first"), &Limits::default()).unwrap();
        assert_eq!(output.bytes, self.expected);
    }
}

fn params(value: &str) -> Vec<(String, String)> {
    vec![("path".to_owned(), value.to_owned())]
}

/// Runs all cases in turn, on all threads.
fn run(cases: &[Case], runs: usize) {
    thread::scope(|scope| {
        for first in 0..THREADS {
            scope.spawn(move || (first..first + runs).for_each(|run| cases[run % cases.len()].run()));
        }
    });
}

/// The memory of this process, in bytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn eight_threads_share_sheets_and_memory_stays_flat() {
    let wanted = std::env::var("VESTIBULE_TEST_RUNS");
    let runs = wanted.map_or(RUNS, |text| text.parse().expect("VESTIBULE_TEST_RUNS is a number"));
    let cases: Vec<_> =
        ["keys", "sort", "modes", "imports", "namespaces", "numbers", "exslt", "page", "cdata", "text"]
            .map(Case::new)
            .into();
    run(&cases, runs / 10);
    let before = resident();
    run(&cases, runs - runs / 10);
    let grown = resident().saturating_sub(before);
    let is_watched = std::env::var_os("VESTIBULE_TEST_WATCHED").is_some();
    assert!(is_watched || grown < GROWTH, "{grown} bytes more");
}
