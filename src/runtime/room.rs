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

/// Reads what there is, once; nothing at the end.
pub(crate) fn poll_receive(
    io: &mut (impl AsyncRead + Unpin),
    cx: &mut Context<'_>,
) -> Poll<io::Result<BytesMut>> {
    ROOM.with_borrow_mut(|room| {
        if room.len() < LEAST {
            *room = BytesMut::zeroed(WHOLE);
        }
        let mut buf = ReadBuf::new(room);
        ready!(Pin::new(io).poll_read(cx, &mut buf))?;
        let received = buf.filled().len();
        Poll::Ready(Ok(if received == 0 { BytesMut::new() } else { room.split_to(received) }))
    })
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn what_connections_receive_lies_together_and_stays_their_own() {
        let (mut client, mut server) = duplex(WHOLE);
        let mut received = Vec::new();
        for at in 0..40 {
            client.write_all(&[at; 300]).await.unwrap();
            received.push(poll_fn(|cx| poll_receive(&mut server, cx)).await.unwrap());
        }
        for (at, received) in (0..).zip(&received) {
            assert_eq!(received[..], [at; 300]);
        }
        let together = received.windows(2).filter(|pair| pair[0].as_ptr_range().end == pair[1].as_ptr());
        assert!(together.count() > 36);
        drop(client);
        assert_eq!(poll_fn(|cx| poll_receive(&mut server, cx)).await.unwrap(), "");
    }

    #[tokio::test]
    async fn what_is_added_behind_does_not_meet_what_came_next() {
        let (mut client, mut server) = duplex(64);
        client.write_all(b"ab").await.unwrap();
        let mut first = poll_fn(|cx| poll_receive(&mut server, cx)).await.unwrap();
        client.write_all(b"cd").await.unwrap();
        let second = poll_fn(|cx| poll_receive(&mut server, cx)).await.unwrap();
        first.extend_from_slice(b"xyz");
        assert_eq!((&first[..], &second[..]), (&b"abxyz"[..], &b"cd"[..]));
    }
}
