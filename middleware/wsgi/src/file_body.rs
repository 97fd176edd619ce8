//! A file on its way to the client, read by whoever sends it: no thread of the application waits for the client.
//!
//! What the page cache holds is read at once (`RWF_NOWAIT`), what a disk has to bring by a thread of tokio's pool.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use rustix::io::{Errno, ReadWriteFlags, preadv2, retry_on_intr};
use tokio::task::JoinHandle;

/// How much is read at once.
const BLOCK: usize = 64 << 10;

/// A part of a file.
#[derive(Debug)]
pub(crate) struct FileBody {
    file: Arc<File>,
    at: u64,
    left: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    /// `length` bytes from the byte at `at` on.
    pub(crate) fn new(file: File, at: u64, length: u64) -> Self {
        Self { file: Arc::new(file), at, left: length, reading: None }
    }

    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// The next piece; `None` at the end.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let read = match &mut self.reading {
            Some(reading) => ready!(Pin::new(reading).poll(context)).map_err(io::Error::other).flatten(),
            None => match read(&self.file, self.at, self.left, ReadWriteFlags::NOWAIT) {
                // Some file systems cannot tell whether they would wait.
                Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::INTR) => {
                    let (file, at, left) = (Arc::clone(&self.file), self.at, self.left);
                    self.reading = Some(tokio::task::spawn_blocking(move || {
                        Ok(retry_on_intr(|| read(&file, at, left, ReadWriteFlags::empty()))?)
                    }));
                    return self.poll(context);
                }
                read => read.map_err(io::Error::from),
            },
        };
        self.reading = None;
        let piece = read.and_then(|piece| {
            if piece.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(piece) }
        });
        match &piece {
            Ok(piece) => {
                self.at += piece.len() as u64;
                self.left -= piece.len() as u64;
            }
            Err(_) => self.left = 0,
        }
        Poll::Ready(Some(piece))
    }
}

fn read(file: &File, at: u64, left: u64, flags: ReadWriteFlags) -> Result<Bytes, Errno> {
    let mut block = vec![0; usize::try_from(left).map_or(BLOCK, |left| left.min(BLOCK))];
    let size = preadv2(file, &mut [IoSliceMut::new(&mut block)], at, flags)?;
    block.truncate(size);
    Ok(block.into())
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;

    use super::*;

    #[tokio::test]
    async fn a_part_comes_whole_and_a_file_that_shrinks_is_an_error() {
        let mut file = tempfile::tempfile().unwrap();
        let content: Vec<u8> = (0..200_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        file.write_all(&content).unwrap();
        let mut body = FileBody::new(file.try_clone().unwrap(), 1_000, 150_000);
        let mut sent = Vec::new();
        while let Some(piece) = poll_fn(|context| body.poll(context)).await {
            sent.extend_from_slice(&piece.unwrap());
        }
        assert!(sent == content[1_000..151_000]);

        let mut body = FileBody::new(file, 199_999, 2);
        assert_eq!(poll_fn(|context| body.poll(context)).await.unwrap().unwrap(), content[199_999..]);
        assert!(poll_fn(|context| body.poll(context)).await.unwrap().is_err());
        assert!(poll_fn(|context| body.poll(context)).await.is_none());
    }
}
