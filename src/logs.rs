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
    let (filter, mistake) = filter();
    // An error inside of the log has nowhere to go: by default it is printed to the very stderr that is broken.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines).log_internal_errors(false);
    if io::stderr().is_terminal() {
        log.event_format(Human::new(process)).init();
    } else {
        log.fmt_fields(tracing_subscriber::fmt::format::JsonFields::new())
            .event_format(Json::new(process))
            .init();
    }
    if let Some(mistake) = mistake {
        tracing::warn!("{mistake}");
    }
    flush
}

/// Whether what a person reads on stderr may be coloured.
pub(crate) fn colored() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// What is wanted of the log, and what was wrong with the wish.
fn filter() -> (EnvFilter, Option<String>) {
    let wanted = |name| std::env::var(name).ok().filter(|text| !text.is_empty()).map(|text| (name, text));
    let Some((name, text)) = ["VESTIBULE_LOG", "RUST_LOG"].into_iter().find_map(wanted) else {
        return (EnvFilter::new("info"), None);
    };
    match EnvFilter::try_new(&text) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(format!("{name}={text} is not understood: {error}"))),
    }
}
