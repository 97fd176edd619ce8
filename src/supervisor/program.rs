//! A program that runs an application, and its successors: started again, after a while, whenever it ends.
//!
//! Its start is over when it answers; it is stopped after the last worker of its generation has left. Signals go to its process
//! group, so that its children end with it. What it writes goes to the log.

mod answers;
pub(crate) mod exec;

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Weak};
use std::time::Duration;

use rustix::fs::{AtFlags, unlinkat};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{self, Instant};
use vestibule_config::{Diagnostic, Diagnostics};

use super::StartError;
use super::account;
use super::backoff::Backoff;
use super::slot::{Phase, ended};
use super::watched::Watched;
use crate::backend::processes::{Program, Restart, SOCKET, Wanted};
use crate::listener::{Door, Socket};
use crate::logs;

/// How long a program may take until it answers.
const START: Duration = Duration::from_secs(60);

/// How long it may take to end before it is killed.
const END: Duration = Duration::from_secs(10);

/// How long to wait for the end of what a program wrote that has ended: somebody else may hold the other end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A longer line of what it writes is logged in pieces.
const LINE: u64 = 8 << 10;

/// One process of an application that is a program.
#[derive(Debug)]
pub(super) struct Keeper {
    /// The name of the application, for the log.
    pub(super) name: Arc<str>,
    pub(super) generation: u64,
    /// This binary, which becomes the program.
    pub(super) launcher: PathBuf,
    pub(super) wanted: Wanted,
    pub(super) program: Program,
    pub(super) listens: Listens,
}

/// Where a program listens.
#[derive(Debug)]
pub(super) enum Listens {
    /// On its stdin, a socket of the generation's, and the way there.
    Stdin(Weak<Socket>, Arc<Door>),
    /// On a socket that it opens itself.
    Named {
        /// As the program knows it.
        path: PathBuf,
        /// As we do.
        folder: Arc<Door>,
        name: String,
    },
}

/// A process that answers.
struct Running {
    family: Family,
    since: Instant,
}

/// A process and its children. Dropped, all of them are killed: whoever is left would hold its socket.
struct Family {
    child: Child,
    group: Option<Pid>,
    /// They log what it writes, until it closes its end.
    logs: Vec<JoinHandle<()>>,
}

impl Family {
    fn of(mut child: Child, name: &Arc<str>) -> Self {
        let group = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let stdout = child.stdout.take().map(|stdout| tokio::spawn(log(stdout, Arc::clone(name), "stdout")));
        let stderr = child.stderr.take().map(|stderr| tokio::spawn(log(stderr, Arc::clone(name), "stderr")));
        Self { child, group, logs: stdout.into_iter().chain(stderr).collect() }
    }

    /// Kills it, and waits until all that it wrote is logged: that may say why.
    async fn give_up(mut self) {
        self.signal(Signal::KILL);
        drop(self.child.kill().await);
        for log in &mut self.logs {
            drop(time::timeout(LAST_WORDS, log).await);
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // An error says that nobody is left.
            let _ignored = kill_process_group(group, signal);
        }
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

impl Keeper {
    /// Keeps it running, and tells what became of its first start.
    pub(super) async fn keep(
        self,
        mut phase: watch::Receiver<Phase>,
        tell: mpsc::Sender<Result<Watched, StartError>>,
    ) {
        let (told, mut running) = match self.start().await {
            Ok(running) => (Ok(Watched::default()), Some(running)),
            Err(why) => (Err(refused(&self.program, why)), None),
        };
        // If nobody listens any more, the generation has failed already.
        drop(tell.send(told).await);
        drop(tell);
        let mut backoff = Backoff::new();
        while let Some(program) = running
            && let Some(life) = self.watch(program, &mut phase).await
        {
            running = self.start_again(&mut backoff, life, &mut phase).await;
        }
    }

    /// Stops it with its generation. Answers with its life if it has ended before, and another one is to be started.
    async fn watch(&self, mut running: Running, phase: &mut watch::Receiver<Phase>) -> Option<Duration> {
        let status = tokio::select! {
            status = running.family.child.wait() => status,
            () = stopped(phase) => {
                self.stop(running.family).await;
                return None;
            }
        };
        drop(running.family);
        let (application, generation) = (&*self.name, self.generation);
        tracing::error!(application, generation, "the program has ended unasked: {}", ended(&status));
        let again = match self.program.restart {
            Restart::Always => true,
            Restart::OnFailure => !status.is_ok_and(|status| status.success()),
            Restart::Never => false,
        };
        if !again {
            tracing::warn!(application, generation, "it is not started again before the next reload");
        }
        again.then(|| running.since.elapsed())
    }

    /// Starts another one, as often as it takes. `None` when the generation ends meanwhile.
    async fn start_again(
        &self,
        backoff: &mut Backoff,
        mut life: Duration,
        phase: &mut watch::Receiver<Phase>,
    ) -> Option<Running> {
        let (application, generation) = (&*self.name, self.generation);
        loop {
            let wait = backoff.after(life);
            tracing::info!(application, generation, "starting the program again in {wait:?}");
            let start = async {
                time::sleep(wait).await;
                self.start().await
            };
            tokio::select! {
                started = start => match started {
                    Ok(running) => return Some(running),
                    Err(reason) => tracing::error!(application, generation, reason, "it does not come up again"),
                },
                () = stopped(phase) => return None,
            }
            life = Duration::ZERO;
        }
    }

    /// Starts it and waits until it answers.
    async fn start(&self) -> Result<Running, String> {
        let mut family = self.spawn()?;
        let failed = tokio::select! {
            status = family.child.wait() => format!("ended before it answered: {}", ended(&status)),
            answers = time::timeout(START, self.answers()) => match answers {
                Ok(()) => return Ok(Running { family, since: Instant::now() }),
                Err(_) => format!("did not listen within {START:?}"),
            },
        };
        family.give_up().await;
        let command = self.program.command.join(" ");
        Err(format!("`{command}`, the program of {}, {failed}", self.name))
    }

    async fn answers(&self) {
        match &self.listens {
            Listens::Stdin(_, door) => answers::accepted(door).await,
            Listens::Named { folder, name, .. } => answers::connection(folder, name).await,
        }
    }

    fn spawn(&self) -> Result<Family, String> {
        let failed = |error: io::Error| {
            let launcher = self.launcher.display();
            let why = account::why(&error, &self.wanted.surroundings);
            format!("failed to start the program of {} from {launcher}: {why}", self.name)
        };
        let stdin = match &self.listens {
            // The generation has ended, and nobody will ask.
            Listens::Stdin(socket, _) => {
                socket.upgrade().ok_or("its socket is closed")?.duplicate().map_err(failed)?.into()
            }
            // Its last process may have left it there.
            Listens::Named { folder, name, .. } => match unlinkat(&**folder, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => Stdio::null(),
                Err(error) => return Err(failed(error.into())),
            },
        };
        let mut command = self.command();
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.kill_on_drop(true).process_group(0).spawn().map_err(failed)?;
        Ok(Family::of(child, &self.name))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.launcher);
        command.args(["program", "--parent", &std::process::id().to_string(), "--"]);
        let socket = match &self.listens {
            Listens::Stdin(..) => Cow::Borrowed(SOCKET),
            Listens::Named { path, .. } => path.to_string_lossy(),
        };
        let filled = |text: &String| text.replace(SOCKET, &socket);
        command.args(self.program.command.iter().map(filled));
        account::apply(&self.wanted.surroundings, &mut command);
        command.envs(self.wanted.surroundings.env.iter().map(|(name, value)| (name, filled(value))));
        command
    }

    /// Asks it to end, and kills it if that takes too long.
    async fn stop(&self, mut family: Family) {
        family.signal(Signal::TERM);
        if time::timeout(END, family.child.wait()).await.is_err() {
            let (application, generation) = (&*self.name, self.generation);
            tracing::warn!(application, generation, "the program did not end within {END:?} and is killed");
        }
        family.signal(Signal::KILL);
        drop(family.child.kill().await);
    }
}

/// Why a program keeps its generation from coming up, at the place where it is named.
pub(super) fn refused(program: &Program, why: String) -> StartError {
    let mistakes = Diagnostics::from(Diagnostic::error(why).at(&program.place));
    StartError::System(mistakes.render(logs::colored()))
}

/// Waits until the generation ends.
async fn stopped(phase: &mut watch::Receiver<Phase>) {
    drop(phase.wait_for(|phase| *phase == Phase::Stop).await);
}

/// Logs what a program writes, until it closes its end.
async fn log(stream: impl AsyncRead + Unpin, application: Arc<str>, stream_name: &'static str) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while let Ok(1..) = (&mut reader).take(LINE).read_until(b'\n', &mut line).await {
        let text = String::from_utf8_lossy(line.trim_ascii_end());
        if !text.is_empty() {
            tracing::info!(application = &*application, stream = stream_name, "{text}");
        }
        line.clear();
    }
}
