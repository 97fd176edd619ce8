//! Lines to stderr, from a thread of their own: a terminal that is held, or a pipe that nobody empties, stops no core.
//!
//! A bounded number of lines waits; more are dropped, and counted. A stderr that is broken is written to no more.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How many lines may wait.
const WAITING: usize = 16 * 1024;

/// How many bytes are written at once.
const AT_ONCE: usize = 64 * 1024;

/// How long the end of the process waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Starts the thread.
pub(super) fn start() -> (Lines, Flush) {
    let (sender, receiver) = mpsc::sync_channel(WAITING);
    let (ended, end) = mpsc::channel();
    let dropped = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&dropped);
    let write = move || {
        write_all(&receiver, &counted, &mut io::stderr());
        drop(ended);
    };
    // Without a thread, lines are lost and nothing else is.
    drop(std::thread::Builder::new().name("log".into()).spawn(write));
    (Lines { sender: sender.clone(), dropped }, Flush { sender, end })
}

enum Message {
    Line(Vec<u8>),
    End,
}

/// Where the log puts its lines.
#[derive(Clone)]
pub(super) struct Lines {
    sender: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        self.clone()
    }
}

impl Write for Lines {
    /// Takes a whole line: that is what the log writes at once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(TrySendError::Full(_)) = self.sender.try_send(Message::Line(line.to_vec())) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes what waits when it is dropped.
pub(crate) struct Flush {
    sender: SyncSender<Message>,
    end: Receiver<()>,
}

impl Drop for Flush {
    fn drop(&mut self) {
        if self.sender.try_send(Message::End).is_ok() {
            let ended = self.end.recv_timeout(LAST_LINES);
            debug_assert_ne!(ended, Ok(()), "nothing is sent on the channel, it only ends");
            if ended == Err(RecvTimeoutError::Timeout) {
                // Whoever holds stderr up does not hold up our end.
            }
        }
    }
}

fn write_all(lines: &Receiver<Message>, dropped: &AtomicU64, to: &mut dyn Write) {
    let mut bytes = Vec::with_capacity(AT_ONCE);
    let mut open = true;
    while open && let Ok(first) = lines.recv() {
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Line(line) => bytes.extend_from_slice(&line),
                Message::End => open = false,
            }
            next = if open && bytes.len() < AT_ONCE { lines.try_recv().ok() } else { None };
        }
        let missing = dropped.swap(0, Ordering::Relaxed);
        if missing > 0 {
            bytes.extend_from_slice(
                format!("{{\"message\":\"stderr is slow: {missing} lines of the log were dropped\"}}\n")
                    .as_bytes(),
            );
        }
        // A broken stderr: go on taking lines, for nobody.
        drop(to.write_all(&bytes));
        bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_over_the_limit_are_dropped_and_counted() {
        let (sender, receiver) = mpsc::sync_channel(2);
        let dropped = Arc::new(AtomicU64::new(0));
        let mut lines = Lines { sender: sender.clone(), dropped: Arc::clone(&dropped) };
        for line in ["1\n", "2\n", "3\n", "4\n"] {
            lines.write_all(line.as_bytes()).unwrap();
        }
        drop((lines, sender));
        let mut written = Vec::new();
        write_all(&receiver, &dropped, &mut written);
        let written = String::from_utf8(written).unwrap();
        assert!(
            written.starts_with("1\n2\n") && written.contains("2 lines of the log were dropped"),
            "{written}"
        );
    }

    #[test]
    fn a_broken_stderr_stops_nothing() {
        let (sender, receiver) = mpsc::sync_channel(2);
        sender.send(Message::Line(b"1\n".to_vec())).unwrap();
        sender.send(Message::End).unwrap();
        write_all(&receiver, &AtomicU64::new(0), &mut Broken);
        assert!(receiver.try_recv().is_err());
    }
}
