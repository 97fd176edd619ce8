//! Whether a program that was started answers already.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time;

/// The pauses between two attempts; each is twice as long as the one before.
const SHORTEST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_millis(200);

/// Waits until a socket takes connections.
pub(super) async fn connection(path: &Path) {
    let mut pause = SHORTEST;
    while UnixStream::connect(path).await.is_err() {
        time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Waits until an application takes connections from a socket that the supervisor has bound.
pub(super) async fn accepted(path: &Path) {
    let mut pause = SHORTEST;
    while be_accepted(path).await.is_err() {
        time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Opens a connection and says nothing: who accepts it sees its end, and closes it.
async fn be_accepted(path: &Path) -> io::Result<usize> {
    let mut stream = UnixStream::connect(path).await?;
    stream.shutdown().await?;
    stream.read(&mut [0]).await
}
