//! A connection of which something was read before it was known what is spoken on it, or who goes on to speak.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, ReadBuf};

use super::reading::Look;

/// Gives what was read, and then what comes.
#[derive(Default)]
pub(super) struct Begun {
    read: Bytes,
}

impl Begun {
    /// Puts back what was read last.
    pub(super) fn put_back(&mut self, read: Bytes) {
        // Nothing may still be a part of a large buffer.
        if !read.is_empty() {
            self.read = if self.read.is_empty() { read } else { [&read[..], &self.read].concat().into() };
        }
    }
}

impl Look for Begun {
    fn read<I: AsyncRead + Unpin>(
        &mut self,
        io: &mut I,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(io).poll_read(cx, buf);
        }
        let most = self.read.len().min(buf.remaining());
        buf.put_slice(&self.read[..most]);
        self.read.advance(most);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::super::reading::Reading;
    use super::*;

    #[tokio::test]
    async fn what_is_put_back_comes_before_all_that_follows_it() {
        let (mut client, server) = tokio::io::duplex(8);
        let mut begun = Begun::default();
        begun.put_back(Bytes::from_static(b"cde"));
        begun.put_back(Bytes::from_static(b"ab"));
        begun.put_back(Bytes::new());
        client.write_all(b"fg").await.unwrap();
        drop(client);
        let mut io = Reading::new(begun, server);
        let mut read = String::new();
        io.read_to_string(&mut read).await.unwrap();
        assert_eq!(read, "abcdefg");
    }

    #[test]
    fn nothing_that_is_put_back_keeps_no_buffer() {
        let buffer: Arc<[u8]> = Arc::from([]);
        let mut begun = Begun::default();
        begun.put_back(Bytes::from_owner(Arc::clone(&buffer)));
        assert_eq!(Arc::strong_count(&buffer), 1);
    }
}
