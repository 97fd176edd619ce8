//! The workers of one configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use vestibule_config::Config;

use super::StartError;
use super::hosts::Hosts;
use super::role::Role;
use super::slot::{Phase, Slot};
use super::watched::Watched;
use crate::listener::Socket;

/// The workers of one configuration. Dropped, it kills those that are left.
#[derive(Debug)]
pub(super) struct Generation {
    number: u64,
    begun: Instant,
    phase: watch::Sender<Phase>,
    /// One task for each worker, with its restarts.
    slots: JoinSet<()>,
    /// The processes of applications that have some of their own. They outlive the workers.
    hosts: Hosts,
    started: mpsc::Receiver<Result<Watched, StartError>>,
    /// How many have not said yet what became of their start.
    building: usize,
    watched: Watched,
    sockets: Vec<Arc<Socket>>,
}

/// What became of the start.
#[derive(Debug)]
pub(super) enum Outcome {
    /// All workers are ready to accept.
    Ready,
    /// One of them did not come up.
    Failed(StartError),
}

impl Generation {
    /// Starts all workers.
    pub(super) fn start(
        number: u64,
        program: &Path,
        config: &Config,
        sockets: Vec<Arc<Socket>>,
    ) -> Result<Self, StartError> {
        let (phase, phases) = watch::channel(Phase::Build);
        let (tell, started) = mpsc::channel(config.workers);
        let hosts = Hosts::start(number, program, config, &tell)?;
        let slot = Slot {
            role: Role::Worker,
            program: program.to_path_buf(),
            generation: number,
            source: config.source.clone(),
            drain: config.drain,
            sockets: sockets.iter().map(Arc::downgrade).collect(),
            doors: hosts.doors(),
        };
        let slot = Arc::new(slot);
        let mut slots = JoinSet::new();
        for _ in 0..config.workers {
            slots.spawn(Arc::clone(&slot).keep(phases.clone(), tell.clone()));
        }
        let building = config.workers + hosts.count();
        let begun = Instant::now();
        Ok(Self {
            number,
            begun,
            phase,
            slots,
            hosts,
            started,
            building,
            watched: Watched::default(),
            sockets,
        })
    }

    /// Waits until all workers are ready, or one of them is known never to be.
    pub(super) async fn outcome(&mut self) -> Outcome {
        while self.building > 0 {
            match self.started.recv().await {
                Some(Ok(watched)) => {
                    self.building -= 1;
                    self.watched.join(watched);
                }
                Some(Err(error)) => return Outcome::Failed(error),
                None => {
                    return Outcome::Failed(StartError::System(
                        "a worker's task has ended in a panic".into(),
                    ));
                }
            }
        }
        Outcome::Ready
    }

    /// How long ago it was started.
    pub(super) fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Lets the workers accept. `known` are the sockets that the log has told of.
    pub(super) fn serve(&self, known: &[Arc<Socket>]) {
        self.hosts.serve();
        self.phase.send_replace(Phase::Serve);
        for socket in &self.sockets {
            if !known.iter().any(|other| Arc::ptr_eq(other, socket)) {
                tracing::info!(address = %socket.local(), "listening");
            }
        }
        tracing::info!(generation = self.number, workers = self.slots.len(), "ready");
    }

    /// Has the workers end their connections, while those of a newer generation serve.
    pub(super) fn retire(&mut self) {
        self.sockets.clear();
        self.phase.send_replace(Phase::Retire);
    }

    /// Has the workers end, as nobody serves from now on.
    pub(super) fn stop(&mut self) {
        self.sockets.clear();
        self.phase.send_replace(Phase::Stop);
    }

    /// Watches files that no worker of it has built something from, but some that did not come up.
    pub(super) fn watch(&mut self, files: &Watched) {
        self.watched.follow(files);
    }

    /// A file that is watched, if it has changed since it was read.
    pub(super) fn changed_file(&mut self) -> Option<PathBuf> {
        self.watched.changed()
    }

    /// The sockets that it accepts from.
    pub(super) fn sockets(&self) -> &[Arc<Socket>] {
        &self.sockets
    }

    /// Whether all workers have ended, and then the processes of applications.
    pub(super) fn poll_ended(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while ready!(self.slots.poll_join_next(context)).is_some() {}
        ready!(self.hosts.poll_stopped(context));
        tracing::debug!(generation = self.number, "all workers have ended");
        Poll::Ready(())
    }
}
