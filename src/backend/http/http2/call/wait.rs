//! How long a server may be silent, whatever it is that is waited for.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep};

use crate::backend::upstream::deadline::Limits;

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The client's, to send the next piece of its request.
    Client,
    /// The server's, to take the next piece.
    Taking,
    /// The server's, to answer.
    Answering,
}

/// The wait for a server.
pub(super) struct Wait {
    limits: Limits,
    /// For whom, once it is known.
    turn: Option<Turn>,
    /// Made at once, because a body may be polled by a thread that has no runtime.
    timer: Pin<Box<Sleep>>,
}

impl Wait {
    /// With these limits, it begins when it is known for whom.
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, turn: None, timer: Box::pin(tokio::time::sleep(limits.read)) }
    }

    /// Something has come, or was taken: the next wait is another.
    pub(super) fn end(&mut self) {
        self.turn = None;
    }

    /// Goes on with the wait, which does not count while the client is waited for.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, turn: Turn) -> Poll<io::Error> {
        let (limit, what) = match turn {
            Turn::Client => {
                self.turn = None;
                return Poll::Pending;
            }
            Turn::Taking => (self.limits.write, "was taken"),
            Turn::Answering => (self.limits.read, "came"),
        };
        if self.turn.replace(turn) != Some(turn) {
            self.timer.as_mut().reset(Instant::now() + limit);
        }
        self.timer
            .as_mut()
            .poll(cx)
            .map(|()| io::Error::new(io::ErrorKind::TimedOut, format!("nothing {what} for {limit:?}")))
    }
}
