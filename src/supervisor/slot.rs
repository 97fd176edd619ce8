//! One worker and its successors: started again, after a while, whenever it crashes.

use std::io;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Weak};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use tokio::process::Child;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{self, Instant};
use vestibule_config::Source;

use super::StartError;
use super::backoff::Backoff;
use super::control::{Control, Drain, Report};
use super::role::Role;
use super::watched::Watched;
use crate::listener::{Door, Socket};
use crate::runtime::idle;
use crate::worker::APPLICATIONS_END;

/// How long a worker may take to import and compile everything.
const BUILD_LIMIT: Duration = Duration::from_secs(120);

/// After how long the log tells what takes so long.
const LONG: Duration = Duration::from_secs(5);

/// How much longer than `drain` a worker may take to leave: it cuts connections off itself, and then ends applications.
const LEAVE: Duration = APPLICATIONS_END.saturating_add(Duration::from_secs(2));

/// How long a worker may take to end that has closed its end of the control socket.
const LAST_STEPS: Duration = Duration::from_secs(2);

/// What a generation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It builds and does not serve yet.
    Build,
    /// It serves.
    Serve,
    /// It ends its connections while another serves.
    Retire,
    /// It ends.
    Stop,
}

impl Phase {
    /// How it ends, if it does.
    fn drain(self) -> Option<Drain> {
        match self {
            Self::Build | Self::Serve => None,
            Self::Retire => Some(Drain::Retire),
            Self::Stop => Some(Drain::Stop),
        }
    }
}

/// What the workers of a generation, or the processes of an application, have in common.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) role: Role,
    pub(super) program: PathBuf,
    pub(super) generation: u64,
    pub(super) source: Source,
    pub(super) drain: Duration,
    /// They are the generation's: when it has given them up, nothing is started any more.
    pub(super) sockets: Vec<Weak<Socket>>,
    /// The ways to the processes of applications, of which the same holds.
    pub(super) doors: Vec<Weak<Door>>,
}

/// A worker that has built everything.
struct Worker {
    child: Child,
    control: Control,
    pid: Option<u32>,
    since: Instant,
    /// What it has built something from
    watched: Watched,
}

impl Slot {
    /// Keeps one worker running, and tells what became of its first start.
    pub(super) async fn keep(
        self: Arc<Self>,
        mut phase: watch::Receiver<Phase>,
        tell: mpsc::Sender<Result<Watched, StartError>>,
    ) {
        let started = self.start().await;
        let (told, mut worker) = match started {
            Ok(mut worker) => (Ok(std::mem::take(&mut worker.watched)), Some(worker)),
            Err(error) => (Err(error), None),
        };
        // If nobody listens any more, the generation has failed already.
        drop(tell.send(told).await);
        drop(tell);
        let mut backoff = Backoff::new();
        // Workers that others have taken over from.
        let mut replaced = JoinSet::new();
        while let Some(running) = worker
            && let Some(life) = self.live(running, &mut phase, &mut replaced).await
        {
            worker = self.start_again(&mut backoff, life, &mut phase).await;
        }
        while replaced.join_next().await.is_some() {}
    }

    /// Has a worker, or the one that takes over from it, do what the phase asks. Answers with its life if it has crashed.
    async fn live(
        self: &Arc<Self>,
        mut worker: Worker,
        phase: &mut watch::Receiver<Phase>,
        replaced: &mut JoinSet<()>,
    ) -> Option<Duration> {
        loop {
            let now = *phase.borrow_and_update();
            if now.drain().is_some() {
                self.leave(worker, phase).await;
                return None;
            }
            if now == Phase::Serve {
                // If it fails, the worker has crashed: its end is what follows.
                drop(worker.control.send_accept().await);
            }
            tokio::select! {
                status = worker.child.wait() => {
                    let (pid, generation, application) = (worker.pid, self.generation, self.role.application());
                    if status.as_ref().is_ok_and(ExitStatus::success) {
                        tracing::warn!(worker = pid, generation, application, "a worker has left unasked");
                    } else {
                        tracing::error!(
                            worker = pid, generation, application,
                            "a worker has crashed: {}", ended(&status)
                        );
                    }
                    return Some(worker.since.elapsed());
                }
                reason = worn(&mut worker.control) => {
                    if let Some(next) = self.start_successor(&worker, &reason, phase).await {
                        let (slot, old) = (Arc::clone(self), std::mem::replace(&mut worker, next));
                        let mut phase = phase.clone();
                        replaced.spawn(async move { slot.leave(old, &mut phase).await });
                    }
                }
                Some(_) = replaced.join_next() => {}
                changed = phase.changed() => if changed.is_err() { return None },
            }
        }
    }

    /// Starts a worker that takes over from one that is worn out, which goes on meanwhile; `None` where there is none.
    async fn start_successor(
        &self,
        worn: &Worker,
        reason: &str,
        phase: &mut watch::Receiver<Phase>,
    ) -> Option<Worker> {
        let (pid, generation, application) = (worn.pid, self.generation, self.role.application());
        tracing::warn!(
            worker = pid,
            generation,
            application,
            reason,
            "a worker is worn out: another one takes over"
        );
        let mut phase = phase.clone();
        let started = tokio::select! {
            started = self.start() => started,
            _ = phase.wait_for(|phase| phase.drain().is_some()) => return None,
        };
        started
            .inspect_err(|error| {
                tracing::error!(
                    generation, application, reason = %error,
                    "no worker takes over; the worn-out one goes on"
                );
            })
            .ok()
    }

    /// Has a worker drain, and kills it if that takes too long.
    async fn leave(&self, mut worker: Worker, phase: &mut watch::Receiver<Phase>) {
        let deadline = Instant::now() + self.drain + LEAVE;
        let (generation, application) = (self.generation, self.role.application());
        loop {
            // One that another has taken over from retires while its generation serves.
            let drain = phase.borrow_and_update().drain().unwrap_or(Drain::Retire);
            drop(worker.control.send_drain(drain).await);
            tokio::select! {
                status = worker.child.wait() => {
                    if !status.as_ref().is_ok_and(ExitStatus::success) {
                        tracing::warn!(
                            worker = worker.pid, generation, application,
                            "a draining worker has crashed: {}", ended(&status)
                        );
                    }
                    return;
                }
                changed = phase.changed() => if changed.is_err() { return },
                () = time::sleep_until(deadline) => {
                    tracing::warn!(
                        worker = worker.pid, generation, application,
                        "a worker did not leave within `drain` and is killed"
                    );
                    drop(worker.child.kill().await);
                    return;
                }
            }
        }
    }

    /// Starts a successor, as often as it takes. `None` when the generation ends meanwhile.
    async fn start_again(
        &self,
        backoff: &mut Backoff,
        mut life: Duration,
        phase: &mut watch::Receiver<Phase>,
    ) -> Option<Worker> {
        let (generation, application) = (self.generation, self.role.application());
        loop {
            let wait = backoff.after(life);
            tracing::info!(generation, application, "starting the worker again in {wait:?}");
            let start = async {
                time::sleep(wait).await;
                self.start().await
            };
            tokio::select! {
                started = start => match started {
                    Ok(worker) => {
                        tracing::info!(worker = worker.pid, generation, application, "the worker is up again");
                        return Some(worker);
                    }
                    Err(error) => tracing::error!(
                        generation, application, reason = %error,
                        "the worker does not come up again"
                    ),
                },
                _ = phase.wait_for(|phase| phase.drain().is_some()) => return None,
            }
            life = Duration::ZERO;
        }
    }

    /// Sees whether a process can build everything, and ends it.
    pub(super) async fn try_start(&self) -> Result<(), StartError> {
        let Worker { mut child, control, .. } = self.start().await?;
        // It leaves in order, and so writes what its applications have printed.
        drop(control);
        match time::timeout(LEAVE, child.wait()).await {
            Ok(status) if !status.as_ref().is_ok_and(ExitStatus::success) => {
                Err(self.failed(None, &format!("was ready, and did not end well: {}", ended(&status))))
            }
            Ok(_) => Ok(()),
            Err(_) => {
                drop(child.kill().await);
                Ok(())
            }
        }
    }

    /// Starts a worker and waits until it has built everything.
    async fn start(&self) -> Result<Worker, StartError> {
        let (mut child, mut control) = self.spawn()?;
        let mut building = None;
        let report = time::timeout(BUILD_LIMIT, self.build(&mut control, &mut building)).await;
        idle::stir();
        let failed = match report {
            Ok(Ok(Some(Report::Ready(watched)))) => {
                let pid = child.id();
                return Ok(Worker { child, control, pid, since: Instant::now(), watched });
            }
            Ok(Ok(Some(Report::Failed(error)))) => error,
            Ok(Ok(Some(Report::Worn { .. } | Report::Building { .. }))) => {
                self.failed(building, "spoke out of turn")
            }
            // The worker has closed its end: it tells by its exit what a message no longer could.
            Ok(Ok(None) | Err(_)) => match time::timeout(LAST_STEPS, child.wait()).await {
                Ok(status) => {
                    self.failed(building, &format!("ended before it was ready: {}", ended(&status)))
                }
                Err(_) => self.failed(building, "gave up before it was ready, and did not end"),
            },
            Err(_) => {
                let what = format!("was not ready within {BUILD_LIMIT:?}; an import may wait for something");
                self.failed(building, &what)
            }
        };
        drop(child.kill().await);
        Err(failed)
    }

    fn spawn(&self) -> Result<(Child, Control), StartError> {
        // Close-on-exec: no other worker may hold an end, or the end of one side would not be seen by the other.
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            .map_err(io::Error::from)?;
        let child = self
            .role
            .command(&self.program, self.generation)
            .stdin(Stdio::from(theirs))
            .kill_on_drop(true)
            // Ctrl-C on a terminal goes to the supervisor alone, which drains.
            .process_group(0)
            .spawn()
            .map_err(|error| {
                let (role, program) = (&self.role, self.program.display());
                let what =
                    role.application().map_or("a worker".into(), |name| format!("a process of {name}"));
                StartError::System(format!("failed to start {what} from {program}: {}", role.why(&error)))
            })?;
        Ok((child, Control::new(ours)?))
    }

    /// A start that has failed without a word of the process itself, while it was building something.
    fn failed(&self, building: Option<String>, what: &str) -> StartError {
        let doing = building.or(self.role.application().map(str::to_owned));
        let doing = doing.map(|name| {
            format!(
                " (it was building {name}; for WSGI applications, `vestibule doctor` tries each by itself)"
            )
        });
        StartError::System(format!("a worker {what}{}", doing.unwrap_or_default()))
    }

    /// Has a process build everything, and waits until it has; `building` is what it is at.
    async fn build(
        &self,
        control: &mut Control,
        building: &mut Option<String>,
    ) -> io::Result<Option<Report>> {
        for socket in &self.sockets {
            let Some(socket) = socket.upgrade() else { return Ok(None) };
            control.send_socket(socket.as_fd()).await?;
        }
        for door in &self.doors {
            let Some(door) = door.upgrade() else { return Ok(None) };
            control.send_door(&door).await?;
        }
        control.send_build(&self.source).await?;
        loop {
            let report = if let Ok(report) = time::timeout(LONG, control.next_report()).await {
                report
            } else {
                let (generation, application) =
                    (self.generation, building.as_deref().or(self.role.application()));
                tracing::warn!(
                    generation,
                    application,
                    "is not ready after {LONG:?}: an import may wait for something"
                );
                control.next_report().await
            };
            match report? {
                Some(Report::Building { name }) => *building = Some(name),
                report => return Ok(report),
            }
        }
    }
}

/// Waits until a worker says that it should be replaced, and why.
async fn worn(control: &mut Control) -> String {
    loop {
        match control.next_report().await {
            Ok(Some(Report::Worn { reason })) => return reason,
            Ok(Some(Report::Building { .. } | Report::Ready(_) | Report::Failed(_))) => {}
            // It has closed its end: its own end is what follows.
            Ok(None) | Err(_) => return std::future::pending().await,
        }
    }
}

/// How a process ended: `exit status: 1`, `signal: 9 (SIGKILL)`.
pub(super) fn ended(status: &io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => status.to_string(),
        Err(error) => format!("its end is unknown: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use vestibule_config::SourceText;

    use super::*;

    /// Why a worker does not start that is a script. Another process writes it: one that this process has open for writing
    /// while another test forks cannot be started ("text file busy").
    async fn failure(script: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("worker");
        let mut install = std::process::Command::new("install");
        install.args(["-m", "755", "/dev/stdin"]).arg(&program).stdin(Stdio::piped());
        let mut writer = install.spawn().expect("coreutils are there");
        writeln!(writer.stdin.take().unwrap(), "#!/bin/sh\n{script}").unwrap();
        assert!(writer.wait().unwrap().success());
        let source = Source { config: Arc::new(SourceText::new("vestibule.yaml", "")), env_file: None };
        let slot = Slot {
            role: Role::Worker,
            program,
            generation: 1,
            source,
            drain: Duration::ZERO,
            sockets: Vec::new(),
            doors: Vec::new(),
        };
        let start = time::timeout(Duration::from_secs(60), slot.start()).await.expect("it ends");
        start.err().expect("a script is no worker").to_string()
    }

    #[tokio::test]
    async fn a_worker_that_ends_before_it_is_ready_tells_how() {
        assert_eq!(failure("exit 3").await, "a worker ended before it was ready: exit status: 3");
    }

    #[tokio::test]
    async fn a_worker_that_gives_up_and_does_not_end_is_killed() {
        let told = failure("exec <&-; exec sleep 1000").await;
        assert_eq!(told, "a worker gave up before it was ready, and did not end");
    }
}
