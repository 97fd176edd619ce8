//! The log: lines on stderr, for a person when it is a terminal, as JSON otherwise.
//!
//! `VESTIBULE_LOG` (or else `RUST_LOG`) says what is logged, by default `info`; `debug` and `vestibule=trace,info` are
//! others. All processes share one stderr, so every line names its process. Nothing waits for a slow stderr: see
//! [`writer`].

mod format;
mod writer;

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use format::{Human, Json};
pub(crate) use writer::Flush;

/// Who writes the lines of this process.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Process {
    /// `vestibule run`
    Supervisor,
    /// `vestibule check` and other commands that come and go
    Command,
    /// A worker of a generation
    Worker {
        /// The number of the configuration it was started for
        generation: u64,
    },
}

/// Starts the log. What is still to be written is written when the answer is dropped.
pub(crate) fn start(process: Process) -> Flush {
    let (lines, flush) = writer::start();
    // An error inside of the log has nowhere to go: by default it is printed to the very stderr that is broken.
    let log =
        tracing_subscriber::fmt().with_env_filter(filter()).with_writer(lines).log_internal_errors(false);
    if io::stderr().is_terminal() {
        log.event_format(Human::new(process)).init();
    } else {
        log.fmt_fields(tracing_subscriber::fmt::format::JsonFields::new())
            .event_format(Json::new(process))
            .init();
    }
    flush
}

/// Whether what a person reads on stderr may be coloured.
pub(crate) fn colored() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn filter() -> EnvFilter {
    let wanted = ["VESTIBULE_LOG", "RUST_LOG"].into_iter().find_map(|name| std::env::var(name).ok());
    wanted.and_then(|text| EnvFilter::try_new(text).ok()).unwrap_or_else(|| EnvFilter::new("info"))
}
