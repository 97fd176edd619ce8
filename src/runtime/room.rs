//! Room to receive into, of which each thread has one piece for all its connections.
//!
//! Most of what comes is small. What one connection received lies behind what the one before it did, so that all of it is in
//! the processor's cache when it is read, and a connection that waits needs no buffer. Pieces that lie at the same place of buffers
//! of their own would drive each other out of the cache.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};

/// The whole of it. Whoever holds a small part of it holds all of it.
pub(crate) const WHOLE: usize = 8 << 10;

/// With less left than this, a new one is better than a short read.
const LEAST: usize = 2 << 10;

thread_local! {
    /// What is left.
    static ROOM: RefCell<BytesMut> = RefCell::default();
}

/// Reads what there is, once; nothing at the end. And whether it has filled all that was left, so that there may be more.
pub(crate) fn poll_receive(
    io: &mut (impl AsyncRead + Unpin),
    cx: &mut Context<'_>,
) -> Poll<io::Result<(BytesMut, bool)>> {
    ROOM.with_borrow_mut(|room| {
        if room.len() < LEAST {
            *room = BytesMut::zeroed(WHOLE);
        }
        let mut buf = ReadBuf::new(room);
        ready!(Pin::new(io).poll_read(cx, &mut buf))?;
        let received = buf.filled().len();
        let received = if received == 0 { BytesMut::new() } else { room.split_to(received) };
        Poll::Ready(Ok((received, room.is_empty())))
    })
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    async fn receive(io: &mut DuplexStream) -> (BytesMut, bool) {
        poll_fn(|cx| poll_receive(io, cx)).await.unwrap()
    }

    #[tokio::test]
    async fn what_connections_receive_lies_together_and_stays_their_own() {
        let (mut client, mut server) = duplex(WHOLE);
        let mut received = Vec::new();
        for at in 0..40 {
            client.write_all(&[at; 300]).await.unwrap();
            received.push(receive(&mut server).await.0);
        }
        for (at, received) in (0..).zip(&received) {
            assert_eq!(received[..], [at; 300]);
        }
        let together = received.windows(2).filter(|pair| pair[0].as_ptr_range().end == pair[1].as_ptr());
        assert!(together.count() > 36);
        drop(client);
        assert_eq!(receive(&mut server).await.0, "");
    }

    #[tokio::test]
    async fn what_is_added_behind_does_not_meet_what_came_next() {
        let (mut client, mut server) = duplex(64);
        client.write_all(b"ab").await.unwrap();
        let mut first = receive(&mut server).await.0;
        client.write_all(b"cd").await.unwrap();
        let second = receive(&mut server).await.0;
        first.extend_from_slice(b"xyz");
        assert_eq!((&first[..], &second[..]), (&b"abxyz"[..], &b"cd"[..]));
    }

    #[tokio::test]
    async fn what_fills_all_that_is_left_is_told() {
        let (mut client, mut server) = duplex(2 * WHOLE);
        client.write_all(&[b'x'; WHOLE + 1]).await.unwrap();
        let (first, is_full) = receive(&mut server).await;
        assert!(is_full && first.len() >= LEAST, "{}", first.len());
        let mut rest = WHOLE + 1 - first.len();
        while rest > 0 {
            let (next, is_full) = receive(&mut server).await;
            rest -= next.len();
            assert_eq!(is_full, rest > 0);
        }
    }
}
