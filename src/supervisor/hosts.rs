//! The processes of applications that have some of their own: one set for each generation, shared by its workers.
//!
//! They listen on sockets that the supervisor has bound: what waits there outlives a process that crashes or is replaced. They
//! end when the last worker of their generation has.

use std::io;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use vestibule_config::Config;

use super::StartError;
use super::role::Role;
use super::slot::{Phase, Slot};
use super::watched::Watched;
use crate::hosted::{self, Hosted};
use crate::listener::{Door, Socket};

/// The processes of a generation's applications. Dropped, they are killed.
#[derive(Debug)]
pub(super) struct Hosts {
    phase: watch::Sender<Phase>,
    slots: JoinSet<()>,
    count: usize,
    sockets: Vec<Arc<Socket>>,
    doors: Vec<Arc<Door>>,
}

impl Hosts {
    /// Starts all of them; each tells what became of its start.
    pub(super) fn start(
        generation: u64,
        program: &Path,
        config: &Config,
        tell: &mpsc::Sender<Result<Watched, StartError>>,
    ) -> Result<Self, StartError> {
        let (phase, phases) = watch::channel(Phase::Build);
        let mut hosts =
            Self { phase, slots: JoinSet::new(), count: 0, sockets: Vec::new(), doors: Vec::new() };
        for hosted in hosted::all(config) {
            let (socket, door) = Socket::between(hosted.wanted.waiting)?;
            let socket = Arc::new(socket);
            let count = hosted.wanted.count;
            let slot = Arc::new(slot(generation, program, config, hosted, &[Arc::clone(&socket)])?);
            for _ in 0..count {
                hosts.slots.spawn(Arc::clone(&slot).keep(phases.clone(), tell.clone()));
            }
            hosts.count += count;
            hosts.sockets.push(socket);
            hosts.doors.push(Arc::new(door));
        }
        Ok(hosts)
    }

    /// The ways to them, for each application one.
    pub(super) fn doors(&self) -> Vec<Weak<Door>> {
        self.doors.iter().map(Arc::downgrade).collect()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Lets them take requests.
    pub(super) fn serve(&self) {
        self.phase.send_replace(Phase::Serve);
    }

    /// Has them end, and tells when they have.
    pub(super) fn poll_stopped(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.sockets.is_empty() {
            self.sockets.clear();
            self.doors.clear();
            self.phase.send_replace(Phase::Stop);
        }
        while ready!(self.slots.poll_join_next(context)).is_some() {}
        Poll::Ready(())
    }
}

fn slot(
    generation: u64,
    program: &Path,
    config: &Config,
    hosted: Hosted<'_>,
    sockets: &[Arc<Socket>],
) -> io::Result<Slot> {
    let Hosted { backend, wanted, .. } = hosted;
    let source = backend.source(config, wanted.folder.as_deref())?;
    Ok(Slot {
        role: Role::Application { name: backend.name, wanted },
        program: program.to_path_buf(),
        generation,
        source,
        drain: config.drain,
        sockets: sockets.iter().map(Arc::downgrade).collect(),
        doors: Vec::new(),
    })
}

/// Builds what each process of an application would, in one that then ends: for `check`.
pub(crate) fn try_all(config: &Config) -> Result<(), StartError> {
    let program = std::env::current_exe()?;
    crate::runtime::of_one_core()?.block_on(async {
        for hosted in hosted::all(config) {
            slot(0, &program, config, hosted, &[])?.try_start().await?;
        }
        Ok(())
    })
}
