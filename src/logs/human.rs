//! A line for a person at a terminal.
//!
//! A request is told in few words; JSON has the rest. Times are UTC, as everywhere in the log.
//!
//! ```text
//! 12:00:01  INFO [4711, generation 3] ready workers=1
//! 12:00:01 GET /shop/ 200 1.2 ms 5.1 kB  127.0.0.1
//! ```

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::time::Now;
use super::{Format, Process};

const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";
const FAINT: &str = "2";

pub(super) struct Human {
    process: String,
    colored: bool,
}

impl Human {
    pub(super) fn new(process: Process, colored: bool) -> Self {
        let process = match process {
            Process::Supervisor | Process::Command => String::new(),
            Process::Worker { generation } | Process::Application { generation } => {
                format!("[{}, generation {generation}] ", std::process::id())
            }
        };
        Self { process, colored }
    }

    fn paint(&self, line: &mut String, color: &str, write: impl FnOnce(&mut String)) {
        if self.colored {
            push(line, format_args!("\x1b[{color}m"));
            write(line);
            line.push_str("\x1b[0m");
        } else {
            write(line);
        }
    }

    fn write_event(&self, line: &mut String, event: &Event<'_>) {
        let level = *event.metadata().level();
        let color = match level {
            Level::ERROR => RED,
            Level::WARN => YELLOW,
            Level::INFO => GREEN,
            _ => FAINT,
        };
        line.push(' ');
        self.paint(line, color, |line| push(line, format_args!("{level:>5}")));
        line.push(' ');
        line.push_str(&self.process);
        let is_said = event.metadata().fields().field("stream").is_some();
        event.record(&mut Fields { line, separator: "", is_said });
    }

    fn write_access(&self, line: &mut String, access: &Access) {
        let Access { request, status, outcome, milliseconds, bytes, client } = access;
        let color = match status {
            ..300 => GREEN,
            300..400 => CYAN,
            400..500 => YELLOW,
            _ => RED,
        };
        line.push_str(request);
        line.push(' ');
        self.paint(line, color, |line| push(line, format_args!("{status}")));
        if *milliseconds < 1000.0 {
            push(line, format_args!(" {milliseconds:.1} ms"));
        } else {
            push(line, format_args!(" {:.1} s", milliseconds / 1000.0));
        }
        push_size(line, *bytes);
        if outcome != "complete" {
            line.push(' ');
            self.paint(line, RED, |line| line.push_str(outcome));
        }
        if !client.is_empty() {
            line.push_str("  ");
            self.paint(line, FAINT, |line| line.push_str(client));
        }
    }
}

impl Format for Human {
    fn write(&self, line: &mut String, now: &Now, event: &Event<'_>) {
        self.paint(line, FAINT, |line| now.push_clock(line));
        if event.metadata().target() == "access" {
            let mut access = Access::default();
            event.record(&mut access);
            self.write_access(line, &access);
        } else {
            self.write_event(line, event);
        }
        line.push('\n');
    }
}

/// Writes the message, and ` name=value` for each other field.
struct Fields<'a> {
    line: &'a mut String,
    separator: &'static str,
    /// An application wrote it, perhaps one line of many. Of whom it is, is told; the rest would bury a traceback.
    is_said: bool,
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.is_said && matches!(field.name(), "stream" | "request_id") {
            return;
        }
        self.line.push_str(std::mem::replace(&mut self.separator, " "));
        let text = format!("{value:?}");
        match field.name() {
            "message" => {}
            // Its lines stand below each other, as a mistake with what it points at.
            name if text.contains('\n') => push(self.line, format_args!("{name}:\n    ")),
            name => push(self.line, format_args!("{name}=")),
        }
        push(&mut Visible(self.line), format_args!("{text}"));
    }
}

/// What the line of a request tells.
#[derive(Default)]
struct Access {
    /// ` GET /path?query`
    request: String,
    status: u64,
    outcome: String,
    milliseconds: f64,
    bytes: u64,
    client: String,
}

impl Visit for Access {
    fn record_str(&mut self, field: &Field, value: &str) {
        let (before, to) = match field.name() {
            "method" | "path" => (" ", &mut self.request),
            "query" => ("?", &mut self.request),
            "outcome" => ("", &mut self.outcome),
            "client" => ("", &mut self.client),
            _ => return,
        };
        to.push_str(before);
        push(&mut Visible(to), format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "status" => self.status = value,
            "bytes" => self.bytes = value,
            _ => {}
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "duration_ms" {
            self.milliseconds = value;
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // An address, which is logged as it is displayed.
        if field.name() == "client" {
            push(&mut Visible(&mut self.client), format_args!("{value:?}"));
        }
    }
}

/// ` 512 B`, ` 5.1 kB`, ` 3.0 MB`
fn push_size(line: &mut String, bytes: u64) {
    let (unit, name) = match bytes {
        ..1000 => return push(line, format_args!(" {bytes} B")),
        1000..1_000_000 => (1000, "kB"),
        1_000_000..1_000_000_000 => (1_000_000, "MB"),
        _ => (1_000_000_000, "GB"),
    };
    let tenths = bytes / (unit / 10);
    push(line, format_args!(" {}.{} {name}", tenths / 10, tenths % 10));
}

/// A value that cannot be printed ends where it fails; the line goes on.
fn push(to: &mut impl fmt::Write, text: fmt::Arguments<'_>) {
    let _ = to.write_fmt(text);
}

/// Takes text as it is printed, and shows what a terminal would heed. The lines of a traceback stay lines, but they are
/// indented: none can pass for a line of the log.
struct Visible<'a>(&'a mut String);

impl fmt::Write for Visible<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '\n' => self.0.push_str("\n    "),
                '\t' => self.0.push('\t'),
                control if control.is_control() => write!(self.0, "{}", control.escape_default())?,
                plain => self.0.push(plain),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::tests::lines_of;

    fn line(colored: bool, log: impl FnOnce()) -> String {
        lines_of(Human::new(Process::Supervisor, colored), log)
    }

    fn access(status: u64, bytes: u64, milliseconds: f64, outcome: &str) -> String {
        line(false, || {
            tracing::info!(
                target: "access",
                method = "GET",
                path = "/a",
                query = "b=\u{1b}[31m",
                status,
                bytes,
                outcome,
                duration_ms = milliseconds,
                request_id = "abc",
                client = %std::net::Ipv4Addr::LOCALHOST,
                user_agent = "of no interest",
            );
        })
    }

    #[test]
    fn a_request_is_told_in_few_words() {
        for (line, expected) in [
            (access(200, 5123, 1.234, "complete"), "200 1.2 ms 5.1 kB  127.0.0.1"),
            (access(404, 12, 0.04, "complete"), "404 0.0 ms 12 B  127.0.0.1"),
            (access(200, 2_999_999, 61_000.0, "aborted"), "200 61.0 s 2.9 MB aborted  127.0.0.1"),
        ] {
            assert_eq!(line, format!("12:00:01 GET /a?b=\\u{{1b}}[31m {expected}\n"));
        }
    }

    #[test]
    fn other_events_name_their_level_and_fields() {
        let text = line(false, || tracing::warn!(place = "a b", number = 3, path = %"/x", "told"));
        assert_eq!(text, "12:00:01  WARN told place=\"a b\" number=3 path=/x\n");
    }

    #[test]
    fn what_an_application_writes_is_told_with_its_name_alone() {
        let text = line(false, || {
            tracing::warn!(application = %"blog", request_id = %"abc", stream = "wsgi.errors", "  File \"blog.py\"");
        });
        assert_eq!(text, "12:00:01  WARN   File \"blog.py\" application=blog\n");
    }

    #[test]
    fn a_traceback_keeps_its_lines_and_none_passes_for_another() {
        let text = line(false, || tracing::error!("raised\n12:00:01 GET \u{9b}1m\r"));
        assert_eq!(text, "12:00:01 ERROR raised\n    12:00:01 GET \\u{9b}1m\\r\n");
    }

    #[test]
    fn a_field_of_several_lines_begins_on_one_of_its_own() {
        let text = line(false, || tracing::error!(reason = %"error: a\n  | ^", "refused"));
        assert_eq!(text, "12:00:01 ERROR refused reason:\n    error: a\n      | ^\n");
    }

    #[test]
    fn a_terminal_gets_colours() {
        let text =
            line(true, || tracing::info!(target: "access", method = "GET", path = "/", status = 500_u64));
        assert!(text.contains(" GET / \u{1b}[31m500\u{1b}[0m "), "{text}");
        assert_eq!(text.matches("\u{1b}[").count() % 2, 0);
    }
}
