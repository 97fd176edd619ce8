//! What a front server sends: a head, then a body of known length, of all of which the last byte stays where it is.

use std::io;

use bytes::{Bytes, BytesMut};
use fastcgi::responder::Body;
use rustix::net::RecvFlags;
use tokio::sync::mpsc::{self, Sender};

use super::{Broken, ReadHead};
use crate::front::variables::{self, Asked};
use crate::front::visit::Visit;
use crate::runtime::socket::{self, Socket};

/// How much is read at once.
const BUFFER: usize = 16 << 10;

/// Reads the head of the request; `None` where nothing comes.
pub(super) async fn head(
    io: &impl Socket,
    visit: &Visit,
    read_head: ReadHead,
) -> Result<Option<Asked>, Broken> {
    let limits = visit.limits();
    let mut received = Vec::new();
    loop {
        let taken = received.len();
        received.resize(taken + BUFFER, 0);
        let here = socket::receive(io, &mut received[taken..], RecvFlags::PEEK).await?;
        received.truncate(taken + here);
        if here == 0 {
            return if taken == 0 { Ok(None) } else { Err(Broken::CutShort) };
        }
        if let Some(head) = read_head(&received, limits.header_bytes)? {
            let asked = variables::read(&head.variables, &visit.server, limits)?;
            // Without a body, the last byte is one of the head.
            let unwanted = head.length - taken - usize::from(asked.length == 0);
            socket::discard(io, unwanted).await?;
            return Ok(Some(asked));
        }
        socket::discard(io, here).await?;
        visit.patience.begun();
    }
}

/// The body of a request, on its way to whoever answers.
pub(super) struct Incoming<'a, I> {
    io: &'a I,
    to: Option<Sender<Bytes>>,
    left: u64,
}

impl<'a, I: Socket> Incoming<'a, I> {
    /// Will read a body of so many bytes.
    pub(super) fn new(io: &'a I, length: u64) -> (Self, Body) {
        if length == 0 {
            return (Self { io, to: None, left: 0 }, Body::empty());
        }
        let (to, pieces) = mpsc::channel(1);
        (Self { io, to: Some(to), left: length }, Body::new(pieces, length, None))
    }

    /// How much of the body nobody has asked for.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Reads the body, and then waits for the end of the connection: why it has ended.
    pub(super) async fn pump(&mut self) -> io::Error {
        let Err(error) = self.read_body().await else { return self.gone().await };
        // Whoever reads the body learns that it has no more.
        self.to = None;
        error
    }

    async fn read_body(&mut self) -> io::Result<()> {
        while self.left > 0 {
            let is_last = self.left == 1;
            let most = usize::try_from(self.left - 1).unwrap_or(BUFFER).clamp(1, BUFFER);
            let mut piece = BytesMut::zeroed(most);
            let flags = if is_last { RecvFlags::PEEK } else { RecvFlags::empty() };
            let read = socket::receive(self.io, &mut piece, flags).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            piece.truncate(read);
            self.left -= read as u64;
            if let Some(to) = &self.to {
                // Whoever wants no more of it has dropped the other end.
                drop(to.send(piece.freeze()).await);
            }
        }
        self.to = None;
        Ok(())
    }

    /// Waits until the front server has closed the connection.
    async fn gone(&self) -> io::Error {
        loop {
            match self.io.readable().await {
                Ok(ready) if ready.is_read_closed() => return io::ErrorKind::ConnectionAborted.into(),
                // The byte that is left makes it readable: the next change is waited for.
                Ok(_) => drop(self.io.try_read(|| io::Result::<()>::Err(io::ErrorKind::WouldBlock.into()))),
                Err(error) => return error,
            }
        }
    }
}
