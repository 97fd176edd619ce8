//! The log: lines on stderr, for a person when it is a terminal, as JSON otherwise.
//!
//! `VESTIBULE_LOG` (or else `RUST_LOG`) says what is logged, by default `info`; `debug` and `vestibule=trace,info` are
//! others. All processes share one stderr, so every line names its process.
//!
//! An event goes this way: the thread on which it happens writes its line ([`json`], [`human`]) into a buffer of its own
//! and puts it behind the others ([`lines`]); one thread writes what has gathered ([`writer`]). So the lines of a thread keep
//! their order, and no thread waits for stderr.

mod human;
mod json;
mod lines;
mod time;
mod writer;

use std::cell::Cell;
use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry};

use human::Human;
use json::Json;
use lines::Lines;
use time::Now;
pub(crate) use writer::{Flush, flush};

/// Who writes the lines of this process.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Process {
    /// `vestibule run`
    Supervisor,
    /// `vestibule check` and other commands that come and go
    Command,
    /// A process of an application
    Application {
        /// The number of the configuration it was started for
        generation: u64,
    },
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
    let log = Registry::default().with(filter);
    if io::stderr().is_terminal() {
        log.with(Log { format: Human::new(process, colored()), lines }).init();
    } else {
        log.with(Log { format: Json::new(process), lines }).init();
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

/// A text that was coloured for a terminal, for a field of the log, where control characters are shown as what they are.
pub(crate) fn without_colors(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or(part, |(_, text)| text));
    }
    plain
}

/// What is wanted of the log, and what was wrong with the wish.
fn filter() -> (EnvFilter, Option<String>) {
    let wanted = |name| std::env::var(name).ok().filter(|text| !text.is_empty()).map(|text| (name, text));
    let Some((name, text)) = ["VESTIBULE_LOG", "RUST_LOG"].into_iter().find_map(wanted) else {
        return (EnvFilter::new("info"), None);
    };
    match read_filter(&text) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(format!("{name}={text} is not understood: {error}"))),
    }
}

/// `info`, or `vestibule=trace,info`. A word that is no level would be a part, and nothing of the others were logged.
fn read_filter(text: &str) -> Result<EnvFilter, String> {
    let is_level = |part: &&str| {
        let level = part.rsplit_once('=').map_or(*part, |(_, level)| level);
        !level.is_empty() && level.parse::<LevelFilter>().is_ok()
    };
    if let Some(part) = text.split(',').find(|part| !is_level(part)) {
        return Err(format!("`{part}` is not error, warn, info, debug, trace or off, and not PART=LEVEL"));
    }
    EnvFilter::try_new(text).map_err(|error| error.to_string())
}

/// How a line looks.
trait Format: 'static {
    /// Writes an event as a line, with its end.
    fn write(&self, line: &mut String, now: &Now, event: &Event<'_>);
}

/// What becomes of an event.
struct Log<F> {
    format: F,
    lines: Arc<Lines>,
}

thread_local! {
    /// Where this thread writes its lines.
    static LINE: Cell<String> = const { Cell::new(String::new()) };
}

/// A longer line's buffer is not kept.
const LONG: usize = 16 << 10;

impl<F: Format, S: Subscriber> Layer<S> for Log<F> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // A thread that is ending, or a value that logs while it is being written, finds no buffer and makes one.
        let mut line = LINE.try_with(Cell::take).unwrap_or_default();
        line.clear();
        self.format.write(&mut line, &Now::read(), event);
        let is_urgent = *event.metadata().level() <= Level::WARN;
        self.lines.push(line.as_bytes(), is_urgent);
        if line.capacity() <= LONG {
            let _ = LINE.try_with(|kept| kept.set(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go_and_the_text_stays() {
        let text = "\x1b[1;31merror\x1b[0m\x1b[1m: [m\x1b[0m\n\x1b[1;34m  |\x1b[0m";
        assert_eq!(without_colors(text), "error: [m\n  |");
        assert_eq!(without_colors("\x1b["), "");
    }

    #[test]
    fn what_is_no_level_is_told() {
        for text in ["info", "vestibule=trace,info", "warn,tower_wsgi::stuck=debug", "off"] {
            assert!(read_filter(text).is_ok(), "{text}");
        }
        for text in ["verbose", "vestibule=,info", "info,", "vestibule=loud"] {
            assert!(read_filter(text).is_err(), "{text}");
        }
    }

    /// What a format makes of the events of a function, at 12:00:01.000342 of a day in 2026.
    pub(super) fn lines_of<F: Format + Send + Sync>(format: F, log: impl FnOnce()) -> String {
        struct Fixed<F>(F);
        impl<F: Format> Format for Fixed<F> {
            fn write(&self, line: &mut String, _: &Now, event: &Event<'_>) {
                self.0.write(line, &Now::at(std::time::Duration::new(1_795_348_801, 342_999)), event);
            }
        }
        let lines = Arc::new(Lines::default());
        let log_layer = Log { format: Fixed(format), lines: Arc::clone(&lines) };
        tracing::subscriber::with_default(Registry::default().with(log_layer), log);
        lines.end();
        let mut bytes = Vec::new();
        lines.take(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn lines_of_a_thread_keep_their_order_and_are_whole() {
        let text = lines_of(Json::new(Process::Command), || {
            let dispatch = tracing::dispatcher::get_default(Clone::clone);
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let dispatch = dispatch.clone();
                    scope.spawn(move || {
                        tracing::dispatcher::with_default(&dispatch, || {
                            for number in 0..1000 {
                                tracing::info!(thread, number, "a line");
                            }
                        });
                    });
                }
            });
        });
        let mut next = [0; 4];
        for line in text.lines() {
            let (_, rest) = line.split_once(r#""message":"a line","thread":"#).unwrap();
            let (thread, number) = rest.strip_suffix('}').unwrap().split_once(r#","number":"#).unwrap();
            let expected = &mut next[thread.parse::<usize>().unwrap()];
            assert_eq!(number, expected.to_string());
            *expected += 1;
        }
        assert_eq!(next, [1000; 4]);
    }

    #[test]
    fn a_value_that_logs_while_it_is_written_breaks_nothing() {
        struct Chatty;
        impl std::fmt::Display for Chatty {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                tracing::info!("inner");
                f.write_str("chatty")
            }
        }
        let text = lines_of(Json::new(Process::Command), || tracing::info!(value = %Chatty, "outer"));
        let ends: Vec<_> = text.lines().map(|line| line.rsplit_once(r#""message":"#).unwrap().1).collect();
        assert!(ends.last().unwrap().ends_with(r#""value":"chatty"}"#), "{text}");
    }
}
