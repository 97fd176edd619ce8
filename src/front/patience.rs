//! How long a connection is waited for: `limits.keep_alive` between two requests, `limits.header_time` from the first
//! byte of a head to its last, `limits.send_time` until the client takes any more of its answer. A connection may [`rest`] long
//! before.
//!
//! [`rest`]: super::rest
//!
//! A timer for each request would cost more than many a request. Here whoever waits only notes since when; one timer for the
//! whole connection looks now and then whether it has waited for too long.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, ReadBuf};
use vestibule_config::Limits;

use super::reading::{Look, Reading};
use crate::runtime::seldom::Seldom;

/// Nobody waits: a request is under way.
const BUSY: u64 = u64::MAX;

/// A time that is not known yet, and that lies after any that is.
const JUST_NOW: u64 = BUSY - 1;

/// Why an answer that is not read is broken off.
pub(super) const UNREAD: &str = "nobody takes it, over `limits: send_time`";

/// Why a head that comes too slowly is not waited for.
pub(super) const SLOW_HEAD: &str = "a head is over `limits: header_time`: closed";

/// What a connection took too long for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expired {
    /// No request for a while, of those that may rest then
    Tired,
    /// No request for the time of `keep_alive`
    Idle,
    /// No whole head for the time of `header_time`
    Head,
    /// Nothing more of an answer was taken for the time of `send_time`
    Unread,
}

/// The patience with one connection.
pub(super) struct Patience {
    clock: Arc<Clock>,
    /// When it tires of having nothing to do.
    tires: Duration,
    keep_alive: Duration,
    header_time: Duration,
    send_time: Duration,
}

/// Milliseconds since the connection began.
struct Clock {
    began: Instant,
    /// Since when a head is waited for; `BUSY` while none is.
    waiting: AtomicU64,
    /// Since when there is a part of it; `BUSY` while there is none.
    first_byte: AtomicU64,
    /// Since when there is no room to write; `BUSY` while there is.
    stuck: AtomicU64,
}

impl Patience {
    pub(super) fn new(limits: &Limits) -> Self {
        let Limits { keep_alive, header_time, send_time, .. } = *limits;
        Self { clock: Arc::new(Clock::new(0)), tires: Duration::MAX, keep_alive, header_time, send_time }
    }

    /// The same, with one that tires of having nothing to do.
    pub(super) fn that_tires(limits: &Limits, after: Duration) -> Self {
        Self { tires: after, ..Self::new(limits) }
    }

    /// Notes that a head is waited for, until the wait is dropped.
    pub(super) fn wait(&self) -> HeadWait<'_> {
        self.clock.wait_since(self.clock.now());
        HeadWait(&self.clock)
    }

    /// Notes that there is a part of the head that is waited for.
    pub(super) fn begun(&self) {
        if self.clock.first_byte.load(Ordering::Relaxed) == BUSY {
            self.clock.first_byte.store(self.clock.now(), Ordering::Relaxed);
        }
    }

    /// Notes whether there is room to write.
    pub(super) fn stuck(&self, is_stuck: bool) {
        self.clock.stuck.store(if is_stuck { self.clock.now() } else { BUSY }, Ordering::Relaxed);
    }

    /// Whether nothing is under way, not even a part of a head.
    pub(super) fn is_idle(&self) -> bool {
        let [waiting, first_byte] =
            [&self.clock.waiting, &self.clock.first_byte].map(|since| since.load(Ordering::Relaxed));
        waiting != BUSY && first_byte == BUSY
    }

    /// How long it waits for the next request yet, if it is idle.
    pub(super) fn left(&self) -> Duration {
        self.left_of(self.keep_alive, self.clock.waiting.load(Ordering::Relaxed))
    }

    fn left_of(&self, limit: Duration, since: u64) -> Duration {
        limit.saturating_sub(Duration::from_millis(self.clock.now().saturating_sub(since)))
    }

    /// Notes the first byte of each head, and whether there is room to write.
    pub(super) fn watch<I>(&self, io: I) -> Reading<Watch, I> {
        Reading::new(Watch { clock: Arc::clone(&self.clock), reads: Seldom::default() }, io)
    }

    /// Ends when the connection has taken too long.
    pub(super) async fn expired(&self) -> Expired {
        // What begins just after a look may have the shortest of the times.
        let shortest = self.header_time.min(self.keep_alive).min(self.send_time).min(self.tires);
        let (idle, why_idle) = if self.tires < self.keep_alive {
            (self.tires, Expired::Tired)
        } else {
            (self.keep_alive, Expired::Idle)
        };
        loop {
            let waiting = self.clock.waiting.load(Ordering::Relaxed);
            let first_byte = self.clock.first_byte.load(Ordering::Relaxed);
            let stuck = self.clock.stuck.load(Ordering::Relaxed);
            let (since, limit, why) = match (waiting, first_byte, stuck) {
                (BUSY, _, BUSY) => (BUSY, shortest, None),
                (BUSY, _, since) => (since, self.send_time, Some(Expired::Unread)),
                (since, BUSY, BUSY) => (since, idle, Some(why_idle)),
                (since, BUSY, _) => (since, self.keep_alive, Some(Expired::Idle)),
                (_, since, _) => (since, self.header_time, Some(Expired::Head)),
            };
            let left = self.left_of(limit, since);
            match why {
                Some(why) if left.is_zero() => return why,
                _ => tokio::time::sleep(left.min(shortest).max(Duration::from_millis(1))).await,
            }
        }
    }
}

impl Clock {
    fn new(waiting: u64) -> Self {
        let [waiting, first_byte, stuck] = [waiting, BUSY, BUSY].map(AtomicU64::new);
        Self { began: Instant::now(), waiting, first_byte, stuck }
    }

    fn wait_since(&self, now: u64) {
        self.first_byte.store(BUSY, Ordering::Relaxed);
        self.waiting.store(now, Ordering::Relaxed);
    }

    /// Notes a read of a head that is waited for. Most heads come as a whole: only where one does not, and whoever reads it reads again
    /// for the rest of it, the time is asked for.
    fn read(&self, has_come: bool) {
        match self.first_byte.load(Ordering::Relaxed) {
            BUSY if has_come => self.first_byte.store(JUST_NOW, Ordering::Relaxed),
            JUST_NOW if !has_come => self.first_byte.store(self.now(), Ordering::Relaxed),
            _ => {}
        }
    }

    /// Notes whether there was room for a write.
    fn wrote(&self, write: &Poll<io::Result<usize>>) {
        let is_stuck = self.stuck.load(Ordering::Relaxed) != BUSY;
        if write.is_pending() != is_stuck {
            self.stuck.store(if is_stuck { BUSY } else { self.now() }, Ordering::Relaxed);
        }
    }

    fn now(&self) -> u64 {
        self.at(Instant::now())
    }

    fn at(&self, time: Instant) -> u64 {
        u64::try_from(time.saturating_duration_since(self.began).as_millis()).unwrap_or(JUST_NOW)
    }
}

/// Held while a head is waited for, and dropped with the head's last byte.
pub(super) struct HeadWait<'a>(&'a Clock);

impl Drop for HeadWait<'_> {
    fn drop(&mut self) {
        self.0.waiting.store(BUSY, Ordering::Relaxed);
    }
}

/// Notes the reads and writes of a connection.
pub(super) struct Watch {
    clock: Arc<Clock>,
    reads: Seldom,
}

impl Look for Watch {
    fn read<I: AsyncRead + Unpin>(
        &mut self,
        io: &mut I,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = self.reads.poll(cx, |cx| Pin::new(io).poll_read(cx, buf));
        if self.clock.waiting.load(Ordering::Relaxed) != BUSY {
            self.clock.read(buf.filled().len() > before);
        }
        read
    }

    fn wrote(&mut self, written: &Poll<io::Result<usize>>) {
        self.clock.wrote(written);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn patience(keep_alive: u64, header_time: u64) -> Patience {
        let [keep_alive, header_time] = [keep_alive, header_time].map(Duration::from_millis);
        Patience {
            clock: Arc::new(Clock::new(BUSY)),
            tires: Duration::MAX,
            keep_alive,
            header_time,
            send_time: Duration::from_secs(10),
        }
    }

    async fn expires(patience: &Patience) -> Option<Expired> {
        tokio::time::timeout(Duration::from_millis(200), patience.expired()).await.ok()
    }

    #[tokio::test]
    async fn a_connection_without_a_request_is_idle() {
        let patience = patience(20, 10_000);
        let _waits = patience.wait();
        assert_eq!(expires(&patience).await, Some(Expired::Idle));
    }

    #[tokio::test]
    async fn it_tires_of_having_nothing_to_do_before_that_takes_too_long() {
        let patience = Patience { tires: Duration::from_millis(20), ..patience(10_000, 10_000) };
        let _waits = patience.wait();
        assert_eq!(expires(&patience).await, Some(Expired::Tired));
        assert!(patience.left() <= Duration::from_millis(9_980), "{:?}", patience.left());
    }

    #[tokio::test]
    async fn it_does_not_tire_while_anything_is_under_way() {
        let patience = Patience { tires: Duration::from_millis(1), ..patience(10_000, 10_000) };
        assert_eq!(expires(&patience).await, None);
        let _waits = patience.wait();
        patience.stuck(true);
        assert_eq!(expires(&patience).await, None);
        patience.stuck(false);
        patience.begun();
        assert_eq!(expires(&patience).await, None);
    }

    #[tokio::test]
    async fn a_head_that_has_begun_has_its_own_time() {
        let patience = patience(10_000, 20);
        let _waits = patience.wait();
        let (mut client, server) = tokio::io::duplex(8);
        let mut io = patience.watch(server);
        client.write_all(b"GET").await.unwrap();
        let mut read = [0; 8];
        assert_eq!(io.read(&mut read).await.unwrap(), 3);
        tokio::select! {
            biased;
            _ = io.read(&mut read) => panic!("nothing more comes"),
            expired = expires(&patience) => assert_eq!(expired, Some(Expired::Head)),
        }
    }

    #[tokio::test]
    async fn a_request_under_way_may_take_its_time() {
        let patience = patience(20, 20);
        drop(patience.wait());
        assert_eq!(expires(&patience).await, None);
    }
}
