//! Keeps long request bodies in temporary files until they are complete. Meanwhile they hold no thread: the client is waited
//! for by the runtime, and only what has come is written, by a thread of tokio's pool.

use std::collections::VecDeque;
use std::fs::File;
use std::future::poll_fn;
use std::io::{self, Seek, Write};
use std::pin::Pin;

use bytes::Bytes;
use http_body::Body as _;

use crate::input::{BoxError, RequestBody};
use crate::request::GatherError;

/// How much of a body is in memory at most before it is written.
const BATCH: usize = 256 << 10;

/// The next piece of a body that is not empty.
pub(crate) async fn next(body: &mut RequestBody) -> Result<Option<Bytes>, BoxError> {
    while let Some(frame) = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
        // Trailers are not for a WSGI application.
        if let Ok(piece) = frame?.into_data()
            && !piece.is_empty()
        {
            return Ok(Some(piece));
        }
    }
    Ok(None)
}

/// Writes what is here and what comes into a file that has no name; gives it, and how much it holds.
pub(crate) async fn spool(
    mut body: RequestBody,
    mut pieces: VecDeque<Bytes>,
) -> Result<(File, u64), GatherError> {
    let (mut file, mut size) = (None, 0);
    loop {
        let mut batch: usize = pieces.iter().map(Bytes::len).sum();
        let mut is_end = false;
        while batch < BATCH && !is_end {
            match next(&mut body).await.map_err(GatherError::Body)? {
                Some(piece) => {
                    batch += piece.len();
                    pieces.push_back(piece);
                }
                None => is_end = true,
            }
        }
        size += batch as u64;
        let written = write(file.take(), std::mem::take(&mut pieces)).await.map_err(GatherError::Spool)?;
        if is_end {
            return Ok((written, size));
        }
        file = Some(written);
    }
}

/// Appends to a file, or makes one; whoever reads it begins at its beginning.
async fn write(file: Option<File>, pieces: VecDeque<Bytes>) -> io::Result<File> {
    let write = move || {
        let mut file = file.map_or_else(tempfile::tempfile, Ok)?;
        file.seek(io::SeekFrom::End(0))?;
        pieces.iter().try_for_each(|piece| file.write_all(piece))?;
        file.rewind()?;
        Ok(file)
    };
    tokio::task::spawn_blocking(write).await.map_err(io::Error::other)?
}
