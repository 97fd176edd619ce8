//! The body of a client that still sends while the application reads: a task of the client's runtime reads a little ahead,
//! so that the application finds its data, and waits for the client less often.

use std::io;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::AbortHandle;

use crate::input::{BoxError, RequestBody};
use crate::python::is_forked;
use crate::spool::next;

/// How many pieces are read ahead: Vestibule gives pieces of 64 KiB at most, hyper of some 400 KiB.
const AHEAD: usize = 2;

/// A client's body. Nothing is asked of the client before the application reads, so that `100 Continue` is sent then and
/// not earlier.
pub(crate) struct Streamed {
    untouched: Option<RequestBody>,
    coming: Option<Coming>,
    /// Of the connection.
    runtime: Handle,
}

/// What the task has read; `None` is the end of the body.
type Piece = Result<Option<Bytes>, BoxError>;

struct Coming {
    pieces: Receiver<Piece>,
    /// What was found there and is no piece: the end, or an error.
    last: Option<Piece>,
    task: AbortHandle,
}

impl Streamed {
    pub(crate) fn new(body: RequestBody) -> Self {
        Self { untouched: Some(body), coming: None, runtime: Handle::current() }
    }

    /// The next piece that is not empty; blocks.
    pub(crate) fn next(&mut self) -> io::Result<Option<Bytes>> {
        if is_forked() {
            // What the client sends is read by the parent's threads, of which none is here.
            return Err(io::Error::other("a forked child cannot read the body of its parent's request"));
        }
        if let Some(body) = self.untouched.take() {
            let (sender, pieces) = mpsc::channel(AHEAD);
            let task = self.runtime.spawn(read_ahead(body, sender)).abort_handle();
            self.coming = Some(Coming { pieces, last: None, task });
        }
        let next = |coming: &mut Coming| coming.last.take().or_else(|| coming.pieces.blocking_recv());
        match self.coming.as_mut().and_then(next) {
            Some(piece) => piece.map_err(io::Error::other),
            None => Err(io::Error::other("the request body is no longer read")),
        }
    }

    /// A piece that is here already.
    pub(crate) fn here(&mut self) -> Option<Bytes> {
        let coming = self.coming.as_mut().filter(|coming| coming.last.is_none())?;
        match coming.pieces.try_recv().ok()? {
            Ok(Some(piece)) => Some(piece),
            last => {
                coming.last = Some(last);
                None
            }
        }
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read_ahead(mut body: RequestBody, pieces: Sender<Piece>) {
    loop {
        let piece = next(&mut body).await;
        let is_last = !matches!(piece, Ok(Some(_)));
        if pieces.send(piece).await.is_err() || is_last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll};

    use http_body::Frame;
    use http_body_util::BodyExt;
    use tokio::runtime::{Builder, Runtime};
    use tokio::task::{spawn_blocking, yield_now};

    use super::*;

    /// A body that never ends, and counts its pieces.
    #[derive(Clone, Default)]
    struct Endless(Arc<AtomicUsize>);

    impl Endless {
        fn given(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    impl http_body::Body for Endless {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Poll::Ready(Some(Ok(Frame::data("piece".into()))))
        }
    }

    /// Gives every task its turn, until none has anything to do.
    fn settle(runtime: &Runtime) {
        runtime.block_on(async {
            for _ in 0..100 {
                yield_now().await;
            }
        });
    }

    fn read(runtime: &Runtime, mut streamed: Streamed) -> Streamed {
        let read = move || {
            assert_eq!(streamed.next().unwrap().unwrap(), "piece");
            streamed
        };
        runtime.block_on(async { spawn_blocking(read).await.unwrap() })
    }

    #[test]
    fn a_body_is_read_ahead_by_a_few_pieces_but_not_before_the_application_reads() {
        let runtime = Builder::new_current_thread().build().unwrap();
        let body = Endless::default();
        let mut streamed = runtime.block_on(async { Streamed::new(body.clone().boxed_unsync()) });
        settle(&runtime);
        assert_eq!(body.given(), 0);
        for read_before in 0..3 {
            streamed = read(&runtime, streamed);
            settle(&runtime);
            // Those that were read, those ahead, and one for which there is no room yet.
            assert_eq!(body.given(), read_before + 1 + AHEAD + 1);
        }
        let here: Vec<_> = std::iter::from_fn(|| streamed.here()).collect();
        assert_eq!(here, vec!["piece"; AHEAD], "without waiting");
        drop(streamed);
        settle(&runtime);
        assert_eq!(Arc::strong_count(&body.0), 1, "an abandoned body is given back");
    }

    #[test]
    fn a_body_whose_runtime_has_ended_does_not_look_complete() {
        let runtime = Builder::new_current_thread().build().unwrap();
        let mut streamed = runtime.block_on(async { Streamed::new(Endless::default().boxed_unsync()) });
        drop(runtime);
        assert!(streamed.next().is_err());
    }
}
