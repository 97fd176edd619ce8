//! Bytes of a file on their way to the client.
//!
//! What the page cache holds is read at once, on the I/O core (`RWF_NOWAIT`); what a disk has to bring is read on a
//! thread that may wait. Only as much is sent as the head of the answer promised; a file that shrinks meanwhile breaks the
//! body off.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use rustix::fd::OwnedFd;
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use tokio::task::JoinHandle;
use vestibule_layers::Body;

/// How much is read at once.
const CHUNK: usize = 64 << 10;

/// One part of a body.
pub(super) enum Part {
    /// Text between ranges
    Text(Bytes),
    /// A range of the file
    File(Range<u64>),
}

impl Part {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::File(range) => range.end.saturating_sub(range.start),
        }
    }
}

/// The body of one range of a file: read already where it is small, to be read while it is sent where it is large.
pub(super) async fn of_range(file: &Arc<OwnedFd>, range: Range<u64>) -> io::Result<Body> {
    let length = range.end.saturating_sub(range.start);
    if length == 0 {
        return Ok(Body::Empty);
    }
    match usize::try_from(length) {
        Ok(length) if length <= CHUNK => {}
        _ => return Ok(of_parts(file, [Part::File(range)])),
    }
    let first = match Reading::start(file, &range) {
        Reading::Done(first) => first?,
        Reading::Waiting(reading) => joined(reading.await)?,
    };
    let rest = range.start + first.len() as u64..range.end;
    if rest.is_empty() {
        return Ok(Body::Bytes(first));
    }
    Ok(of_parts(file, [Part::Text(first), Part::File(rest)]))
}

/// The body of several parts, read while they are sent.
pub(super) fn of_parts(file: &Arc<OwnedFd>, parts: impl Into<VecDeque<Part>>) -> Body {
    let parts = parts.into();
    let remaining = parts.iter().map(Part::len).sum();
    Body::boxed(FileBody { file: Arc::clone(file), parts, remaining, reading: None })
}

struct FileBody {
    file: Arc<OwnedFd>,
    parts: VecDeque<Part>,
    /// The bytes still to be sent.
    remaining: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    /// The next bytes, of whatever part they are; `None` at the end.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            let Some(part) = self.parts.front_mut() else { return Poll::Ready(None) };
            match part {
                Part::Text(text) => {
                    let text = std::mem::take(text);
                    self.parts.pop_front();
                    return Poll::Ready(Some(Ok(text)));
                }
                Part::File(range) if range.is_empty() => {
                    self.parts.pop_front();
                }
                Part::File(range) => {
                    let read = match &mut self.reading {
                        Some(reading) => joined(ready!(Pin::new(reading).poll(cx))),
                        None => match Reading::start(&self.file, range) {
                            Reading::Done(read) => read,
                            Reading::Waiting(reading) => {
                                self.reading = Some(reading);
                                continue;
                            }
                        },
                    };
                    self.reading = None;
                    return Poll::Ready(Some(read.inspect(|bytes| range.start += bytes.len() as u64)));
                }
            }
        }
    }
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(read) = ready!(self.poll_next(cx)) else { return Poll::Ready(None) };
        match &read {
            Ok(bytes) => self.remaining -= bytes.len() as u64,
            Err(_) => self.parts.clear(),
        }
        Poll::Ready(Some(read.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

/// A read of at most one chunk.
enum Reading {
    Done(io::Result<Bytes>),
    Waiting(JoinHandle<io::Result<Bytes>>),
}

impl Reading {
    /// Starts to read a range that is not empty. What is read may be shorter.
    fn start(file: &Arc<OwnedFd>, range: &Range<u64>) -> Self {
        let wanted = usize::try_from(range.end - range.start).map_or(CHUNK, |length| length.min(CHUNK));
        let mut buffer = Buffer::new(wanted);
        match buffer.fill(file, range.start, ReadWriteFlags::NOWAIT) {
            // Some file systems cannot tell whether they would wait.
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::INTR) => {
                let (file, offset) = (Arc::clone(file), range.start);
                Self::Waiting(tokio::task::spawn_blocking(move || {
                    let read =
                        rustix::io::retry_on_intr(|| buffer.fill(&file, offset, ReadWriteFlags::empty()));
                    buffer.read(read)
                }))
            }
            read => Self::Done(buffer.read(read)),
        }
    }
}

fn joined(read: Result<io::Result<Bytes>, tokio::task::JoinError>) -> io::Result<Bytes> {
    read.unwrap_or_else(|error| Err(io::Error::other(error)))
}

thread_local! {
    /// Large buffers that were sent: to zero a new one for each chunk would cost as much as to read it.
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// How many large buffers a thread keeps.
const MOST_SPARE: usize = 16;

/// The bytes of a read: of the wanted size where that is small, one of the spare ones where it is large.
struct Buffer {
    bytes: Vec<u8>,
    filled: usize,
}

impl Buffer {
    fn new(wanted: usize) -> Self {
        let spare =
            (wanted > CHUNK / 4).then(|| SPARE.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; CHUNK]));
        Self { bytes: spare.unwrap_or_else(|| vec![0; wanted]), filled: wanted }
    }

    fn fill(&mut self, file: &OwnedFd, offset: u64, flags: ReadWriteFlags) -> Result<usize, Errno> {
        preadv2(file, &mut [IoSliceMut::new(&mut self.bytes[..self.filled])], offset, flags)
    }

    fn read(mut self, read: Result<usize, Errno>) -> io::Result<Bytes> {
        match read? {
            0 => {
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was sent"))
            }
            filled => {
                self.filled = filled;
                Ok(if self.bytes.len() < CHUNK {
                    let mut bytes = std::mem::take(&mut self.bytes);
                    bytes.truncate(filled);
                    bytes.into()
                } else {
                    Bytes::from_owner(self)
                })
            }
        }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.bytes.len() == CHUNK {
            let bytes = std::mem::take(&mut self.bytes);
            // A thread that ends keeps nothing.
            let _ = SPARE.try_with(|spare| {
                let mut spare = spare.borrow_mut();
                if spare.len() < MOST_SPARE {
                    spare.push(bytes);
                }
            });
        }
    }
}
