//! How many requests a process works on at once: as many as its application has threads.
//!
//! A place is held for as long as the application works on a request, and not until the client has taken its answer: who
//! reads slowly holds up nobody else.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of a process.
pub(super) struct Places(Arc<Semaphore>);

/// A place that is taken. It is free again when one of its [`Hold`]s is dropped, whichever is the first.
#[derive(Debug)]
pub(super) struct Place(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

/// What keeps a place taken.
#[derive(Debug)]
pub(super) struct Hold(Place);

impl Places {
    pub(super) fn new(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(count)))
    }

    /// The next connection, once there is a place for its request; waits for ever before there is a socket.
    pub(super) async fn accept(&self, listener: Option<&UnixListener>) -> io::Result<(UnixStream, Place)> {
        let Some(listener) = listener else { return std::future::pending().await };
        let permit = Arc::clone(&self.0).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, _) = listener.accept().await?;
        Ok((stream, Place(Arc::new(Mutex::new(Some(permit))))))
    }
}

impl Place {
    pub(super) fn hold(&self) -> Hold {
        Hold(Self(Arc::clone(&self.0)))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        drop(self.0.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}
