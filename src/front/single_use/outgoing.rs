//! An answer, written as it comes.

use std::io;

use http::Response;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::io::Interest;
use vestibule_layers::Cause;

use super::{Broken, Language, put_headers};
use crate::front::under_way::Sending;
use crate::front::visit::Visit;
use crate::runtime::socket::{self, Socket};

/// A longer piece is written from where it is, and not copied.
const COPIED: usize = 16 << 10;

/// Writes an answer. What is ready is gathered, and written before anything is waited for.
pub(super) async fn respond(
    io: &impl Socket,
    visit: &Visit,
    language: &Language,
    answer: impl Future<Output = Response<Sending>>,
) -> Result<(), Broken> {
    let answer = answer.await;
    let mut out = Vec::with_capacity(1 << 10);
    (language.put_status)(&mut out, answer.status());
    put_headers(&mut out, answer.headers());
    // Kept until all is written: it logs what becomes of the answer.
    let mut body = answer.into_body();
    while !body.is_end_stream() {
        let next = if let Some(next) = body.at_hand().await {
            next
        } else {
            write(io, visit, &std::mem::take(&mut out)).await?;
            body.frame().await
        };
        let Some(frame) = next else { break };
        // The body has told the log why.
        let Ok(frame) = frame else { return break_off(io, visit, &out).await };
        // Trailers have no place in CGI.
        let Ok(piece) = frame.into_data() else { continue };
        if piece.len() < COPIED {
            out.extend_from_slice(&piece);
        } else {
            write(io, visit, &std::mem::take(&mut out)).await?;
            write(io, visit, &piece).await?;
        }
        if out.len() >= COPIED {
            write(io, visit, &std::mem::take(&mut out)).await?;
        }
    }
    write(io, visit, &out).await
}

/// What there is of the answer arrives, as by HTTP, and then the connection breaks.
async fn break_off(io: &impl Socket, visit: &Visit, out: &[u8]) -> Result<(), Broken> {
    write(io, visit, out).await?;
    Err(Broken::Answer)
}

async fn write(io: &impl Socket, visit: &Visit, bytes: &[u8]) -> Result<(), Broken> {
    write_all(io, visit, bytes).await.map_err(|error| {
        visit.talk.end(Cause::ClientGone, || error.to_string());
        Broken::Answer
    })
}

async fn write_all(io: &impl Socket, visit: &Visit, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = match socket::send_now(io, bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                visit.patience.stuck(true);
                let written = io.when(Interest::WRITABLE, || socket::send_now(io, bytes)).await;
                visit.patience.stuck(false);
                written?
            }
            written => written?,
        };
        bytes = &bytes[written..];
    }
    Ok(())
}
