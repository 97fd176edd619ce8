//! What backends do beside the requests: health checks, names that are looked up again.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use tokio::task::JoinSet;

/// Work that goes on for as long as its gateway is there.
type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The work of all backends of a gateway. It begins when the gateway is built in a worker, and ends with it.
#[derive(Default)]
pub struct Background {
    waiting: Mutex<Vec<Work>>,
    running: Mutex<JoinSet<()>>,
}

impl Background {
    /// Takes work to be begun later.
    pub(super) fn add(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(Box::pin(work));
    }

    /// Begins what has been taken, on the runtime of the calling thread.
    pub(crate) fn start(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        for work in waiting {
            running.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn work_begins_when_it_is_told_to_and_ends_with_its_owner() {
        let (begun, mut has_begun) = oneshot::channel();
        let (held, ended) = oneshot::channel::<()>();
        let background = Background::default();
        background.add(async move {
            let _held = held;
            begun.send(()).unwrap();
            std::future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
        assert!(has_begun.try_recv().is_err());
        background.start();
        has_begun.await.unwrap();
        drop(background);
        ended.await.unwrap_err();
    }
}
