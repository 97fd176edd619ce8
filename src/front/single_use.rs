//! Protocols with one request on a connection, whose end is the end of the answer: SCGI and uwsgi.
//!
//! Such an answer looks whole whenever the connection ends well. So one that breaks off resets the connection: nginx then
//! gives up its own answer, too. Unix sockets have no reset of their own, but one that is closed while something is unread
//! makes an error at the other end all the same: so the last byte of each request is only looked at, and taken when the
//! answer is whole.

mod incoming;
mod outgoing;

use std::io;
use std::pin::pin;

use http::{HeaderMap, StatusCode};
use vestibule_layers::{Cause, rescue};

use self::incoming::Incoming;
use super::ending;
use super::variables::{Pair, VariablesError};
use super::visit::Visit;
use crate::runtime::socket::{self, Socket};

/// One of these protocols.
pub(super) struct Language {
    pub(super) name: &'static str,
    pub(super) read_head: ReadHead,
    /// Writes the line that tells the status of an answer.
    pub(super) put_status: fn(&mut Vec<u8>, StatusCode),
}

/// Reads the head of a request, which may be so long; `None` until more has come.
pub(super) type ReadHead = for<'a> fn(&'a [u8], usize) -> Result<Option<Head<'a>>, HeadError>;

/// The head of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head<'a> {
    /// How long it is; the body follows
    pub length: usize,
    /// What it says
    pub variables: Vec<Pair<'a>>,
}

/// What is no head.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Longer than a head may be
    #[error("the head is longer than {0} bytes (limits.header_bytes)")]
    TooLong(usize),
    /// What is wrong with it
    #[error("{0}")]
    Malformed(&'static str),
}

/// Why a connection does not end with a whole answer.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Head(#[from] HeadError),
    #[error(transparent)]
    Variables(#[from] VariablesError),
    #[error("the connection ended in the middle of a head")]
    CutShort,
    /// The log knows of it, or will when what is under way is dropped.
    #[error("the answer broke off")]
    Answer,
    #[error("the connection broke")]
    Io(#[from] io::Error),
}

/// Serves a connection.
pub(super) async fn serve(io: impl Socket, visit: Visit, language: &'static Language) {
    let peer = visit.peer;
    let attended = visit.attend(pin!(exchange(&io, &visit, language))).await;
    match attended {
        Ok(Ok(None)) => {}
        Ok(Ok(Some(left))) => end(io, left).await,
        // It takes too long, or nothing was asked.
        Err(_) => io.reset_on_close(),
        Ok(Err(error)) => {
            io.reset_on_close();
            let name = language.name;
            match error {
                Broken::Answer => {}
                Broken::Head(_) | Broken::Variables(_) => {
                    tracing::warn!(%peer, "closed: what came is no {name} request: {error}");
                }
                Broken::CutShort | Broken::Io(_) => {
                    tracing::debug!(%peer, "connection ended: {}", rescue::chain(&error));
                }
            }
        }
    }
}

/// Answers the request of a connection: how much of its body is left, or `None` where nothing was asked.
async fn exchange(io: &impl Socket, visit: &Visit, language: &Language) -> Result<Option<u64>, Broken> {
    let wait = visit.patience.wait();
    let Some(asked) = incoming::head(io, visit, language.read_head).await? else { return Ok(None) };
    drop(wait);
    let (mut incoming, body) = Incoming::new(io, asked.length);
    let answer = visit.answer(asked, body);
    let mut responding = pin!(outgoing::respond(io, visit, language, answer));
    tokio::select! {
        biased;
        written = &mut responding => written?,
        gone = incoming.pump() => {
            // Before what is under way is dropped, so that it knows why.
            visit.talk.end(Cause::ClientGone, || gone.to_string());
            return Err(Broken::Answer);
        }
    }
    Ok(Some(incoming.left()))
}

/// Ends a connection whose answer is whole.
async fn end(mut io: impl Socket, left: u64) {
    if left == 0 {
        // The byte that was looked at. It is there, whatever waits for more may think; if not, the front server has left.
        drop(socket::receive_now(&io, &mut [0]));
    } else if tokio::io::AsyncWriteExt::shutdown(&mut io).await.is_ok() {
        ending::linger(io).await;
    }
}

/// Writes the headers of an answer and the end of its head.
fn put_headers(out: &mut Vec<u8>, headers: &HeaderMap) {
    // A header of that name would be a second status, and perhaps the one that is believed.
    for (name, value) in headers.iter().filter(|(name, _)| *name != "status") {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b"\r\n");
}
