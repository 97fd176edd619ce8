//! `vestibule run`: owns the listening sockets and the workers, and serves nothing itself.
//!
//! A configuration makes a *generation* of workers. The first one must come up, or the program ends. SIGHUP, or a change of
//! the `env_file` or of a file that is watched, starts the next: its workers build everything while the last ones serve
//! on; when all are ready they accept, and the old ones drain. A generation that does not come up is dropped, with the
//! reason in the log. Nothing is lost meanwhile: all share the listening sockets with their queues.
//!
//! At most `DRAINING` generations drain at a time: a further reload waits until one has ended, at the latest after
//! `drain`. (Killing the oldest instead would cut off what it still serves.) SIGTERM or SIGINT drain and end; a
//! second one ends at once.

pub(crate) mod account;
mod backoff;
pub(crate) mod control;
mod env_file;
mod generation;
pub(crate) mod hosts;
mod own_folder;
pub(crate) mod program;
mod role;
mod slot;
pub(crate) mod watched;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{self, Interval, MissedTickBehavior};
use vestibule_config::{Config, Diagnostics, Source};

use crate::listener::passed::Passed;
use crate::listener::{self, Socket};
use crate::runtime::{self, idle};
use crate::{gateway, logs};
use env_file::EnvFile;
use generation::{Generation, Outcome};
use watched::Watched;

/// How many generations may drain at a time.
const DRAINING: usize = 3;

/// After how long a start that has not come up is given up for a reload that waits: an import may wait for something for ever.
const GIVE_UP: Duration = Duration::from_secs(10);

/// How often the `env_file` and watched files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Why the program could not start.
#[derive(Debug, Error)]
pub(crate) enum StartError {
    /// The configuration cannot be used.
    #[error("{reason}")]
    Configuration {
        /// Rendered by whoever found out
        reason: String,
        /// Where a change may mend it
        mended_in: Watched,
    },
    /// The configuration is good, but not for this machine at this time.
    #[error("{0}")]
    System(String),
}

impl From<Diagnostics> for StartError {
    fn from(mistakes: Diagnostics) -> Self {
        let mended_in = Watched::new(mistakes.files().cloned());
        Self::Configuration { reason: mistakes.render(logs::colored()), mended_in }
    }
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::System(format!("failed to start: {error}"))
    }
}

/// Runs the gateway of a configuration until a signal ends it.
pub(crate) fn run(file: &Path, give_back: fn()) -> Result<(), StartError> {
    // Where the program is, not what it is now (`/proc/self/exe`): a reload starts what has been installed since.
    let program = std::env::current_exe()?;
    let supervise = async {
        let mut signals = Signals::register()?;
        let mut supervisor = Supervisor::new(program, file);
        supervisor.start_next()?;
        supervisor.supervise(&mut signals).await?;
        supervisor.stop(&mut signals).await;
        Ok(())
    };
    runtime::of_one_core()?.block_on(idle::beside(supervise, give_back))
}

struct Supervisor {
    program: PathBuf,
    file: PathBuf,
    /// What systemd has bound for us.
    passed: Passed,
    env_file: EnvFile,
    /// Number of the last generation that was started.
    started: u64,
    /// The one that builds.
    next: Option<Generation>,
    /// The one that serves.
    current: Option<Generation>,
    /// Those that drain, the oldest first.
    retired: Vec<Generation>,
    /// A reload was asked for that has not begun.
    reload: bool,
    /// After how long a start that has not come up is given up for that.
    patience: Duration,
}

impl Supervisor {
    fn new(program: PathBuf, file: &Path) -> Self {
        Self {
            program,
            file: file.to_path_buf(),
            passed: Passed::take(),
            env_file: EnvFile::default(),
            started: 0,
            next: None,
            current: None,
            retired: Vec::new(),
            reload: false,
            patience: GIVE_UP,
        }
    }

    /// Reads the configuration, binds, and starts its workers.
    fn start_next(&mut self) -> Result<(), StartError> {
        let config = self.load()?;
        let bound: &[Arc<Socket>] = self.current.as_ref().map_or(&[], |current| current.sockets());
        let sockets = listener::bind_all(&config.listen, bound, &self.passed)
            .map_err(|mistakes| StartError::System(mistakes.render(logs::colored())))?;
        self.started += 1;
        self.next = Some(Generation::start(self.started, &self.program, &config, sockets)?);
        Ok(())
    }

    fn load(&mut self) -> Result<Config, Diagnostics> {
        let environment = |name: &str| std::env::var(name).ok();
        let source = Source::read(&self.file, &environment)?;
        // Even if it is full of mistakes: its next change may have mended them.
        self.env_file.watch(source.env_file.as_ref());
        let config = vestibule_config::load_source(&source, &gateway::kinds(), &environment)?;
        for warning in &config.warnings {
            let place = warning.place().map(ToString::to_string);
            tracing::warn!(place, "{}", warning.message());
        }
        Ok(config)
    }

    /// Follows signals and events, until a signal says to end.
    async fn supervise(&mut self, signals: &mut Signals) -> Result<(), StartError> {
        let mut look = every(LOOK);
        loop {
            tokio::select! {
                wanted = signals.next() => match wanted {
                    Wanted::End => return Ok(()),
                    Wanted::Reload => self.ask_reload("SIGHUP"),
                },
                _ = look.tick() => self.look(),
                outcome = outcome_of(&mut self.next) => self.follow(outcome)?,
                () = one_ended(&mut self.retired) => idle::stir(),
            }
            self.reload_if_asked();
        }
    }

    /// Looks whether a file has changed that asks for a reload.
    fn look(&mut self) {
        if self.env_file.has_changed() {
            self.ask_reload("the env_file has changed");
        }
        if let Some(changed) = self.current.as_mut().and_then(Generation::changed_file) {
            self.ask_reload(&format!("{} has changed", changed.display()));
        }
    }

    fn ask_reload(&mut self, why: &str) {
        idle::stir();
        tracing::info!(why, "reloading");
        self.reload = true;
    }

    /// Begins the reload that was asked for, unless it must wait.
    fn reload_if_asked(&mut self) {
        if !self.reload || (self.next.is_some() && !self.give_up_start()) {
            return;
        }
        if self.retired.len() >= DRAINING {
            tracing::info!("the reload waits until one of {DRAINING} draining generations has ended");
            return;
        }
        self.reload = false;
        if let Err(error) = self.start_next() {
            refuse(&error);
        }
    }

    /// Drops a generation that builds for too long while another serves; whether it has.
    fn give_up_start(&mut self) -> bool {
        let patience = self.patience;
        let is_hung = self.current.is_some() && self.next.as_ref().is_some_and(|next| next.age() >= patience);
        if is_hung {
            tracing::warn!(
                generation = self.started,
                "not ready within {patience:?}, and given up for a reload"
            );
            self.next = None;
            // Where reloads come faster than imports end, one must come up all the same.
            self.patience *= 2;
        }
        is_hung
    }

    /// Lets the next generation take over, or drops it.
    fn follow(&mut self, outcome: Outcome) -> Result<(), StartError> {
        let Some(next) = self.next.take() else { return Ok(()) };
        if let Outcome::Failed(error) = outcome {
            let Some(current) = &mut self.current else { return Err(error) };
            if let StartError::Configuration { mended_in, .. } = &error {
                current.watch(mended_in);
            }
            refuse(&error);
            return Ok(());
        }
        self.patience = GIVE_UP;
        let old = self.current.take();
        next.serve(old.as_ref().map_or(&[], |old| old.sockets()));
        self.current = Some(next);
        if let Some(mut old) = old {
            old.retire();
            self.retired.push(old);
        }
        Ok(())
    }

    /// Drains all workers and waits for their end, or for a second signal.
    async fn stop(mut self, signals: &mut Signals) {
        tracing::info!("stopping");
        self.next = None;
        let mut all: Vec<Generation> = self.retired.drain(..).chain(self.current.take()).collect();
        all.iter_mut().for_each(Generation::stop);
        tokio::select! {
            () = async { while !all.is_empty() { one_ended(&mut all).await; } } => tracing::info!("stopped"),
            // Whoever is left is killed with its generation.
            () = signals.end() => tracing::warn!("a second signal: stopped at once"),
        }
    }
}

/// Logs why there is no new generation.
fn refuse(error: &StartError) {
    tracing::error!(
        reason = %logs::without_colors(error.to_string().trim_end()),
        "the reload has failed; the last good configuration serves on. When the mistake is mended, SIGHUP (`systemctl reload`, \
         `kill -HUP {}`) tries again",
        std::process::id()
    );
}

/// What becomes of the generation that builds; waits for ever if there is none.
async fn outcome_of(next: &mut Option<Generation>) -> Outcome {
    match next {
        Some(next) => next.outcome().await,
        None => std::future::pending().await,
    }
}

/// Waits until one of the generations has ended, and removes it; waits for ever if there is none.
async fn one_ended(generations: &mut Vec<Generation>) {
    let ended = std::future::poll_fn(|context| {
        let ended = generations.iter_mut().position(|generation| generation.poll_ended(context).is_ready());
        ended.map_or(std::task::Poll::Pending, std::task::Poll::Ready)
    });
    let ended = ended.await;
    generations.remove(ended);
}

fn every(period: Duration) -> Interval {
    let mut interval = time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Reload,
    End,
}

/// The signals of the supervisor, registered before anything starts.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn register() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Wanted {
        tokio::select! {
            _ = self.terminate.recv() => Wanted::End,
            _ = self.interrupt.recv() => Wanted::End,
            _ = self.hangup.recv() => Wanted::Reload,
        }
    }

    async fn end(&mut self) {
        while self.next().await != Wanted::End {}
    }
}
