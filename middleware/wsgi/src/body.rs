//! The body of an answer: nothing, all of it at once, chunks as the application yields them, or a file.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::file_body::FileBody;

/// What may wait for a slow client before the application does.
const LIMIT: usize = 64 << 10;

/// The body of an answer.
#[derive(Debug, Default)]
pub struct Body(Inner);

#[derive(Debug, Default)]
enum Inner {
    #[default]
    Empty,
    Full(Bytes),
    Channel(Arc<Channel>),
    /// And how many bytes the file lacks of what the head has promised.
    File(FileBody, u64),
}

/// The answer broke off after its head was sent: the connection must be aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The application raised.
    #[error("the application failed in the middle of its answer")]
    Application,
    /// The application's answer is shorter than its Content-Length.
    #[error("the answer is {missing} bytes shorter than its Content-Length")]
    Short {
        /// How many bytes are missing.
        missing: u64,
    },
    /// A file that was being sent cannot be read, or has become shorter.
    #[error("a file cannot be read while it is sent: {0}")]
    File(io::ErrorKind),
}

impl Body {
    pub(crate) fn full(bytes: Bytes) -> Self {
        Self(if bytes.is_empty() { Inner::Empty } else { Inner::Full(bytes) })
    }

    /// A body and the end that fills it.
    pub(crate) fn channel() -> (ChunkSender, Self) {
        let channel = Arc::new(Channel { state: Mutex::default(), room: Condvar::new() });
        (ChunkSender(Arc::clone(&channel)), Self(Inner::Channel(channel)))
    }

    /// A body that is a file, and how many bytes it lacks of what the head has promised.
    pub(crate) fn file(file: FileBody, missing: u64) -> Self {
        Self(Inner::File(file, missing))
    }

    /// The whole body, where it is known already.
    pub fn as_full(&self) -> Option<&Bytes> {
        static EMPTY: Bytes = Bytes::new();
        match &self.0 {
            Inner::Empty => Some(&EMPTY),
            Inner::Full(bytes) => Some(bytes),
            Inner::Channel(_) | Inner::File(..) => None,
        }
    }

    /// The whole body, where it is known already; else the body itself.
    pub fn into_full(mut self) -> Result<Bytes, Self> {
        match std::mem::take(&mut self.0) {
            Inner::Empty => Ok(Bytes::new()),
            Inner::Full(bytes) => Ok(bytes),
            other @ (Inner::Channel(_) | Inner::File(..)) => Err(Self(other)),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Inner::Empty => Poll::Ready(None),
            Inner::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Inner::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Inner::Channel(channel) => {
                channel.poll(context).map(|next| next.map(|next| next.map(Frame::data)))
            }
            Inner::File(file, missing) => match ready!(file.poll(context)) {
                Some(Ok(piece)) => Poll::Ready(Some(Ok(Frame::data(piece)))),
                Some(Err(error)) => {
                    *missing = 0;
                    Poll::Ready(Some(Err(BodyError::File(error.kind()))))
                }
                None => match std::mem::take(missing) {
                    0 => Poll::Ready(None),
                    missing => Poll::Ready(Some(Err(BodyError::Short { missing }))),
                },
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Empty => true,
            Inner::Full(_) => false,
            Inner::Channel(channel) => channel.lock().is_finished(),
            Inner::File(file, missing) => file.left() == 0 && *missing == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Channel(_) => SizeHint::default(),
            Inner::File(file, missing) => SizeHint::with_exact(file.left() + missing),
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Inner::Channel(channel) = &self.0 {
            let mut state = channel.lock();
            state.is_abandoned = true;
            let chunks = std::mem::take(&mut state.chunks);
            state.size = 0;
            drop(state);
            drop(chunks);
            channel.room.notify_all();
        }
    }
}

#[derive(Debug)]
struct Channel {
    state: Mutex<State>,
    /// The application's thread waits here for the client.
    room: Condvar,
}

#[derive(Debug, Default)]
struct State {
    chunks: VecDeque<Bytes>,
    size: usize,
    end: Option<Result<(), BodyError>>,
    reader: Option<Waker>,
    is_abandoned: bool,
}

impl State {
    fn is_finished(&self) -> bool {
        self.chunks.is_empty() && self.end == Some(Ok(()))
    }
}

impl Channel {
    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let mut state = self.lock();
        if let Some(chunk) = state.chunks.pop_front() {
            let was_full = state.size >= LIMIT;
            state.size -= chunk.len();
            // The writer goes on when half of it is gone, so that it does not wake for each chunk.
            let wakes = state.size < LIMIT / 2 && (was_full || state.size + chunk.len() >= LIMIT / 2);
            drop(state);
            if wakes {
                self.room.notify_all();
            }
            return Poll::Ready(Some(Ok(chunk)));
        }
        match state.end.take() {
            Some(Ok(())) => {
                state.end = Some(Ok(()));
                Poll::Ready(None)
            }
            Some(Err(error)) => {
                state.end = Some(Ok(()));
                Poll::Ready(Some(Err(error)))
            }
            None => {
                state.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of a body into which an application's thread writes. Dropped without a word, it leaves the answer broken.
#[derive(Debug)]
pub(crate) struct ChunkSender(Arc<Channel>);

/// A handle to wait for room in a body, without a right to end it.
#[derive(Debug)]
pub(crate) struct Room(Arc<Channel>);

/// Nobody reads the answer any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Abandoned;

impl ChunkSender {
    /// Adds a chunk, whether or not there is room: whoever writes waits for room afterwards.
    pub(crate) fn send(&self, chunk: Bytes) -> Result<(), Abandoned> {
        let mut state = self.0.lock();
        if state.is_abandoned {
            return Err(Abandoned);
        }
        state.size += chunk.len();
        state.chunks.push_back(chunk);
        Self::wake(state);
        Ok(())
    }

    /// What to wait for before the next chunk; `None` where there is room now.
    pub(crate) fn room(&self) -> Option<Room> {
        (self.0.lock().size >= LIMIT).then(|| Room(Arc::clone(&self.0)))
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.0.lock().is_abandoned
    }

    pub(crate) fn end(self, end: Result<(), BodyError>) {
        self.set_end(end);
    }

    fn set_end(&self, end: Result<(), BodyError>) {
        let mut state = self.0.lock();
        if state.end.is_none() {
            state.end = Some(end);
            Self::wake(state);
        }
    }

    fn wake(mut state: MutexGuard<'_, State>) {
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Drop for ChunkSender {
    fn drop(&mut self) {
        self.set_end(Err(BodyError::Application));
    }
}

impl Room {
    /// Blocks until the client has taken half of what waits for it, or is gone.
    pub(crate) fn wait(&self) {
        let state = self.0.lock();
        let is_full = |state: &mut State| state.size >= LIMIT / 2 && !state.is_abandoned;
        drop(self.0.room.wait_while(state, is_full));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    async fn next(body: &mut Body) -> Option<Result<Bytes, BodyError>> {
        body.frame().await.map(|frame| frame.map(|frame| frame.into_data().unwrap()))
    }

    #[test]
    fn chunks_arrive_in_order_and_then_the_end() {
        let (sender, mut body) = Body::channel();
        sender.send("a".into()).unwrap();
        sender.send("b".into()).unwrap();
        sender.end(Ok(()));
        block_on(async {
            assert_eq!(next(&mut body).await, Some(Ok("a".into())));
            assert_eq!(next(&mut body).await, Some(Ok("b".into())));
            assert_eq!(next(&mut body).await, None);
        });
    }

    #[test]
    fn a_sender_that_is_lost_breaks_the_answer() {
        let (sender, mut body) = Body::channel();
        drop(sender);
        assert_eq!(block_on(next(&mut body)), Some(Err(BodyError::Application)));
    }

    #[test]
    fn a_writer_waits_for_its_reader() {
        let (sender, mut body) = Body::channel();
        assert!(sender.room().is_none());
        sender.send(vec![0; LIMIT].into()).unwrap();
        let room = sender.room().expect("it is full");
        let writer = std::thread::spawn(move || room.wait());
        assert!(block_on(next(&mut body)).unwrap().is_ok());
        writer.join().unwrap();
    }

    #[test]
    fn a_writer_is_told_that_its_reader_left() {
        let (sender, body) = Body::channel();
        sender.send(vec![0; LIMIT].into()).unwrap();
        let room = sender.room().expect("it is full");
        let writer = std::thread::spawn(move || room.wait());
        drop(body);
        writer.join().unwrap();
        assert_eq!(sender.send("a".into()), Err(Abandoned));
    }
}
