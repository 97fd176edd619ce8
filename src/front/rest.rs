//! A connection that has had nothing to do for a while holds its socket, and nothing else.
//!
//! Its buffers and what stands around its next request are most of what an idle connection costs. So they are given up, and made
//! again with the first byte that comes. While it rests, the limit of `keep_alive` goes on, a worker
//! that closes ends it at once, and one that retires keeps it, as any that is idle.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time;

use crate::runtime::socket::Socket;
use crate::runtime::{Stage, memory};

/// So long a connection has nothing to do before it rests. A shorter time would make it rest, and begin anew, between
/// requests that follow each other.
pub(super) const AFTER: Duration = Duration::from_secs(1);

/// Waits until something comes, or the client leaves; or else that it is over: after so much time, or when the worker
/// closes.
pub(super) async fn is_disturbed(
    io: &impl Socket,
    left: Duration,
    stage: &mut watch::Receiver<Stage>,
) -> bool {
    let over = async {
        time::sleep(left.min(memory::DELAY)).await;
        memory::give_back();
        time::sleep(left.saturating_sub(memory::DELAY)).await;
    };
    tokio::select! {
        biased;
        // What has come is answered, whatever else has happened. Whoever reads finds out what it is, or how it failed.
        _ = io.readable() => true,
        () = over => false,
        // An error means that the worker is at its end.
        _ = stage.wait_for(|stage| *stage == Stage::Closing) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::UnixStream;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn it_ends_with_its_time() {
        let (_client, server) = UnixStream::pair().unwrap();
        let (_worker, mut stage) = watch::channel(Stage::Serving);
        assert!(!is_disturbed(&server, Duration::from_millis(10), &mut stage).await);
    }

    #[tokio::test]
    async fn it_ends_when_the_worker_closes_but_not_when_it_retires() {
        let (_client, server) = UnixStream::pair().unwrap();
        let (worker, mut stage) = watch::channel(Stage::Serving);
        let mut resting = pin!(is_disturbed(&server, LONG, &mut stage));
        let mut poll = || resting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(poll().is_pending());
        worker.send_replace(Stage::Retiring);
        assert!(poll().is_pending());
        worker.send_replace(Stage::Closing);
        assert_eq!(poll(), Poll::Ready(false));
    }

    #[tokio::test]
    async fn what_has_come_is_served_even_when_the_worker_closes() {
        let (mut client, server) = UnixStream::pair().unwrap();
        let (_worker, mut stage) = watch::channel(Stage::Closing);
        client.write_all(b"G").await.unwrap();
        server.readable().await.unwrap();
        assert!(is_disturbed(&server, LONG, &mut stage).await);
    }

    #[tokio::test]
    async fn a_client_that_leaves_is_noticed() {
        let (client, server) = UnixStream::pair().unwrap();
        let (_worker, mut stage) = watch::channel(Stage::Serving);
        drop(client);
        assert!(is_disturbed(&server, LONG, &mut stage).await);
    }
}
