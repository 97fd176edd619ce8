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

use super::own_folder::OwnFolder;
use super::program::{self, Keeper, Listens};
use super::role::Role;
use super::slot::{Phase, Slot};
use super::watched::Watched;
use super::{StartError, account};
use crate::backend::processes::{self, Program, Runs, Wanted};
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
    /// Those of the sockets that programs open.
    folders: Vec<OwnFolder>,
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
        let mut hosts = Self {
            phase,
            slots: JoinSet::new(),
            count: 0,
            sockets: Vec::new(),
            doors: Vec::new(),
            folders: Vec::new(),
        };
        for hosted in hosted::all(config) {
            hosts.count += hosted.wanted.count;
            match &hosted.wanted.runs {
                Runs::Backend(_) => {
                    let socket = hosts.bind(hosted.wanted.waiting)?;
                    let slot = Arc::new(slot(generation, program, config, &hosted, &[socket])?);
                    for _ in 0..hosted.wanted.count {
                        hosts.slots.spawn(Arc::clone(&slot).keep(phases.clone(), tell.clone()));
                    }
                }
                Runs::Program(runs) => {
                    let listens = hosts.listens(&hosted.wanted).map_err(|error| {
                        let why = account::why(&error, &hosted.wanted.surroundings);
                        let name = &hosted.backend.name;
                        program::refused(
                            runs,
                            format!("failed to make room for the sockets of {name}: {why}"),
                        )
                    });
                    for listens in listens? {
                        let keeper = keeper(generation, program, &hosted, runs, listens);
                        hosts.slots.spawn(keeper.keep(phases.clone(), tell.clone()));
                    }
                }
            }
        }
        Ok(hosts)
    }

    /// A socket for all processes of an application, and the way there.
    fn bind(&mut self, waiting: usize) -> io::Result<Arc<Socket>> {
        let (socket, door) = Socket::between(waiting)?;
        let socket = Arc::new(socket);
        self.sockets.push(Arc::clone(&socket));
        self.doors.push(Arc::new(door));
        Ok(socket)
    }

    /// Where each process of a program listens.
    fn listens(&mut self, wanted: &Wanted) -> io::Result<Vec<Listens>> {
        if wanted.open_their_sockets() {
            let folder = OwnFolder::new(wanted.surroundings.user.as_ref())?;
            self.doors.push(Arc::clone(folder.door()));
            let listens = (0..wanted.count).map(processes::socket_name).map(|name| Listens::Named {
                path: folder.path(&name),
                folder: Arc::clone(folder.door()),
                name,
            });
            let listens = listens.collect();
            self.folders.push(folder);
            return Ok(listens);
        }
        let socket = self.bind(wanted.waiting)?;
        let door = self.doors.last().map(Arc::clone);
        let stdin = |door| Listens::Stdin(Arc::downgrade(&socket), door);
        Ok(std::iter::repeat_n(door, wanted.count).flatten().map(stdin).collect())
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
        self.sockets.clear();
        self.doors.clear();
        self.phase.send_if_modified(|phase| std::mem::replace(phase, Phase::Stop) != Phase::Stop);
        while ready!(self.slots.poll_join_next(context)).is_some() {}
        Poll::Ready(())
    }
}

fn slot(
    generation: u64,
    program: &Path,
    config: &Config,
    hosted: &Hosted<'_>,
    sockets: &[Arc<Socket>],
) -> io::Result<Slot> {
    let Hosted { backend, wanted } = hosted;
    let source = backend.source(config, wanted.surroundings.folder.as_deref())?;
    Ok(Slot {
        role: Role::Application { name: backend.name.clone(), wanted: Box::new(wanted.clone()) },
        program: program.to_path_buf(),
        generation,
        source,
        drain: config.drain,
        sockets: sockets.iter().map(Arc::downgrade).collect(),
        doors: Vec::new(),
    })
}

fn keeper(
    generation: u64,
    launcher: &Path,
    hosted: &Hosted<'_>,
    program: &Program,
    listens: Listens,
) -> Keeper {
    Keeper {
        name: hosted.backend.name.as_str().into(),
        generation,
        launcher: launcher.to_path_buf(),
        wanted: hosted.wanted.clone(),
        program: program.clone(),
        listens,
    }
}

/// Builds what each process of an application would, and then what a worker would, in processes that then end: for `check`,
/// which so tells of an import that ends its process.
pub(crate) fn try_all(config: &Config) -> Result<(), StartError> {
    let program = std::env::current_exe()?;
    crate::runtime::of_one_core()?.block_on(async {
        for hosted in hosted::all(config) {
            // Programs of others are not started: they might do more than start.
            if let Runs::Backend(_) = hosted.wanted.runs {
                slot(0, &program, config, &hosted, &[])?.try_start().await?;
            }
        }
        let worker = Slot {
            role: Role::Worker,
            program,
            generation: 0,
            source: config.source.clone(),
            drain: config.drain,
            sockets: Vec::new(),
            doors: Vec::new(),
        };
        worker.try_start().await
    })
}
