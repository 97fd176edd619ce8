//! A connection's socket: what a front needs of it beyond reading and writing.
//!
//! What is read and written at once, by a shared reference, needs no lock and no halves; and what is only looked at stays where
//! it is: a PROXY header, of which nobody knows the length, and the last byte of a request (see `single_use`).

mod halves;

use std::io;
use std::os::fd::AsFd;

use rustix::net::{RecvFlags, SendFlags};
use tokio::io::{AsyncRead, AsyncWrite, Interest, Ready};
use tokio::net::{TcpStream, UnixStream};

pub(crate) use self::halves::{Awaited, is_readable, try_poll_read, try_poll_write};
use self::halves::{ReadSide, WriteSide};

/// A socket that can end badly.
pub(crate) trait Socket: AsyncRead + AsyncWrite + AsFd + Unpin + Send + Sync + 'static {
    /// Makes a reset of its closing, where it can.
    fn reset_on_close(&self);

    /// Tries again whenever it may succeed, until it does.
    fn when<T: Send>(
        &self,
        interest: Interest,
        act: impl FnMut() -> io::Result<T> + Send,
    ) -> impl Future<Output = io::Result<T>> + Send;

    /// Its reading and its writing side, which share it without a lock.
    fn halves<'a>(
        &'a mut self,
        awaited: &'a mut Awaited,
    ) -> (impl AsyncRead + Send + Unpin, impl AsyncWrite + Send + Unpin);

    /// Waits until it may be read, or is closed.
    fn readable(&self) -> impl Future<Output = io::Result<Ready>> + Send;

    /// Tries to read. Where that would block, it is not [`readable`](Self::readable) until more has come.
    fn try_read<T>(&self, read: impl FnOnce() -> io::Result<T>) -> io::Result<T>;

    /// Tries to write. Where that would block, it is not writable until there is room.
    fn try_write<T>(&self, write: impl FnOnce() -> io::Result<T>) -> io::Result<T>;
}

/// Reads into a buffer, or looks at what there is to read.
pub(crate) async fn receive(io: &impl Socket, buffer: &mut [u8], flags: RecvFlags) -> io::Result<usize> {
    io.when(Interest::READABLE, || Ok(rustix::net::recv(io, &mut *buffer, flags)?.1)).await
}

/// Takes so many bytes that are there already.
pub(crate) async fn discard(io: &impl Socket, mut count: usize) -> io::Result<()> {
    let mut unwanted = [0; 1 << 10];
    while count > 0 {
        let most = count.min(unwanted.len());
        match receive(io, &mut unwanted[..most], RecvFlags::empty()).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            taken => count -= taken,
        }
    }
    Ok(())
}

/// Reads what is there; waits for nothing.
pub(crate) fn receive_now(io: &impl Socket, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::net::recv(io, buffer, RecvFlags::empty())?.1)
}

/// Writes what there is room for; waits for none.
pub(crate) fn send_now(io: &impl Socket, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(io, bytes, SendFlags::NOSIGNAL)?)
}

/// What tokio gives both kinds of sockets, each by methods of its own.
macro_rules! by_tokio {
    () => {
        async fn when<T: Send>(
            &self,
            interest: Interest,
            act: impl FnMut() -> io::Result<T> + Send,
        ) -> io::Result<T> {
            self.async_io(interest, act).await
        }

        fn halves<'a>(
            &'a mut self,
            awaited: &'a mut Awaited,
        ) -> (impl AsyncRead + Send + Unpin, impl AsyncWrite + Send + Unpin) {
            let (read, write) = self.split();
            (ReadSide::<_, Self>::new(read, awaited), WriteSide::<_, Self>::new(write))
        }

        async fn readable(&self) -> io::Result<Ready> {
            self.ready(Interest::READABLE).await
        }

        fn try_read<T>(&self, read: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
            self.try_io(Interest::READABLE, read)
        }

        fn try_write<T>(&self, write: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
            self.try_io(Interest::WRITABLE, write)
        }
    };
}

impl Socket for TcpStream {
    fn reset_on_close(&self) {
        if let Err(error) = self.set_zero_linger() {
            tracing::debug!("failed to make a connection end with a reset: {error}");
        }
    }

    by_tokio!();
}

impl Socket for UnixStream {
    // A unix socket knows none.
    fn reset_on_close(&self) {}

    by_tokio!();
}
