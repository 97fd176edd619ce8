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
//! the order of the file; then each application is imported alone, in an interpreter of its own and in the main one.

mod probe;
mod report;
mod table;

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use vestibule_config::{Config, Route, Target};

pub(super) use self::probe::Probe;
use self::probe::Where;
use self::report::{Outcome, Report};
use super::{COULD_NOT_START, MISTAKEN, load, show, tell};
use crate::{backend, hosted, runtime};

/// How long a scratch process may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// An application and what became of it in each isolation.
struct Patient {
    name: String,
    outcomes: [(Where, Outcome); 3],
}

impl Patient {
    /// The first isolation that works, from the one that costs least.
    fn advice(&self) -> Option<Where> {
        self.outcomes.iter().find(|(_, outcome)| outcome.import().is_some()).map(|(place, _)| *place)
    }
}

/// Examines the applications of a file.
pub(super) fn run(file: &Path) -> u8 {
    let config = match load(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let names: Vec<String> = applications(&config).into_iter().map(|settings| settings.name).collect();
    if names.is_empty() {
        return show("There are no WSGI applications in it.\n");
    }
    let examined = runtime::of_one_core().and_then(|runtime| runtime.block_on(examine(file, names)));
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
    let mut found: Vec<_> = config
        .apps
        .iter()
        .filter_map(|app| backend::wsgi::as_loaded(&app.backend, &app.name, config))
        .collect();
    add_of_routes(&config.routes, config, &mut found);
    found
}

fn add_of_routes(routes: &[Route], config: &Config, found: &mut Vec<tower_wsgi::Settings>) {
    for route in routes {
        match &route.target {
            Target::App(_) => {}
            Target::Routes(children) => add_of_routes(children, config, found),
            Target::Backend(component) => {
                let name = hosted::name_in_place(component);
                found.extend(backend::wsgi::as_loaded(component, &name, config));
            }
        }
    }
}

async fn examine(file: &Path, names: Vec<String>) -> io::Result<Vec<Patient>> {
    let together = probe(file, Where::Shared, None).await?;
    let mut patients = Vec::new();
    for (number, name) in names.into_iter().enumerate() {
        let alone = |place| probe(file, place, Some(number));
        let interpreter = alone(Where::Interpreter).await?;
        let process = alone(Where::Process).await?;
        let outcomes = [
            (Where::Shared, together.outcome(&name)),
            (Where::Interpreter, interpreter.outcome(&name)),
            (Where::Process, process.outcome(&name)),
        ];
        patients.push(Patient { name, outcomes });
    }
    Ok(patients)
}

/// Runs a scratch process to its end, which it may not reach.
async fn probe(file: &Path, place: Where, number: Option<usize>) -> io::Result<Report> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("report");
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["probe", "--place", place.name()]).arg("--report").arg(&path);
    if let Some(number) = number {
        command.args(["--only", &number.to_string()]);
    }
    // What applications print is not what is asked here.
    command.arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let end = match tokio::time::timeout(PATIENCE, child.wait()).await {
        Ok(status) => status?.to_string(),
        Err(_) => format!("it took longer than {} s", PATIENCE.as_secs()),
    };
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    Ok(Report::read(&text, end))
}
