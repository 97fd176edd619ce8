//! Whether a program that was started answers already.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time;

use crate::listener::Door;

/// The pauses between two attempts; each is twice as long as the one before.
const SHORTEST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_millis(200);

/// Waits until the socket of a name in a folder takes connections.
pub(super) async fn connection(folder: &Door, name: &str) {
    let mut pause = SHORTEST;
    while folder.connect(name).await.is_err() {
        time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Waits until an application takes connections from a socket that the supervisor has bound.
pub(super) async fn accepted(door: &Door) {
    let mut pause = SHORTEST;
    while be_accepted(door).await.is_err() {
        time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Opens a connection and says nothing: who accepts it sees its end, and closes it.
async fn be_accepted(door: &Door) -> io::Result<usize> {
    let mut stream = door.connect("").await?;
    stream.shutdown().await?;
    stream.read(&mut [0]).await
}
