//! Places for so many at once: some may wait for one, the others are turned away.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many places, and a queue before them, in the order in which they came.
#[derive(Debug)]
pub struct Places {
    inside: Arc<Semaphore>,
    waiting: Semaphore,
    wait: Duration,
}

/// A place; dropped, it is free again.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// The queue is as long as it may be.
    #[error("as many as may be are inside and waiting")]
    Queue,
    /// Nobody left within the time that one may wait.
    #[error("no place was free within {0:?}")]
    Wait(Duration),
}

impl Places {
    /// `max` places, and a queue of `queue`, in which each may wait for so long.
    pub fn new(max: usize, queue: usize, wait: Duration) -> Self {
        let most = |count: usize| count.min(Semaphore::MAX_PERMITS);
        Self { inside: Arc::new(Semaphore::new(most(max))), waiting: Semaphore::new(most(queue)), wait }
    }

    /// Takes a place, at once or in its turn.
    pub async fn enter(&self) -> Result<Place, Full> {
        if let Ok(permit) = Arc::clone(&self.inside).try_acquire_owned() {
            return Ok(Place { _permit: permit });
        }
        let _turn = self.waiting.try_acquire().map_err(|_| Full::Queue)?;
        match tokio::time::timeout(self.wait, Arc::clone(&self.inside).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Place { _permit: permit }),
            // The semaphore is never closed; a closed one would let nobody in.
            Ok(Err(_)) | Err(_) => Err(Full::Wait(self.wait)),
        }
    }
}
