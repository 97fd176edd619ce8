//! Gives the body of a request a length: application protocols tell it before the body (`CONTENT_LENGTH`).
//!
//! A body that is chunked is read to its end first: a short one into memory, a long one into a file that has no name.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::task::{JoinHandle, spawn_blocking};
use vestibule_layers::{Body, BodyError};

/// A body of up to this size stays in memory; so much of a longer one is written to its file at once.
const IN_MEMORY: usize = 64 << 10;

/// How much is read from a file at once.
const BLOCK: usize = 64 << 10;

/// A body was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(in crate::backend) enum SpoolError {
    #[error("failed to read the body of the request")]
    Body(#[source] BodyError),
    #[error("failed to spool the body of the request")]
    File(#[source] io::Error),
}

/// The body and its length.
pub(in crate::backend) async fn with_length(body: Body) -> Result<(Body, u64), SpoolError> {
    match body.size_hint().exact() {
        Some(length) => Ok((body, length)),
        None => whole(body).await,
    }
}

/// The body when all of it is here, and its length.
pub(in crate::backend) async fn whole(mut body: Body) -> Result<(Body, u64), SpoolError> {
    let mut held = BytesMut::new();
    let mut file: Option<File> = None;
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        // Trailers are not for an application.
        let Ok(data) = frame.map_err(SpoolError::Body)?.into_data() else { continue };
        length += data.len() as u64;
        held.extend_from_slice(&data);
        if held.len() > IN_MEMORY {
            file = Some(write(file, held.split().freeze()).await?);
        }
    }
    let Some(file) = file else { return Ok((held.freeze().into(), length)) };
    let file = write(Some(file), held.freeze()).await?;
    Ok((Body::boxed(Spooled { left: length, state: State::Resting(Some(file)) }), length))
}

/// Appends to the file, which is made by the first call, and goes back to its start. Files block: a thread that may wait
/// does it.
async fn write(file: Option<File>, bytes: Bytes) -> Result<File, SpoolError> {
    let written = spawn_blocking(move || {
        let mut file = file.map_or_else(tempfile::tempfile, Ok)?;
        file.seek(io::SeekFrom::End(0))?;
        file.write_all(&bytes)?;
        file.rewind()?;
        Ok(file)
    });
    written.await.unwrap_or_else(|lost| Err(io::Error::other(lost))).map_err(SpoolError::File)
}

/// A body in a file.
struct Spooled {
    left: u64,
    state: State,
}

enum State {
    /// The file, until the end.
    Resting(Option<File>),
    Reading(JoinHandle<io::Result<(File, Bytes)>>),
}

/// Reads the next block; an empty one at the end.
fn read_block(mut file: File) -> io::Result<(File, Bytes)> {
    let mut block = vec![0; BLOCK];
    let length = file.read(&mut block)?;
    block.truncate(length);
    Ok((file, block.into()))
}

impl http_body::Body for Spooled {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            match &mut self.state {
                State::Resting(file) => {
                    let Some(file) = file.take() else { return Poll::Ready(None) };
                    self.state = State::Reading(spawn_blocking(move || read_block(file)));
                }
                State::Reading(task) => {
                    let read =
                        ready!(Pin::new(task).poll(cx)).unwrap_or_else(|lost| Err(io::Error::other(lost)));
                    let (file, block) = read.inspect_err(|_| self.state = State::Resting(None))?;
                    self.left = self.left.saturating_sub(block.len() as u64);
                    self.state = State::Resting((self.left > 0 && !block.is_empty()).then_some(file));
                    return Poll::Ready((!block.is_empty()).then(|| Ok(Frame::data(block))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Resting(None))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A body of unknown length: so many pieces of 1,000 bytes.
    struct Pieces(VecDeque<Bytes>);

    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
        }
    }

    #[tokio::test]
    async fn a_body_of_unknown_length_gets_one_and_stays_the_same() {
        for count in [0u8, 1, 64, 65, 66, 200] {
            let pieces = (0..count).map(|number| vec![number; 1000].into());
            let (mut body, length) = with_length(Body::boxed(Pieces(pieces.collect()))).await.unwrap();
            assert_eq!((length, body.size_hint().exact()), (u64::from(count) * 1000, Some(length)));
            let mut whole = Vec::new();
            while let Some(frame) = body.frame().await {
                whole.extend_from_slice(&frame.unwrap().into_data().unwrap());
            }
            let same = (0..count).flat_map(|number| [number; 1000]);
            assert!(whole.len() as u64 == length && whole.into_iter().eq(same), "{count}");
            assert!(body.is_end_stream());
        }
    }

    #[tokio::test]
    async fn a_body_with_a_length_is_left_alone() {
        let (body, length) = with_length("text".into()).await.unwrap();
        assert!(matches!(body, Body::Bytes(_)) && length == 4);
    }
}
