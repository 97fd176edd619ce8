//! What it costs to read, copy and write a page: read by libxml2's parser of HTML, and as browsers do. CPU time of one thread, for
//! the pages that are named on the command line; the two take turns.
//!
//! `cargo bench -p tower-xslt --bench html -- PAGE…`

use std::time::{Duration, Instant};

use tower_xslt::{Input, InputKind, Limits, OutputKind, Policy, Stylesheet};

const ROUNDS: usize = 7;

fn main() {
    let copy = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/html5/copy.xsl");
    let copy =
        Stylesheet::compile([copy], &Policy::default()).expect("it compiles").writing(OutputKind::Html5);
    println!("{:<40}{:>12}{:>12}{:>8}  (CPU, the best of {ROUNDS} rounds)", "", "html", "html5", "ratio");
    for page in std::env::args().skip(1).filter(|arg| !arg.starts_with("--")) {
        let bytes = std::fs::read(&page).expect("the page can be read");
        let (mut html, mut html5) = (f64::MAX, f64::MAX);
        for _ in 0..ROUNDS {
            html = html.min(measure(&copy, &bytes, InputKind::Html));
            html5 = html5.min(measure(&copy, &bytes, InputKind::Html5));
        }
        println!("{page:<40}{html:>9.1} µs{html5:>9.1} µs{:>8.2}", html5 / html);
    }
}

/// The mean of as many runs as fit into a fifth of a second, in microseconds.
fn measure(copy: &Stylesheet, bytes: &[u8], kind: InputKind) -> f64 {
    let (start, before, mut runs) = (Instant::now(), cpu_time(), 0);
    while start.elapsed() < Duration::from_millis(200) {
        let input = Input { bytes, kind, charset: None };
        copy.transform(input, &[], &Limits::default()).expect("the page is copied");
        runs += 1;
    }
    cpu_time().saturating_sub(before).as_secs_f64() * 1e6 / f64::from(runs)
}

/// What Linux has booked for this thread.
fn cpu_time() -> Duration {
    let booked = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanoseconds = booked.split(' ').next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanoseconds.expect("the first number is the time on the CPU"))
}
