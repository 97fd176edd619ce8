//! What becomes of a connection, one phase after the other.
//!
//! Each phase has a piece of memory of its own, and gives it back when the next begins: one that waits for nothing but its next
//! request shall not hold the room of one that is answered. And no phase lies within another: to poll the one that is under way
//! takes one step into memory that other connections may have driven out of the cache, and not one for each future around it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A phase, which ends with the next one, or with the connection. Awaited, it is all that follows.
pub(crate) struct Phase(Pin<Box<dyn Future<Output = Option<Phase>> + Send>>);

impl Phase {
    pub(crate) fn new(phase: impl Future<Output = Option<Self>> + Send + 'static) -> Self {
        Self(Box::pin(phase))
    }

    /// One that is the end.
    pub(crate) fn last(phase: impl Future<Output = ()> + Send + 'static) -> Self {
        Self::new(async {
            phase.await;
            None
        })
    }
}

impl Future for Phase {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(next) = ready!(self.0.as_mut().poll(cx)) {
            *self = next;
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn one_follows_the_other_and_each_is_gone_before_the_next() {
        let room = Arc::new(());
        let count = |room: &Arc<()>| Arc::strong_count(room);
        let (first, second) = (Arc::clone(&room), Arc::clone(&room));
        let last = Phase::last(async move {
            tokio::task::yield_now().await;
            assert_eq!(count(&second), 2, "what the first held is gone");
        });
        Phase::new(async move {
            tokio::task::yield_now().await;
            assert_eq!(count(&first), 3);
            Some(last)
        })
        .await;
        assert_eq!(count(&room), 1);
    }
}
