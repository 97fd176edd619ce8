//! Lines that wait to be written: a bounded buffer between those who log and the one who writes.
//!
//! The writer is woken by the first line, then lets more of them gather; it is woken again only where one is urgent or many
//! wait. So a busy log wakes it some twenty times a second rather than for each line.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many bytes may wait; what would exceed them is dropped, and counted.
const MOST: usize = 4 << 20;

/// So many bytes are written at once.
const MANY: usize = 64 << 10;

/// How long lines gather.
const GATHER: Duration = Duration::from_millis(50);

/// Lines on their way to the writer.
#[derive(Default)]
pub(super) struct Lines {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    written: Condvar,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    dropped: u64,
    /// They are to be written now.
    is_urgent: bool,
    /// Some were taken, and are not written yet.
    is_writing: bool,
    /// No more will be written.
    has_ended: bool,
}

/// What the writer took.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// How many lines found no room.
    pub(super) dropped: u64,
    /// There is no more to come.
    pub(super) is_last: bool,
}

impl Lines {
    /// Puts a line behind the others. Waits for nobody but who is just doing so, or is just taking all.
    pub(super) fn push(&self, line: &[u8], is_urgent: bool) {
        let mut waiting = self.lock();
        if waiting.bytes.len() + line.len() > MOST {
            waiting.dropped += 1;
            return;
        }
        let is_first = waiting.bytes.is_empty();
        waiting.bytes.extend_from_slice(line);
        let becomes_urgent = !waiting.is_urgent && (is_urgent || waiting.bytes.len() >= MANY);
        waiting.is_urgent |= becomes_urgent;
        drop(waiting);
        if is_first || becomes_urgent {
            self.changed.notify_one();
        }
    }

    /// Waits until what is there now is written, but not for longer than `most`.
    pub(super) fn flush(&self, most: Duration) {
        let mut waiting = self.lock();
        waiting.is_urgent = true;
        self.changed.notify_one();
        let is_left = |waiting: &mut Waiting| waiting.is_writing || !waiting.bytes.is_empty();
        drop(self.written.wait_timeout_while(waiting, most, is_left));
    }

    /// What is there now is the last that will be taken.
    pub(super) fn end(&self) {
        self.lock().has_ended = true;
        self.changed.notify_one();
    }

    /// Waits for lines, and takes all of them into a buffer that is empty. Those taken before are written by now.
    pub(super) fn take(&self, into: &mut Vec<u8>) -> Taken {
        let is_idle = |waiting: &mut Waiting| waiting.bytes.is_empty() && !waiting.has_ended;
        let gathers = |waiting: &mut Waiting| !waiting.is_urgent && !waiting.has_ended;
        let mut waiting = self.lock();
        waiting.is_writing = false;
        self.written.notify_all();
        let waiting = self.changed.wait_while(waiting, is_idle).unwrap_or_else(PoisonError::into_inner);
        let gathered = self.changed.wait_timeout_while(waiting, GATHER, gathers);
        let (mut waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut waiting.bytes, into);
        (waiting.is_urgent, waiting.is_writing) = (false, true);
        Taken { dropped: std::mem::take(&mut waiting.dropped), is_last: waiting.has_ended }
    }

    /// Whoever panicked with the lock had not begun, or had finished, to append.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(lines: &Lines) -> (String, Taken) {
        let mut bytes = Vec::new();
        let taken = lines.take(&mut bytes);
        (String::from_utf8(bytes).unwrap(), taken)
    }

    #[test]
    fn lines_gather_until_one_is_urgent() {
        let lines = Lines::default();
        lines.push(b"1\n", false);
        lines.push(b"2\n", false);
        lines.push(b"3\n", true);
        assert_eq!(taken(&lines), ("1\n2\n3\n".into(), Taken { dropped: 0, is_last: false }));
    }

    #[test]
    fn lines_do_not_wait_for_an_urgent_one_for_long() {
        let lines = Lines::default();
        lines.push(b"1\n", false);
        assert_eq!(taken(&lines).0, "1\n");
    }

    #[test]
    fn lines_beyond_the_limit_are_dropped_and_counted() {
        let lines = Lines::default();
        let line = vec![b'x'; MANY];
        for _ in 0..MOST / MANY + 3 {
            lines.push(&line, false);
        }
        let (text, taken) = taken(&lines);
        assert_eq!((text.len(), taken.dropped), (MOST, 3));
    }

    #[test]
    fn the_last_lines_are_taken_at_once() {
        let lines = Lines::default();
        lines.push(b"1\n", false);
        lines.end();
        assert_eq!(taken(&lines), ("1\n".into(), Taken { dropped: 0, is_last: true }));
        assert_eq!(taken(&lines), (String::new(), Taken { dropped: 0, is_last: true }));
    }
}
