//! A line for programs: one JSON object, its keys in the order in which they were logged.

use std::fmt::{self, Write as _};

use tracing::Event;
use tracing::field::{Field, Visit};

use super::time::Now;
use super::{Format, Process};

/// `{"pid":4711,"process":"worker","generation":3,"timestamp":"…","level":"INFO","message":"…","name":"value"}`
pub(super) struct Json {
    /// All before the time, which is the same in every line.
    start: String,
}

impl Json {
    pub(super) fn new(process: Process) -> Self {
        let pid = std::process::id();
        let process = match process {
            Process::Supervisor => r#""supervisor""#.to_owned(),
            Process::Command => r#""command""#.to_owned(),
            Process::Application { generation } => format!(r#""application","generation":{generation}"#),
            Process::Worker { generation } => format!(r#""worker","generation":{generation}"#),
        };
        Self { start: format!(r#"{{"pid":{pid},"process":{process},"timestamp":""#) }
    }
}

impl Format for Json {
    fn write(&self, line: &mut String, now: &Now, event: &Event<'_>) {
        line.push_str(&self.start);
        now.push_full(line);
        line.push_str(r#"","level":""#);
        line.push_str(event.metadata().level().as_str());
        line.push('"');
        event.record(&mut Fields { line });
        line.push_str("}\n");
    }
}

/// Writes `,"name":value` for each field.
struct Fields<'a> {
    line: &'a mut String,
}

impl Fields<'_> {
    fn name(&mut self, field: &Field) {
        // Names stand in the source, and are words.
        self.line.push_str(",\"");
        self.line.push_str(field.name());
        self.line.push_str("\":");
    }

    fn plain(&mut self, field: &Field, value: impl fmt::Display) {
        self.name(field);
        write!(self.line, "{value}").expect("a String takes all");
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.name(field);
        self.line.push('"');
        // A value that cannot be printed ends where it fails; the line goes on.
        let _ = write!(Escaped(self.line), "{value:?}");
        self.line.push('"');
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.name(field);
        self.line.push('"');
        push_escaped(self.line, value);
        self.line.push('"');
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.plain(field, value);
        } else {
            // JSON has no numbers for these.
            self.record_str(field, &value.to_string());
        }
    }
}

/// Takes text as it is printed.
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        push_escaped(self.0, text);
        Ok(())
    }
}

/// Escapes what RFC 8259 section 7 wants, and DEL and the C1 controls, which a terminal would heed.
fn push_escaped(line: &mut String, text: &str) {
    // Most texts have nothing to escape; without an early end, the compiler looks at many bytes at once.
    if !text.bytes().fold(false, |any, byte| any | is_special(byte)) {
        return line.push_str(text);
    }
    let mut rest = text;
    while let Some(at) = rest.bytes().position(is_special) {
        let (plain, special) = rest.split_at(at);
        line.push_str(plain);
        let mut characters = special.chars();
        let special = characters.next().expect("a special byte is ASCII, or begins a character");
        match special {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            control if control.is_control() => {
                write!(line, "\\u{:04x}", u32::from(control)).expect("a String takes all");
            }
            plain => line.push(plain),
        }
        rest = characters.as_str();
    }
    line.push_str(rest);
}

/// Whether a byte is escaped, or begins a character that may be: in UTF-8, all of C1 begins with 0xC2.
fn is_special(byte: u8) -> bool {
    matches!(byte, 0..0x20 | b'"' | b'\\' | 0x7f | 0xc2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::tests::lines_of;

    /// The line without its process.
    fn line(log: impl FnOnce()) -> String {
        let text = lines_of(Json::new(Process::Worker { generation: 3 }), log);
        let start = format!(r#"{{"pid":{},"process":"worker","generation":3,"#, std::process::id());
        text.strip_prefix(&start).unwrap_or_else(|| panic!("{text}")).to_owned()
    }

    #[test]
    fn an_event_is_one_object_in_the_order_of_its_fields() {
        let text = line(|| {
            let none: Option<&str> = None;
            tracing::warn!(b = "text", a = -1, none, c = true, d = 0.342, e = %"shown", f = ?Some(1), "the {}", "message");
        });
        assert_eq!(
            text,
            concat!(
                r#""timestamp":"2026-11-22T12:00:01.000342Z","level":"WARN","message":"the message","#,
                r#""b":"text","a":-1,"c":true,"d":0.342,"e":"shown","f":"Some(1)"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn nothing_breaks_out_of_a_text() {
        let text =
            line(|| tracing::info!(a = "\"\\\n\r\t\u{1b}\u{7f}\u{9b}\u{a3}\u{fc}\u{2028}", b = ?"\"\n"));
        let expected = concat!(
            r#""a":"\"\\\n\r\t\u001b\u007f\u009b"#,
            "\u{a3}\u{fc}\u{2028}",
            r#"","b":"\"\\\"\\n\""}"#,
            "\n"
        );
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn a_number_that_json_does_not_have_is_a_text() {
        assert!(
            line(|| tracing::info!(a = f64::NAN, b = f64::INFINITY))
                .ends_with("\"a\":\"NaN\",\"b\":\"inf\"}\n")
        );
    }
}
