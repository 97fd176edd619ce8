//! `vestibule xslt`: a stylesheet by hand, as the layer `xslt` would run it.

mod profile;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;

use bytes::Bytes;
use clap::{Args, Subcommand};
use vestibule_config::Diagnostics;
use vestibule_layers::trial::Trial;

use super::{COULD_NOT_START, SUCCESS, mistaken, show, tell};
use crate::{logs, runtime};

/// What is done with a stylesheet.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Writes what the layer would answer in place of a document
    ///
    /// The sheets are compiled, the document is parsed and the result is written under the policy and the limits of the layer
    /// `xslt`: its defaults, or those of --set.
    #[command(after_help = RUN)]
    Run {
        #[command(flatten)]
        subject: Subject,
        /// Write the headers, too, as they would be sent
        #[arg(short, long)]
        include: bool,
    },
    /// Tells what each template costs: time without that of the templates it calls, and calls, the slowest first
    ///
    /// The document is transformed over and over, so that templates that take less than a tick of libxslt's clock (10 µs) are
    /// seen, too.
    #[command(after_help = PROFILE)]
    Profile {
        #[command(flatten)]
        subject: Subject,
        /// For how long, in seconds
        #[arg(long, default_value = "1", value_parser = seconds)]
        time: std::time::Duration,
    },
}

const RUN: &str = "\
Examples:
  vestibule xslt run theme.xsl page.xml --param path=/news
  curl -s https://example.org/feed | vestibule xslt run clean.xsl feed.xsl -
  vestibule xslt run theme.xsl page.html --set input=html --set max_time=2s
  vestibule xslt run from_document feed.xml --set sheets=www/xsl

Exit codes: 0 well, 1 the sheet, the document or a setting is at fault, 2 a file cannot be read or written.";

const PROFILE: &str = "\
Examples:
  vestibule xslt profile theme.xsl page.xml --param path=/news
  vestibule xslt profile theme.xsl page.xml --time 10

Exit codes: as of `vestibule xslt run`.";

/// Sheets and a document.
#[derive(Debug, Args)]
pub(super) struct Subject {
    /// The stylesheets, of which each gets what the one before it made; or `from_document`
    #[arg(required = true, value_name = "SHEET")]
    sheets: Vec<String>,
    /// The document; `-` is stdin
    #[arg(value_name = "DOC")]
    document: PathBuf,
    /// A parameter of the sheets: a string, whatever it holds
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair)]
    params: Vec<(String, String)>,
    /// A setting of the layer `xslt`, as in a file: input, folders, on_error, max_time, max_memory, …
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    settings: Vec<(String, String)>,
}

pub(super) fn run(command: Command) -> u8 {
    let done = match command {
        Command::Run { subject, include } => subject.run(include),
        Command::Profile { subject, time } => subject.profile(time),
    };
    done.unwrap_or_else(|status| status)
}

impl Subject {
    fn run(self, include: bool) -> Result<u8, u8> {
        let trial = self.trial()?;
        let (name, document) = self.document(trial.most())?;
        let answer = wait(trial.answer(&name, document))?;
        if !answer.doubts.is_empty() {
            tell(&answer.doubts.render(logs::colored()));
        }
        let mut head = String::new();
        if include {
            for (name, value) in &answer.headers {
                // Writing to a string cannot fail.
                let _ = writeln!(head, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
            }
            head.push('\n');
        }
        write(&[head.as_bytes(), &answer.body].concat())
    }

    fn profile(self, time: std::time::Duration) -> Result<u8, u8> {
        let trial = self.trial()?;
        let (name, document) = self.document(trial.most())?;
        let profile = wait(trial.profile(&name, document, time))?;
        Ok(show(&profile::table(&profile)))
    }

    /// What the document is called, and so much of it at most.
    fn document(&self, most: u64) -> Result<(String, Bytes), u8> {
        let is_stdin = self.document.as_os_str() == "-";
        let name = if is_stdin { "stdin".to_owned() } else { self.document.display().to_string() };
        let mut text = Vec::new();
        let read = if is_stdin {
            io::stdin().take(most).read_to_end(&mut text)
        } else {
            File::open(&self.document).and_then(|file| file.take(most).read_to_end(&mut text))
        };
        match read {
            Ok(_) => Ok((name, text.into())),
            Err(error) => {
                tell(&format!("failed to read {name}: {error}"));
                Err(COULD_NOT_START)
            }
        }
    }

    fn trial(&self) -> Result<Trial, u8> {
        Trial::build(&self.yaml(), self.params.clone()).map_err(|mistakes| mistaken(&mistakes))
    }

    /// The layer as it would be written in a file.
    fn yaml(&self) -> String {
        let sheets: Vec<_> =
            self.sheets.iter().map(|sheet| format!("'{}'", sheet.replace('\'', "''"))).collect();
        let mut yaml = format!("xslt:\n  stylesheet: [{}]\n", sheets.join(", "));
        for (key, value) in &self.settings {
            // Writing to a string cannot fail.
            let _ = writeln!(yaml, "  {key}: {value}");
        }
        yaml
    }
}

/// Waits for what needs a runtime.
fn wait<T>(work: impl Future<Output = Result<T, Diagnostics>>) -> Result<T, u8> {
    match runtime::of_one_core() {
        Ok(runtime) => runtime.block_on(work).map_err(|mistakes| mistaken(&mistakes)),
        Err(error) => {
            tell(&format!("failed to start: {error}"));
            Err(COULD_NOT_START)
        }
    }
}

/// Writes a result, which may be no text.
fn write(bytes: &[u8]) -> Result<u8, u8> {
    let mut stdout = io::stdout();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            tell(&format!("failed to write to stdout: {error}"));
            Err(COULD_NOT_START)
        }
        _ => Ok(SUCCESS),
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is written NAME=VALUE")?;
    if name.is_empty() {
        return Err("the name is missing".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn seconds(text: &str) -> Result<std::time::Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "it is a number of seconds")?;
    std::time::Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
