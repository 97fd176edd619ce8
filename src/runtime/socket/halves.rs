//! The two sides of a socket: as tokio's, with less on the way.
//!
//! Tokio's poll of a socket that has nothing takes a lock and stores the waker again, though it is there since the last poll; and
//! libc's recv(2) and send(2) make themselves points where a thread may be cancelled, in any process with two threads.

use std::io::{self, IoSlice};
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop;

use super::{Socket, receive_now, send_now};

/// Whether the runtime knows whom to wake when a socket may be read.
#[derive(Default)]
pub(crate) struct Awaited {
    is_known: bool,
    waker: Option<Waker>,
}

impl Awaited {
    /// Whether this task is woken when there is something, as long as nobody has seen that there is.
    fn is_by(&self, waker: &Waker) -> bool {
        self.is_known && self.waker.as_ref().is_some_and(|known| known.will_wake(waker))
    }

    fn set_by(&mut self, waker: &Waker) {
        self.is_known = true;
        if !self.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            self.waker = Some(waker.clone());
        }
    }
}

/// The reading side; `R` is tokio's.
pub(super) struct ReadSide<'a, R, S> {
    read: R,
    awaited: &'a mut Awaited,
    socket: PhantomData<fn() -> S>,
}

impl<'a, R, S> ReadSide<'a, R, S> {
    pub(super) fn new(read: R, awaited: &'a mut Awaited) -> Self {
        Self { read, awaited, socket: PhantomData }
    }
}

impl<R: AsyncRead + AsRef<S> + Unpin, S: Socket> AsyncRead for ReadSide<'_, R, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { read, awaited, .. } = &mut *self;
        let is_there = is_readable(read.as_ref());
        if !is_there && awaited.is_by(cx.waker()) {
            return Poll::Pending;
        }
        awaited.is_known = false;
        if is_there && let Some(read) = try_poll_read(read.as_ref(), cx, buf) {
            return read;
        }
        let read = Pin::new(read).poll_read(cx, buf);
        // A task that has used up its budget is put off before its waker is stored.
        if read.is_pending() && coop::has_budget_remaining() {
            awaited.set_by(cx.waker());
        }
        read
    }
}

/// Whether there may be something to read, as far as the runtime knows.
pub(crate) fn is_readable(io: &impl Socket) -> bool {
    io.try_read(|| Ok(())).is_ok()
}

/// Reads what is there; `None` where that is nothing, or the buffer has no contents yet: then tokio has to read.
pub(crate) fn try_poll_read(
    io: &impl Socket,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
) -> Option<Poll<io::Result<()>>> {
    if buf.initialized().len() < buf.capacity() {
        return None;
    }
    let Poll::Ready(turn) = coop::poll_proceed(cx) else { return Some(Poll::Pending) };
    let received = unless_blocked(receive_once(io, buf.initialize_unfilled()))?;
    turn.made_progress();
    Some(Poll::Ready(received.map(|count| buf.advance(count))))
}

/// Writes what there is room for; `None` where there is none: then tokio has to wait for it.
pub(crate) fn try_poll_write(
    io: &impl Socket,
    cx: &mut Context<'_>,
    bytes: &[u8],
) -> Option<Poll<io::Result<usize>>> {
    let Poll::Ready(turn) = coop::poll_proceed(cx) else { return Some(Poll::Pending) };
    let written = unless_blocked(io.try_write(|| send_now(io, bytes)))?;
    turn.made_progress();
    Some(Poll::Ready(written))
}

/// Receives once. Where that leaves room, nothing more is there, and the socket is not readable until more comes.
fn receive_once(io: &impl Socket, buffer: &mut [u8]) -> io::Result<usize> {
    let mut received = 0;
    let room = buffer.len();
    let all = io.try_read(|| {
        received = receive_now(io, buffer)?;
        let is_all = received > 0 && received < room;
        if is_all { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(received) }
    });
    if received > 0 { Ok(received) } else { all }
}

fn unless_blocked<T>(result: io::Result<T>) -> Option<io::Result<T>> {
    let is_blocked = result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
    (!is_blocked).then_some(result)
}

/// The writing side; `W` is tokio's.
pub(super) struct WriteSide<W, S> {
    write: W,
    socket: PhantomData<fn() -> S>,
}

impl<W, S> WriteSide<W, S> {
    pub(super) fn new(write: W) -> Self {
        Self { write, socket: PhantomData }
    }
}

impl<W: AsyncWrite + AsRef<S> + Unpin, S: Socket> AsyncWrite for WriteSide<W, S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match try_poll_write(self.write.as_ref(), cx, buf) {
            Some(written) => written,
            None => Pin::new(&mut self.write).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.write).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.write.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixStream;

    use super::*;

    /// Counts how often it is called.
    #[derive(Default)]
    struct Calls(AtomicUsize);

    impl Wake for Calls {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll_read(io: &mut UnixStream, awaited: &mut Awaited, waker: &Waker, room: usize) -> Poll<Vec<u8>> {
        let mut bytes = vec![0; room];
        let mut buf = ReadBuf::new(&mut bytes);
        let (read, _) = io.halves(awaited);
        let polled = std::pin::pin!(read).poll_read(&mut Context::from_waker(waker), &mut buf);
        polled.map(|read| read.map(|()| buf.filled().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn whoever_polled_last_is_woken_by_what_comes() {
        let (mut client, mut server) = UnixStream::pair().unwrap();
        let mut awaited = Awaited::default();
        let [first, second] = [(); 2].map(|()| Arc::new(Calls::default()));
        let [by_first, by_second] = [&first, &second].map(|calls| Waker::from(Arc::clone(calls)));
        for waker in [&by_first, &by_first, &by_second, &by_second] {
            assert!(poll_read(&mut server, &mut awaited, waker, 8).is_pending());
        }
        for (sent, room) in [(&b"ab"[..], 8), (b"cdef", 4), (b"g", 1)] {
            let before = second.0.load(Ordering::Relaxed);
            client.write_all(sent).await.unwrap();
            server.readable().await.unwrap();
            assert_eq!(second.0.load(Ordering::Relaxed), before + 1, "{sent:?}");
            assert_eq!(poll_read(&mut server, &mut awaited, &by_second, room), Poll::Ready(sent.to_vec()));
            assert!(poll_read(&mut server, &mut awaited, &by_second, room).is_pending());
            assert!(poll_read(&mut server, &mut awaited, &by_second, room).is_pending());
        }
        assert_eq!(first.0.load(Ordering::Relaxed), 0);
        drop(client);
        server.readable().await.unwrap();
        assert_eq!(second.0.load(Ordering::Relaxed), 4);
        assert_eq!(poll_read(&mut server, &mut awaited, &by_second, 8), Poll::Ready(vec![]));
    }

    #[tokio::test]
    async fn whoever_had_no_budget_left_is_woken_by_what_comes_later() {
        let (mut client, mut server) = UnixStream::pair().unwrap();
        let mut awaited = Awaited::default();
        let calls = Arc::new(Calls::default());
        let waker = Waker::from(Arc::clone(&calls));
        poll_fn(|cx| {
            while let Poll::Ready(turn) = coop::poll_proceed(cx) {
                turn.made_progress();
            }
            assert!(poll_read(&mut server, &mut awaited, &waker, 8).is_pending());
            Poll::Ready(())
        })
        .await;
        tokio::task::yield_now().await;
        assert!(poll_read(&mut server, &mut awaited, &waker, 8).is_pending());
        let before = calls.0.load(Ordering::Relaxed);
        client.write_all(b"a").await.unwrap();
        server.readable().await.unwrap();
        assert_eq!(calls.0.load(Ordering::Relaxed), before + 1);
    }

    #[tokio::test]
    async fn all_that_is_written_arrives_though_the_other_side_reads_slowly() {
        let (mut client, mut server) = UnixStream::pair().unwrap();
        let sent: Vec<u8> = (0..1_000_000_u32).map(|at| at.to_le_bytes()[at as usize % 3]).collect();
        let mut awaited = Awaited::default();
        let (_, mut write) = server.halves(&mut awaited);
        let mut arrived = Vec::new();
        let writing = async {
            write.write_all(&sent).await.unwrap();
            write.shutdown().await.unwrap();
        };
        let (_, ()) = tokio::join!(client.read_to_end(&mut arrived), writing);
        assert!(arrived == sent, "{} bytes", arrived.len());
    }
}
