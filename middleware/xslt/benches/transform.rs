//! What a transform costs by itself: CPU time of one thread, for the documents that are named on the command line. (CPU
//! time, because it means something on a busy machine too.)
//!
//! `cargo bench -p tower-xslt -- SHEET DOCUMENT…`

use std::time::{Duration, Instant};

use tower_xslt::{Limits, Policy, Stylesheet};

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let (Some(sheet), documents) = (args.next(), args.collect::<Vec<_>>()) else {
        eprintln!("usage: cargo bench -p tower-xslt -- SHEET DOCUMENT...");
        return;
    };
    let sheet = Stylesheet::compile([sheet], &Policy::default()).expect("the sheet compiles");
    let params = [("path".to_owned(), "/".to_owned())];
    for name in documents {
        let document = std::fs::read(&name).expect("the document can be read");
        let best = (0..5).map(|_| measure(&sheet, &document, &params)).min().expect("five rounds");
        println!("{name}: {:.1} µs", best.as_secs_f64() * 1e6);
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
