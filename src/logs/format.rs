//! How a line looks: what `tracing-subscriber` makes of an event, with the process it comes from.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{self, Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::{Process, colored};

/// `2026-11-22T10:00:00Z  INFO worker 3 (4711): message name=value`
pub(super) struct Human {
    process: String,
    inner: Format<format::Full>,
}

impl Human {
    pub(super) fn new(process: Process) -> Self {
        let process = match process {
            Process::Supervisor | Process::Command => String::new(),
            Process::Worker { generation } => format!("[{}, generation {generation}] ", std::process::id()),
        };
        Self { process, inner: format::format().with_target(false).with_ansi(colored()) }
    }
}

impl<S, N> FormatEvent<S, N> for Human
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        writer.write_str(&self.process)?;
        self.inner.format_event(context, writer, event)
    }
}

/// `{"pid":4711,"generation":3,"timestamp":"…","level":"INFO","message":"…","name":"value"}`
pub(super) struct Json {
    process: String,
    inner: Format<format::Json>,
}

impl Json {
    pub(super) fn new(process: Process) -> Self {
        let pid = std::process::id();
        let process = match process {
            Process::Supervisor => format!(r#"{{"pid":{pid},"process":"supervisor","#),
            Process::Command => format!(r#"{{"pid":{pid},"process":"command","#),
            Process::Worker { generation } => {
                format!(r#"{{"pid":{pid},"process":"worker","generation":{generation},"#)
            }
        };
        Self { process, inner: format::format().json().flatten_event(true).with_target(false) }
    }
}

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        // The object's first brace stands in our part.
        let rest = line.strip_prefix('{').ok_or(fmt::Error)?;
        writer.write_str(&self.process)?;
        writer.write_str(rest)
    }
}
