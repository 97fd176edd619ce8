//! How a connection ends whose request was not read to its end, or whose answer was broken off.
//!
//! Whoever is still sending when the connection is closed gets a reset, perhaps before having read the answer (nginx then
//! answers 502 in its place). So what still comes is read for a while, and thrown away.
//!
//! An answer to an HTTP/1.0 client may have neither a length nor chunks: it ends with its connection, and a part of it
//! would look like the whole. A reset tells the difference. Unix sockets know none, so a front server on one should
//! speak HTTP/1.1 (nginx: `proxy_http_version 1.1`).

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time;

/// How long a client may go on sending what nobody reads, after it was answered.
const LINGER: Duration = Duration::from_secs(5);

/// Reads what a client still sends.
pub(super) async fn linger(mut io: impl AsyncRead + Unpin) {
    let until_its_end = async {
        let mut unread = vec![0; 16 << 10];
        while matches!(io.read(&mut unread).await, Ok(1..)) {}
    };
    // Either way the connection is closed now.
    drop(time::timeout(LINGER, until_its_end).await);
}
