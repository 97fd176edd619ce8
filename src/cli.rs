//! What a person types.

mod check;
mod doctor;
mod flow;
mod routes;
mod xslt;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use vestibule_config::{Config, Diagnostics};

use crate::logs::Process;
use crate::supervisor::program::exec::exec;
use crate::supervisor::{self, StartError};
use crate::{application, backend, gateway, logs, worker};

/// The exit code of what was done.
pub(crate) const SUCCESS: u8 = 0;

/// The exit code when the configuration is at fault.
const MISTAKEN: u8 = 1;

/// The exit code when the configuration is good and the start fails all the same.
pub(crate) const COULD_NOT_START: u8 = 2;

/// An application gateway between a front web server and the applications: one YAML file, one binary.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = EXAMPLES, after_long_help = manual(), max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  vestibule check vestibule.yaml    finds every mistake of the file; binds nothing
  vestibule run                     serves what ./vestibule.yaml says, until Ctrl-C
  kill -HUP PID                     reloads the file without losing a request
  vestibule routes vestibule.yaml   shows which application answers what, through which layers
  vestibule doctor vestibule.yaml   tries which WSGI applications can share a process, and how
  vestibule xslt run a.xsl b.xml    writes what the layer `xslt` would make of a document

A small vestibule.yaml:
  listen: 127.0.0.1:8000
  routes:
    - mount: /shop
      wsgi: { app: \"shop.wsgi:application\", path: shop }
    - static: { root: /srv/www }

Environment:
  VESTIBULE_LOG   what is logged: error, warn, info (the default), debug, or parts, as in
                  `info,vestibule::front=debug`; RUST_LOG is taken when it is not set. What
                  applications write to `wsgi.errors` comes at warn, what they print at info
  NO_COLOR        no colours, whatever the terminal can do

The log goes to stderr, as lines for a person in a terminal, as JSON otherwise.

Exit codes: 0 well, 1 the configuration has mistakes, 2 it could not be started.";

/// The examples, and what a configuration may be made of.
fn manual() -> String {
    let mut text = EXAMPLES.to_owned();
    let kinds = gateway::kinds();
    let parts = [
        ("Backends, which answer (in `apps` and `routes`)", &kinds.backends),
        ("Layers, around them (in `layers`)", &kinds.layers),
        ("Conditions (in `match`)", &kinds.predicates),
    ];
    for (title, kinds) in parts {
        text.push_str("\n\n");
        text.push_str(title);
        text.push(':');
        for kind in kinds {
            // Writing to a String does not fail.
            let _ = write!(text, "\n  {:<17}  {}", kind.name, kind.summary);
        }
    }
    text
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves what a file says, until SIGTERM or Ctrl-C
    ///
    /// SIGHUP, or a change of the file's `env_file`, reloads: new workers take over once they are ready, the old ones
    /// finish what they serve. A file with mistakes changes nothing. A second SIGTERM ends at once.
    #[command(
        after_help = "Examples:\n  vestibule run\n  vestibule run /etc/vestibule/vestibule.yaml\n  VESTIBULE_LOG=debug vestibule run"
    )]
    Run {
        /// The configuration
        #[arg(default_value = "vestibule.yaml")]
        file: PathBuf,
    },
    /// Finds every mistake of a file: reads it, opens, compiles and imports everything, and binds nothing
    #[command(after_help = "Example:\n  vestibule check vestibule.yaml && systemctl reload vestibule")]
    Check {
        /// The configuration
        #[arg(default_value = "vestibule.yaml")]
        file: PathBuf,
    },
    /// Shows the routes of a file, with their layers and what answers
    #[command(after_help = "Example:\n  vestibule routes vestibule.yaml")]
    Routes {
        /// The configuration
        #[arg(default_value = "vestibule.yaml")]
        file: PathBuf,
    },
    /// Tries each WSGI application in each isolation, and says what to write
    ///
    /// Each is imported in processes of their own, which end when it is known: whether it works there, the module that
    /// forbids it, how long the import takes, how much memory, and what it changes for the whole process. The exit code is
    /// 1 where one of them works nowhere.
    #[command(after_help = "Example:\n  vestibule doctor vestibule.yaml")]
    Doctor {
        /// The configuration
        #[arg(default_value = "vestibule.yaml")]
        file: PathBuf,
    },
    /// Runs stylesheets by hand, as the layer `xslt` would
    #[command(
        subcommand,
        after_help = "Examples:\n  vestibule xslt run theme.xsl page.xml --param path=/news\n  vestibule xslt profile theme.xsl page.xml"
    )]
    Xslt(xslt::Command),
    /// Imports applications on behalf of `doctor`, and writes down how they are
    #[command(hide = true)]
    Probe(doctor::Probe),
    /// Serves, on behalf of `run`, which speaks to it through stdin
    #[command(hide = true)]
    Worker {
        /// The number of the configuration it is started for
        #[arg(long)]
        generation: u64,
    },
    /// Runs an application in a process of its own, on behalf of `run`
    #[command(hide = true)]
    Application {
        /// Its name
        #[arg(long)]
        name: String,
        /// The number of the configuration it is started for
        #[arg(long)]
        generation: u64,
    },
    /// Becomes a program that runs an application, on behalf of `run`
    #[command(hide = true)]
    Program {
        /// The process that it ends with
        #[arg(long)]
        parent: i32,
        /// The program and its arguments
        #[arg(last = true)]
        command: Vec<OsString>,
    },
}

/// Does what the command line says, and ends this process. A process of the gateway calls `give_back` when it has nothing to do.
pub fn main(give_back: fn()) -> ! {
    let command = Cli::parse().command;
    let flush = logs::start(match command {
        Command::Run { .. } => Process::Supervisor,
        Command::Worker { generation, .. } => Process::Worker { generation },
        Command::Application { generation, .. } => Process::Application { generation },
        Command::Check { .. }
        | Command::Routes { .. }
        | Command::Doctor { .. }
        | Command::Xslt(_)
        | Command::Probe(_)
        | Command::Program { .. } => Process::Command,
    });
    let status = match command {
        Command::Run { file } => run(&file, give_back),
        Command::Check { file } => check::run(&file),
        Command::Routes { file } => routes::run(&file),
        Command::Doctor { file } => doctor::run(&file),
        Command::Xslt(command) => xslt::run(command),
        Command::Probe(probe) => probe.run(),
        Command::Worker { .. } => worker::run(give_back),
        Command::Application { name, .. } => application::run(&name, give_back),
        Command::Program { parent, command } => {
            tell(&exec(parent, &command));
            COULD_NOT_START
        }
    };
    drop(flush);
    backend::exit(status)
}

fn run(file: &Path, give_back: fn()) -> u8 {
    match supervisor::run(file, give_back) {
        Ok(()) => SUCCESS,
        Err(error) => refused(&error),
    }
}

/// Tells why a start failed.
fn refused(error: &StartError) -> u8 {
    match error {
        StartError::Configuration { reason, .. } => {
            tell(reason);
            MISTAKEN
        }
        StartError::System(reason) => {
            tell(reason);
            COULD_NOT_START
        }
    }
}

/// Reads and checks a file; its mistakes are told here.
fn load(file: &Path) -> Result<Config, u8> {
    let environment = |name: &str| std::env::var(name).ok();
    vestibule_config::load(file, &gateway::kinds(), &environment).map_err(|mistakes| mistaken(&mistakes))
}

fn mistaken(mistakes: &Diagnostics) -> u8 {
    tell(&mistakes.render(logs::colored()));
    MISTAKEN
}

/// Prints on stderr, for a person.
fn tell(text: &str) {
    // If stderr is closed, the exit code must do.
    drop(writeln!(io::stderr(), "{}", text.trim_end()));
}

/// Prints on stdout. A reader that has seen enough (`| head`) is no error.
fn show(text: &str) -> u8 {
    let mut stdout = io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            tell(&format!("failed to write to stdout: {error}"));
            COULD_NOT_START
        }
        _ => SUCCESS,
    }
}

#[cfg(test)]
mod tests {
    use super::manual;

    #[test]
    fn the_manual_has_every_kind_on_a_line_of_a_hundred_characters_at_most() {
        let text = manual();
        let kinds = crate::gateway::kinds();
        for kind in kinds.backends.iter().chain(&kinds.layers).chain(&kinds.predicates) {
            let line = text.lines().find(|line| line.split_whitespace().next() == Some(kind.name));
            let line = line.unwrap_or_else(|| panic!("{} is missing: {text}", kind.name));
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}
