//! `vestibule doctor`: which isolation each WSGI application can have, tried out in scratch processes.
//!
//! ```text
//! APPLICATION  ISOLATION    WORKS  IMPORT   MEMORY
//! shop         shared       yes    0.21 s   24 MiB
//!              interpreter  no                      it imports lxml.etree (shop/views.py:3), which cannot …
//!              process      yes    0.25 s   41 MiB
//! ```
//!
//! A scratch process is this binary with the hidden command `probe`. One imports all applications as `shared` does, in
//! the order of the file; then each application is imported alone, in an interpreter of its own and in the main one. The
//! last is as with `isolation: process`: with the environment, the working directory and the user of its settings.

mod probe;
mod report;
mod table;

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use vestibule_config::Config;

pub(super) use self::probe::Probe;
use self::probe::Where;
use self::report::{Outcome, Report};
use super::{COULD_NOT_START, MISTAKEN, load, show, tell};
use crate::backend;
use crate::backend::processes::{Hosting, Runs, Surroundings, Wanted};
use crate::hosted::{self, Named};
use crate::runtime;
use crate::supervisor::account;

/// How long a scratch process may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// After how long a person is told what takes so long.
const LONG: Duration = Duration::from_secs(5);

/// An application and what became of it in each isolation.
struct Patient {
    name: String,
    outcomes: [(Where, Outcome); 3],
    /// The keys it has that only processes of its own can have: `user`, `processes`.
    needs_process: Vec<&'static str>,
    /// Whether it was not tried as its user.
    is_another_user: bool,
}

impl Patient {
    /// The first isolation that works, from the one that costs least; of those that its settings allow.
    fn advice(&self) -> Option<Where> {
        let may_be = |place| place == Where::Process || self.needs_process.is_empty();
        let working = self.outcomes.iter().filter(|(_, outcome)| outcome.import().is_some());
        working.map(|(place, _)| *place).find(|place| may_be(*place))
    }
}

/// An application as the configuration has it.
struct Subject<'a> {
    backend: Named<'a>,
    env: Vec<(String, String)>,
    /// With `isolation: process`.
    wanted: Option<Wanted>,
}

/// Examines the applications of a file.
pub(super) fn run(file: &Path) -> u8 {
    let config = match load(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let subjects = subjects(&config);
    if subjects.is_empty() {
        return show("There are no WSGI applications in it.\n");
    }
    let examined =
        runtime::of_one_core().and_then(|runtime| runtime.block_on(examine(file, &config, &subjects)));
    match examined {
        Ok(patients) => {
            let color = io::stdout().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            let shown = show(&table::render(&patients, color));
            let is_hopeless = |patient: &Patient| patient.advice().is_none();
            if patients.iter().any(is_hopeless) { MISTAKEN } else { shown }
        }
        Err(error) => {
            tell(&format!("failed to start a scratch process: {error}"));
            COULD_NOT_START
        }
    }
}

/// How all WSGI applications of a configuration are loaded, in the order in which they are.
fn applications(config: &Config) -> Vec<tower_wsgi::Settings> {
    let all = hosted::backends(config);
    all.iter().filter_map(|app| backend::wsgi::as_loaded(app.component, &app.name, config)).collect()
}

fn subjects(config: &Config) -> Vec<Subject<'_>> {
    let all = hosted::backends(config).into_iter();
    all.filter_map(|backend| {
        let settings = backend::wsgi::as_loaded(backend.component, &backend.name, config)?;
        Some(Subject { wanted: backend.wanted(), backend, env: settings.variables })
    })
    .collect()
}

async fn examine(file: &Path, config: &Config, subjects: &[Subject<'_>]) -> io::Result<Vec<Patient>> {
    let together = probe("the applications together", command(Where::Shared, file)?).await?;
    let mut patients = Vec::new();
    for (number, subject) in subjects.iter().enumerate() {
        let name = &subject.backend.name;
        let alone = subject.alone(Where::Interpreter, config, &Surroundings::default())?;
        let interpreter = probe(&format!("{name} in an interpreter of its own"), alone).await?;
        let (surroundings, is_another_user) = subject.process();
        // Whoever cannot become its user, or enter its folder, is told so in the table.
        let alone = subject.alone(Where::Process, config, &surroundings)?;
        let process = match probe(&format!("{name} in a process of its own"), alone).await {
            Ok(report) => report,
            Err(error) => Report::read("", format!("it could not be started: {error}")),
        };
        let outcomes = [
            (Where::Shared, together.outcome(number, name)),
            (Where::Interpreter, interpreter.outcome(0, name)),
            (Where::Process, process.outcome(0, name)),
        ];
        let needs_process = subject.needs_process();
        patients.push(Patient { name: name.clone(), outcomes, needs_process, is_another_user });
    }
    Ok(patients)
}

impl Subject<'_> {
    fn needs_process(&self) -> Vec<&'static str> {
        let Some(Wanted { count, surroundings, runs, .. }) = &self.wanted else { return Vec::new() };
        let is_limited = matches!(runs, Runs::Backend(Hosting { max_memory: Some(_), .. }));
        let keys = [
            ("user", surroundings.user.is_some()),
            ("cwd", surroundings.folder.is_some()),
            ("processes", *count > 1),
            ("max_memory", is_limited),
        ];
        keys.into_iter().filter(|(_, is)| *is).map(|(key, _)| key).collect()
    }

    /// What its process is to be like; and whether that is without its user, whom only root can become.
    fn process(&self) -> (Surroundings, bool) {
        let surroundings = self.wanted.as_ref().map(|wanted| wanted.surroundings.clone());
        let mut surroundings = surroundings.unwrap_or_default();
        surroundings.env.clone_from(&self.env);
        let (own, is_root) = (rustix::process::geteuid().as_raw(), rustix::process::geteuid().is_root());
        let is_another_user = !is_root && surroundings.user.as_ref().is_some_and(|login| login.user != own);
        if is_another_user {
            surroundings.user = None;
        }
        (surroundings, is_another_user)
    }

    /// A scratch process that knows this application alone.
    fn alone(&self, place: Where, config: &Config, surroundings: &Surroundings) -> io::Result<Command> {
        let source = self.backend.source(config, surroundings.folder.as_deref())?;
        let mut command = command(place, source.config.path())?;
        let mut text = tempfile::tempfile()?;
        text.write_all(source.config.text().as_bytes())?;
        text.rewind()?;
        command.stdin(text);
        account::apply(surroundings, &mut command);
        Ok(command)
    }
}

fn command(place: Where, file: &Path) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["probe", "--place", place.name()]).arg(file).stdin(Stdio::null());
    Ok(command)
}

/// Runs a scratch process to its end, which it may not reach; `what` it imports.
async fn probe(what: &str, mut command: Command) -> io::Result<Report> {
    let mut report: File = tempfile::tempfile()?;
    // What applications print is not what is asked here: the scratch process keeps stdout from them.
    command.stdout(report.try_clone()?).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let tell_long = async {
        tokio::time::sleep(LONG).await;
        tell(&format!("still importing {what}; this may take {} s", PATIENCE.as_secs()));
        std::future::pending().await
    };
    let ended = async {
        tokio::select! {
            ended = child.wait() => ended,
            ended = tell_long => ended,
        }
    };
    let end = match tokio::time::timeout(PATIENCE, ended).await {
        Ok(status) => status?.to_string(),
        Err(_) => format!("it took longer than {} s", PATIENCE.as_secs()),
    };
    let mut text = Vec::new();
    report.rewind()?;
    report.read_to_end(&mut text)?;
    Ok(Report::read(&String::from_utf8_lossy(&text), end))
}
