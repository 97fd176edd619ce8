//! What every connection of HTTP/2 begins with, wherever a network parts it.
//!
//! hyper takes a connection for one of HTTP/1 as soon as a line has come, and refuses what is only the beginning of the preface.
//! So a connection gives nothing as long as all that has come of it is such a beginning.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use crate::front::reading::Look;

/// What every connection of HTTP/2 begins with (RFC 9113 section 3.4).
pub(in crate::front) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Keeps a preface together.
#[derive(Default)]
pub(in crate::front) struct Preface {
    /// What has come, while that is a part of a preface.
    held: Vec<u8>,
    is_decided: bool,
}

impl Look for Preface {
    fn read<I: AsyncRead + Unpin>(
        &mut self,
        io: &mut I,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_decided {
            let start = buf.filled().len();
            // Less than a preface, for which every reader has room.
            buf.put_slice(&self.held);
            let known = buf.filled().len();
            let read = Pin::new(&mut *io).poll_read(cx, buf);
            let has_come = buf.filled().len() > known;
            let come = &buf.filled()[start..];
            let is_part = come.len() < PREFACE.len() && PREFACE.starts_with(come);
            if read.is_pending() || (has_come && is_part) {
                self.held = come.to_vec();
                buf.set_filled(start);
                ready!(read)?;
                continue;
            }
            self.is_decided = true;
            self.held = Vec::new();
            return read;
        }
        Pin::new(io).poll_read(cx, buf)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;
    use crate::front::reading::Reading;

    /// Each read of what comes in these pieces, one after the other.
    async fn reads(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut client, server) = duplex(64);
        let mut server = Reading::new(Preface::default(), server);
        let mut reads = Vec::new();
        let mut buf = [0; 64];
        for piece in pieces {
            client.write_all(piece).await.unwrap();
            tokio::select! {
                biased;
                read = server.read(&mut buf) => reads.push(buf[..read.unwrap()].to_vec()),
                () = std::future::ready(()) => {}
            }
        }
        drop(client);
        while let count @ 1.. = server.read(&mut buf).await.unwrap() {
            reads.push(buf[..count].to_vec());
        }
        reads
    }

    #[tokio::test]
    async fn a_preface_comes_as_a_whole_wherever_it_is_parted() {
        let bytes: Vec<&[u8]> = PREFACE.chunks(1).collect();
        assert_eq!(reads(&bytes).await, [PREFACE]);
        for at in 1..PREFACE.len() {
            let (first, second) = PREFACE.split_at(at);
            assert_eq!(reads(&[first, second, b"more"]).await, [PREFACE, b"more"]);
        }
    }

    #[tokio::test]
    async fn what_is_no_preface_is_not_held_back() {
        assert_eq!(reads(&[b"GET", b" /"]).await, [&b"GET"[..], b" /"]);
        // Nor for longer than it could have become one.
        assert_eq!(reads(&[b"P", b"R", b"OPFIND", b" /"]).await, [&b"PROPFIND"[..], b" /"]);
        assert_eq!(reads(&[b"PRI * HTTP/2.0\r\n\r\n", b"GET"]).await, [b"PRI * HTTP/2.0\r\n\r\nGET"]);
    }

    #[tokio::test]
    async fn a_part_of_a_preface_at_the_end_of_a_connection_is_given() {
        assert_eq!(reads(&[b"PRI * HTTP/2.0"]).await, [b"PRI * HTTP/2.0"]);
    }
}
