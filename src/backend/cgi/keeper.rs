//! Keeps a program from its start to its end, whoever still waits for its answer.
//!
//! A task of its own owns the process: it logs what comes on stderr, ends the program where nobody wants it any more, and takes
//! its status from the kernel, so that none is left behind. The status is taken last: until then, the number of the process
//! group belongs to nobody else, and the group can be sent signals.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use http_environ::RequestId;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt as _, Interest};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use vestibule_layers::places::Place;

use super::pipes::{Leave, Pipes};
use super::start::Program;
use crate::backend::upstream::complaints::Complaints;

/// How much is read of stderr, or thrown away of stdout, at once.
const BUFFER: usize = 4 << 10;

/// What a pipe holds.
const PIPE: usize = 64 << 10;

/// How programs of an application are kept.
pub(super) struct Keeping {
    /// Its name, in the log.
    pub(super) application: Arc<str>,
    /// How long a program may go on after its answer.
    pub(super) timeout: Duration,
    /// How long it has from SIGTERM to SIGKILL.
    pub(super) kill_after: Duration,
}

/// Starts a program, which gets a body of so many bytes and holds a place until its end.
pub(super) async fn start(
    program: Program,
    length: u64,
    keeping: &Keeping,
    request_id: RequestId,
    place: Place,
) -> io::Result<Pipes> {
    let (tell, told) = oneshot::channel();
    let complaints = Complaints::new(&keeping.application, &request_id);
    let Keeping { timeout, kill_after, .. } = *keeping;
    // A client that leaves just now does not take this along: the program might have been started.
    tokio::spawn(async move {
        let _place = place;
        match Kept::start(program, length, complaints).await {
            Ok((kept, pipes, exit, leave)) => {
                // Nobody there to take the pipes drops them, which tells the keeper.
                drop(tell.send(Ok(pipes)));
                kept.keep(exit, leave, timeout, kill_after).await;
            }
            Err(error) => drop(tell.send(Err(error))),
        }
    });
    told.await.unwrap_or_else(|_| Err(io::Error::other("the gateway is about to end")))
}

/// A program that runs.
struct Kept {
    process: Process,
    stderr: Option<ChildStderr>,
    complaints: Complaints,
}

/// Its process, the first of its group. Dropped before its end, it is killed with all the group.
struct Process {
    child: Child,
    group: Pid,
    /// Can be read when the process has ended, before its status is taken.
    end: AsyncFd<OwnedFd>,
    is_over: bool,
}

type Started = (Kept, Pipes, oneshot::Sender<ExitStatus>, oneshot::Receiver<Leave>);

impl Kept {
    async fn start(program: Program, length: u64, complaints: Complaints) -> io::Result<Started> {
        // The kernel may have to wait for a disk.
        let started = spawn_blocking(move || program.start(length > 0)).await;
        let mut child = started.unwrap_or_else(|lost| Err(io::Error::other(lost)))?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let process = Process::new(child)?;
        let (Some(stdout), Some(stderr)) = (pipes.1, pipes.2) else {
            return Err(io::Error::other("the program has no pipes"));
        };
        let stdin = pipes.0.map(ChildStdin::from_std).transpose()?;
        let (stdout, stderr) = (ChildStdout::from_std(stdout)?, ChildStderr::from_std(stderr)?);
        let ((exit, awaited), (keeper, leave)) = (oneshot::channel(), oneshot::channel());
        let kept = Self { process, stderr: Some(stderr), complaints };
        Ok((kept, Pipes::new(stdin, length, stdout, awaited, keeper), exit, leave))
    }

    /// Waits until the program has ended, and ends it where nobody waits for it.
    async fn keep(
        mut self,
        exit: oneshot::Sender<ExitStatus>,
        leave: oneshot::Receiver<Leave>,
        timeout: Duration,
        kill_after: Duration,
    ) {
        let left = tokio::select! {
            () = self.ended() => None,
            leave = leave => Some(leave),
        };
        let has_ended = match left {
            None => true,
            Some(Ok(Leave::Ended)) => tokio::time::timeout(timeout, self.ended()).await.is_ok(),
            Some(Ok(Leave::Released(stdout))) => self.ended_without(stdout, timeout).await,
            Some(Err(_)) => false,
        };
        if !has_ended {
            self.end(kill_after).await;
        }
        match self.process.take_status() {
            // Whoever waits for the answer may have left.
            Ok(Some(status)) => drop(exit.send(status)),
            Ok(None) => tracing::error!("a program has ended and is still there"),
            Err(error) => tracing::error!("failed to learn how a program has ended: {error}"),
        }
        self.last_complaints();
    }

    /// Waits for the end of the program, and logs what it complains about.
    async fn ended(&mut self) {
        let mut buffer = [0; BUFFER];
        loop {
            let Some(stderr) = &mut self.stderr else { return self.process.ended().await };
            tokio::select! {
                () = self.process.ended() => return,
                read = stderr.read(&mut buffer) => match read {
                    Ok(count @ 1..) => self.complaints.add(&buffer[..count]),
                    Ok(0) | Err(_) => self.stderr = None,
                },
            }
        }
    }

    /// Waits for the end of a program whose answer is whole, and throws away what else it says; false where it takes too long.
    async fn ended_without(&mut self, stdout: ChildStdout, within: Duration) -> bool {
        let discarded = async {
            let (mut stdout, mut buffer) = (stdout, [0; BUFFER]);
            while stdout.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
            std::future::pending::<()>().await;
        };
        let ended = async {
            tokio::select! {
                () = self.ended() => {}
                () = discarded => {}
            }
        };
        timeout(within, ended).await.is_ok()
    }

    /// Ends the program and its group: it is asked, and then killed.
    async fn end(&mut self, kill_after: Duration) {
        self.process.signal(Signal::TERM);
        let has_ended = timeout(kill_after, self.ended()).await.is_ok();
        // Others of its group may not have listened.
        self.process.signal(Signal::KILL);
        if !has_ended {
            self.ended().await;
        }
    }

    /// What the program has left in the pipe: others may hold it open, and are not waited for.
    fn last_complaints(&mut self) {
        let Some(stderr) = &self.stderr else { return };
        let mut buffer = [0; BUFFER];
        for _ in 0..PIPE / BUFFER {
            let Ok(count @ 1..) = rustix::io::read(stderr, &mut buffer) else { return };
            self.complaints.add(&buffer[..count]);
        }
    }
}

impl Process {
    fn new(mut child: Child) -> io::Result<Self> {
        let group = Pid::from_child(&child);
        match pidfd_open(group, PidfdFlags::empty()).map_err(io::Error::from).and_then(readable) {
            Ok(end) => Ok(Self { child, group, end, is_over: false }),
            Err(error) => {
                let _ = kill_process_group(group, Signal::KILL);
                child.wait()?;
                Err(error)
            }
        }
    }

    /// Waits for its end.
    async fn ended(&self) {
        // An error would say that the runtime is gone.
        drop(self.end.readable().await);
    }

    fn signal(&self, signal: Signal) {
        // None may be left of the group that may be sent one.
        let _ = kill_process_group(self.group, signal);
    }

    /// Takes the status of a process that has ended.
    fn take_status(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        self.is_over = status.is_some();
        Ok(status)
    }
}

#[expect(
    deprecated,
    reason = "what replaces it is unsafe, for the sake of types that change their descriptor: an OwnedFd never does"
)]
fn readable(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, Interest::READABLE)
}

impl Drop for Process {
    /// Only a runtime that ends drops a program that runs, and whoever could not open its pipes. Killed, it is gone at once.
    fn drop(&mut self) {
        if !self.is_over {
            self.signal(Signal::KILL);
            drop(self.child.wait());
        }
    }
}
