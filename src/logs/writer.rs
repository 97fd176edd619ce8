//! Lines to stderr, from a thread of their own: a terminal that is held, or a pipe that nobody empties, stops no core.
//!
//! Other processes write to the same stderr. What is written to a regular file at once stays together; of a pipe that is true
//! of 4 KiB only (`PIPE_BUF`), so there no piece is larger, unless it is a single line. A stderr that is broken is written
//! to no more.

use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::fs::{FileType, fstat};

use super::lines::Lines;

/// How many bytes stay together, whatever stderr is.
const ATOMIC: usize = 4096;

/// A buffer that grew beyond this while stderr was slow is given back.
const SPARE: usize = 256 << 10;

/// How long the end of the process waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The lines of this process.
static LINES: OnceLock<Arc<Lines>> = OnceLock::new();

/// Waits until what was logged so far is written, though not for ever: for who is about to end the process.
pub(crate) fn flush() {
    if let Some(lines) = LINES.get() {
        lines.flush(LAST_LINES);
    }
}

/// Starts the thread.
pub(super) fn start() -> (Arc<Lines>, Flush) {
    let lines = Arc::new(Lines::default());
    let (ended, end) = mpsc::channel();
    let taken = Arc::clone(&lines);
    let write = move || {
        let at_once = if is_regular_file() { usize::MAX } else { ATOMIC };
        write_all(&taken, &mut io::stderr(), at_once);
        drop(ended);
    };
    // Without a thread, lines are lost and nothing else is.
    drop(std::thread::Builder::new().name("log".into()).spawn(write));
    (Arc::clone(LINES.get_or_init(|| Arc::clone(&lines))), Flush { lines, end })
}

/// Writes what waits when it is dropped.
pub(crate) struct Flush {
    lines: Arc<Lines>,
    /// Ends with the thread; nothing is sent.
    end: Receiver<()>,
}

impl Drop for Flush {
    fn drop(&mut self) {
        self.lines.end();
        // Whoever holds stderr up does not hold up our end.
        let _ = self.end.recv_timeout(LAST_LINES);
    }
}

fn is_regular_file() -> bool {
    fstat(io::stderr()).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

fn write_all(lines: &Lines, to: &mut dyn Write, at_once: usize) {
    let mut bytes = Vec::new();
    loop {
        let taken = lines.take(&mut bytes);
        for piece in (Pieces { rest: &bytes, at_once }) {
            // A broken stderr: go on taking lines, for nobody.
            drop(to.write_all(piece));
        }
        bytes.clear();
        bytes.shrink_to(SPARE);
        if taken.is_last {
            return;
        }
        if taken.dropped > 0 {
            tracing::warn!("stderr is slow: {} lines of the log were dropped", taken.dropped);
        }
    }
}

/// Whole lines, as many as may be written at once; a longer line alone.
struct Pieces<'a> {
    rest: &'a [u8],
    at_once: usize,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let is_end = |byte: &u8| *byte == b'\n';
        let end = if self.rest.len() <= self.at_once {
            self.rest.len()
        } else {
            let last = self.rest[..self.at_once].iter().rposition(is_end);
            let last = last.or_else(|| self.rest.iter().position(is_end));
            last.map_or(self.rest.len(), |last| last + 1)
        };
        let (piece, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!piece.is_empty()).then_some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps what was written at once apart.
    #[derive(Default)]
    struct Writes(Vec<String>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.push(String::from_utf8(bytes.to_vec()).unwrap());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(list: &[&str]) -> Lines {
        let lines = Lines::default();
        for line in list {
            lines.push(line.as_bytes(), false);
        }
        lines.end();
        lines
    }

    #[test]
    fn lines_are_written_together_but_never_in_parts() {
        let list = ["1234\n", "12\n", "1\n", "1234567890\n", "1\n"];
        for (at_once, expected) in [
            (usize::MAX, &["1234\n12\n1\n1234567890\n1\n"][..]),
            (8, &["1234\n12\n", "1\n", "1234567890\n", "1\n"]),
            (1, &["1234\n", "12\n", "1\n", "1234567890\n", "1\n"]),
        ] {
            let mut writes = Writes::default();
            write_all(&lines(&list), &mut writes, at_once);
            assert_eq!(writes.0, expected);
        }
    }

    #[test]
    fn a_broken_stderr_stops_nothing() {
        let lines = lines(&["1\n"]);
        write_all(&lines, &mut Broken, ATOMIC);
        let mut rest = Vec::new();
        lines.take(&mut rest);
        assert!(rest.is_empty());
    }
}
