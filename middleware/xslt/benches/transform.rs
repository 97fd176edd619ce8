//! What a transform costs by itself, beside what `xsltproc` spends on the same: CPU time of one thread, for the documents that are
//! named on the command line. (CPU time, because it means something on a busy machine too; they take turns.)
//!
//! `cargo bench -p tower-xslt -- SHEET DOCUMENT…` needs a C compiler and `libxslt1-dev`: `xsltproc.c` is xsltproc without its start.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tower_xslt::{Limits, Policy, Stylesheet};

const ROUNDS: usize = 7;

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let (Some(name), documents) = (args.next(), args.collect::<Vec<_>>()) else {
        eprintln!("usage: cargo bench -p tower-xslt -- SHEET DOCUMENT...");
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let theirs = xsltproc(folder.path());
    let sheet = Stylesheet::compile([&name], &Policy::default()).expect("the sheet compiles");
    let params = [("path".to_owned(), "/".to_owned())];
    println!("{:<40}{:>12}{:>12}{:>8}  (CPU, the best of {ROUNDS} rounds)", "", "ours", "xsltproc", "ratio");
    for document in documents {
        let bytes = std::fs::read(&document).expect("the document can be read");
        let (mut ours, mut other) = (f64::MAX, f64::MAX);
        for _ in 0..ROUNDS {
            ours = ours.min(measure(&sheet, &bytes, &params).as_secs_f64() * 1e6);
            other = other.min(measure_xsltproc(&theirs, &name, &document));
        }
        println!("{document:<40}{ours:>9.1} µs{other:>9.1} µs{:>8.2}", ours / other);
    }
}

/// The mean of as many runs as fit into half a second.
fn measure(sheet: &Stylesheet, document: &[u8], params: &[(String, String)]) -> Duration {
    let (start, before, mut runs) = (Instant::now(), cpu_time(), 0);
    while start.elapsed() < Duration::from_millis(500) {
        sheet.transform(document, params, &Limits::default()).expect("the document is transformed");
        runs += 1;
    }
    cpu_time().saturating_sub(before) / runs
}

/// What Linux has booked for this thread.
fn cpu_time() -> Duration {
    let booked = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanoseconds = booked.split(' ').next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanoseconds.expect("the first number is the time on the CPU"))
}

/// The program in C, compiled.
fn xsltproc(folder: &Path) -> PathBuf {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/xsltproc.c");
    let program = folder.join("xsltproc");
    let built = Command::new("cc")
        .args(["-O2", "-I/usr/include/libxml2", source, "-lexslt", "-lxslt", "-lxml2", "-o"])
        .arg(&program)
        .status();
    assert!(built.is_ok_and(|status| status.success()), "it needs gcc and libxslt1-dev (apt-get install)");
    program
}

fn measure_xsltproc(program: &Path, sheet: &str, document: &str) -> f64 {
    let output = Command::new(program).args([sheet, document]).output().expect("it starts");
    let text = String::from_utf8(output.stdout).expect("it prints a number");
    text.trim().parse().unwrap_or_else(|_| panic!("{sheet} {document}: {:?}", output.status))
}
