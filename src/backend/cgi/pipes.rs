//! The pipes of a program, as a line on which a request and its answer travel.
//!
//! The end of what is read is the end of the answer: the program has closed its stdout and then ended, or has ended and left
//! nothing in the pipe, whoever else may hold it open. To be ended by a signal is an error, where the answer is not whole by then.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::pin::Pin;
use std::process::ExitStatus;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::oneshot;
use tokio::time::Sleep;

use crate::backend::upstream::connection::Line;

/// So long after the end of stdout a program may still turn out to have crashed. One that only closes its stdout goes on.
const CRASH: Duration = Duration::from_millis(300);

/// What the keeper of a program is told when nobody waits for its answer any more. Not to be told anything means that the client
/// has left in the middle.
pub(super) enum Leave {
    /// The answer has ended.
    Ended,
    /// The answer is whole, and the program may still write.
    Released(ChildStdout),
}

/// The pipes of a program that runs.
pub(super) struct Pipes {
    /// Until the whole body is written.
    stdin: Option<ChildStdin>,
    /// How much of the body is to be written.
    left: u64,
    /// Until its end.
    stdout: Option<ChildStdout>,
    exit: Exit,
    keeper: Option<oneshot::Sender<Leave>>,
    /// From the end of stdout.
    crash: Option<Pin<Box<Sleep>>>,
}

/// How the program ended, once it has.
enum Exit {
    Awaited(oneshot::Receiver<ExitStatus>),
    Known(ExitStatus),
    /// Whoever kept it is gone.
    Lost,
}

#[derive(Debug, thiserror::Error)]
#[error("the program was ended by signal {0}")]
struct Crashed(i32);

impl Pipes {
    pub(super) fn new(
        stdin: Option<ChildStdin>,
        length: u64,
        stdout: ChildStdout,
        exit: oneshot::Receiver<ExitStatus>,
        keeper: oneshot::Sender<Leave>,
    ) -> Self {
        let (exit, keeper) = (Exit::Awaited(exit), Some(keeper));
        Self { stdin, left: length, stdout: Some(stdout), exit, keeper, crash: None }
    }

    /// How the program ended, if it has.
    pub(super) fn ended(&self) -> Option<ExitStatus> {
        match self.exit {
            Exit::Known(status) => Some(status),
            Exit::Awaited(_) | Exit::Lost => None,
        }
    }

    fn tell(&mut self, leave: Leave) {
        if let Some(keeper) = self.keeper.take() {
            // A keeper that has gone needs not be told.
            drop(keeper.send(leave));
        }
    }

    /// Waits for the end of the program.
    fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Exit::Awaited(exit) = &mut self.exit {
            self.exit = ready!(Pin::new(exit).poll(cx)).map_or(Exit::Lost, Exit::Known);
        }
        Poll::Ready(())
    }

    /// Reads what the program has left in the pipe. The runtime may not have heard of it yet: the pipe itself is asked.
    fn read_rest(&mut self, buf: &mut ReadBuf<'_>) -> io::Result<()> {
        let Some(stdout) = &self.stdout else { return Ok(()) };
        match rustix::io::read(stdout, buf.initialize_unfilled()) {
            Ok(count) => {
                buf.advance(count);
                Ok(())
            }
            // Others hold it open. What they have to say is not the program's.
            Err(Errno::AGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The end, once the program has ended or shown that it goes on without its stdout.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let crash = self.crash.get_or_insert_with(|| Box::pin(tokio::time::sleep(CRASH)));
        let goes_on = crash.as_mut().poll(cx).is_ready();
        if self.poll_exit(cx).is_pending() && !goes_on {
            return Poll::Pending;
        }
        self.tell(Leave::Ended);
        let signal = self.ended().and_then(|status| status.signal());
        Poll::Ready(signal.map_or(Ok(()), |signal| Err(io::Error::other(Crashed(signal)))))
    }
}

impl Line for Pipes {
    fn release(mut self) {
        self.stdin = None;
        let leave = self.stdout.take().map_or(Leave::Ended, Leave::Released);
        self.tell(leave);
    }
}

impl AsyncRead for Pipes {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if let Some(stdout) = &mut self.stdout {
            match Pin::new(stdout).poll_read(cx, buf)? {
                Poll::Ready(()) if buf.filled().len() > before => return Poll::Ready(Ok(())),
                Poll::Ready(()) => self.stdout = None,
                Poll::Pending => {
                    ready!(self.poll_exit(cx));
                    self.read_rest(buf)?;
                    if buf.filled().len() > before {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
        self.poll_end(cx)
    }
}

impl AsyncWrite for Pipes {
    /// Writes some of the body; with its last byte, the pipe is closed.
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Some(stdin) = &mut self.stdin else { return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) };
        let written = ready!(Pin::new(stdin).poll_write(cx, buf));
        match &written {
            Ok(count) => self.left = self.left.saturating_sub(*count as u64),
            Err(_) => self.left = 0,
        }
        if self.left == 0 {
            self.stdin = None;
        }
        Poll::Ready(written)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stdin = None;
        Poll::Ready(Ok(()))
    }
}
