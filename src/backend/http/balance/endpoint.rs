//! An address that takes requests, and how it fares.
//!
//! What is noted here counts for a worker: its cores share it, by atomics alone. An endpoint that fares well costs a request
//! that passes it a few loads and no look at the clock.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::entry::Target;
use super::hash;
use super::settings::Settings;
use crate::backend::http::server::Server;

/// What the endpoints of a backend have in common.
#[derive(Clone, Debug)]
pub(in crate::backend::http) struct Rules {
    /// After how many requests in a row that got no answer an endpoint is passed over.
    pub(super) eject_after: u32,
    /// For how long.
    pub(super) eject_for: Duration,
    /// How long an endpoint that is back, or new, takes to get its whole share; zero: it gets it at once.
    pub(super) slow_start: Duration,
    /// How many requests it may have at once.
    pub(super) most_in_flight: usize,
    /// Whether requests in flight are counted: only where something asks for their number.
    pub(super) counts: bool,
    /// When the milliseconds of the endpoints begin.
    pub(super) origin: Instant,
}

/// Whether an endpoint takes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Ready,
    /// It has failed: only where no other is left.
    Ejected,
    /// It has as many requests as it may have.
    Full,
    /// Health checks say that it takes none.
    Down,
}

/// What a failure says of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::backend::http) enum Failed {
    /// No connection could be opened: nobody need ask again soon.
    Unreachable,
    /// A connection was open, and no answer came, or one that counts as none.
    Unanswered,
}

/// The share of an endpoint that has just come back, of a hundred.
const FIRST_SHARE: u64 = 10;

/// A whole share.
pub(super) const WHOLE: u64 = 100;

/// An endpoint.
#[derive(Debug)]
pub(in crate::backend::http) struct Endpoint {
    server: Server,
    /// The same for an address in every worker and at every start: keys and cookies belong to it.
    id: u64,
    rules: Arc<Rules>,
    weight: AtomicU32,
    backup: AtomicBool,
    down: AtomicBool,
    /// 0 where it is not ejected; milliseconds.
    ejected_until: AtomicU64,
    /// 0 where it has its whole share; milliseconds.
    warm_from: AtomicU64,
    /// How many requests in a row got no answer.
    failures: AtomicU32,
    /// Whether the log was told that it fails.
    is_told: AtomicBool,
    in_flight: AtomicUsize,
}

impl Endpoint {
    /// An endpoint that takes requests, its whole share of them.
    pub(super) fn new(target: &Target, rules: &Arc<Rules>) -> Self {
        Self {
            id: hash::bytes(target.server.to_string().as_bytes()),
            server: target.server.clone(),
            rules: Arc::clone(rules),
            weight: AtomicU32::new(target.weight),
            backup: AtomicBool::new(target.backup),
            down: AtomicBool::new(false),
            ejected_until: AtomicU64::new(0),
            warm_from: AtomicU64::new(0),
            failures: AtomicU32::new(0),
            is_told: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
        }
    }

    /// The server that it is.
    pub(in crate::backend::http) fn server(&self) -> &Server {
        &self.server
    }

    /// Whether it is where a target says, under the same name.
    pub(super) fn is_at(&self, target: &Target) -> bool {
        let server = &target.server;
        self.server.host() == server.host() && self.server.to_string() == server.to_string()
    }

    /// What keys and cookies know it by.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Its weight, as it is configured.
    pub(super) fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    /// Whether it takes requests only where no other can.
    pub(super) fn is_backup(&self) -> bool {
        self.backup.load(Ordering::Relaxed)
    }

    /// Takes what may change of a target whose address stays.
    pub(super) fn update(&self, target: &Target) {
        self.weight.store(target.weight, Ordering::Relaxed);
        self.backup.store(target.backup, Ordering::Relaxed);
    }

    /// How many requests it has, where they are counted.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether it takes requests.
    pub(super) fn standing(&self) -> Standing {
        if self.down.load(Ordering::Relaxed) {
            return Standing::Down;
        }
        if self.rules.counts && self.in_flight() >= self.rules.most_in_flight {
            return Standing::Full;
        }
        match self.ejected_until.load(Ordering::Relaxed) {
            0 => Standing::Ready,
            until if self.rules.now() < until => Standing::Ejected,
            until => {
                // One that is ejected again just now stays so.
                let _ = self.ejected_until.compare_exchange(until, 0, Ordering::Relaxed, Ordering::Relaxed);
                Standing::Ready
            }
        }
    }

    /// Its weight in hundredths: less while it starts slowly.
    pub(super) fn share(&self) -> u64 {
        let weight = u64::from(self.weight());
        match self.warm_from.load(Ordering::Relaxed) {
            0 => weight * WHOLE,
            from => weight * self.warmth(from),
        }
    }

    fn warmth(&self, from: u64) -> u64 {
        let elapsed = self.rules.now().saturating_sub(from);
        let whole = self.rules.slow_start_millis();
        if elapsed >= whole {
            let _ = self.warm_from.compare_exchange(from, 0, Ordering::Relaxed, Ordering::Relaxed);
            return WHOLE;
        }
        (elapsed * WHOLE / whole).max(FIRST_SHARE)
    }

    /// Lets its share grow from a little to the whole.
    pub(super) fn start_slowly(&self) {
        self.start_slowly_at(self.rules.now());
    }

    fn start_slowly_at(&self, from: u64) {
        if !self.rules.slow_start.is_zero() {
            self.warm_from.store(from, Ordering::Relaxed);
        }
    }

    /// Notes what health checks have found.
    pub(super) fn set_down(&self, down: bool) {
        let was_down = self.down.swap(down, Ordering::Relaxed);
        if was_down && !down {
            // What failed before is forgotten with it.
            self.failures.store(0, Ordering::Relaxed);
            self.ejected_until.store(0, Ordering::Relaxed);
            self.start_slowly();
        }
    }

    /// Whether health checks say that it takes no requests.
    pub(super) fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    /// Takes a request, where there is room for it. `None` where nothing is counted.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Option<InFlight>, NoRoom> {
        if !self.rules.counts {
            return Ok(None);
        }
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let entered = InFlight(Arc::clone(self));
        if before < self.rules.most_in_flight { Ok(Some(entered)) } else { Err(NoRoom) }
    }

    /// Notes that it has answered.
    pub(in crate::backend::http) fn succeeded(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
            if self.is_told.swap(false, Ordering::Relaxed) {
                tracing::info!(server = %self.server, "a server that failed answers again");
            }
        }
    }

    /// Notes that it has not answered. Whoever has failed so often is asked again after a while, and then once is enough.
    pub(in crate::backend::http) fn failed(&self, failed: Failed, why: &dyn Display) {
        let in_a_row = match failed {
            Failed::Unreachable => {
                self.failures.fetch_max(self.rules.eject_after, Ordering::Relaxed).max(self.rules.eject_after)
            }
            Failed::Unanswered => self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1),
        };
        if in_a_row < self.rules.eject_after {
            return;
        }
        let until = self.rules.now() + millis(self.rules.eject_for);
        self.ejected_until.store(until, Ordering::Relaxed);
        self.start_slowly_at(until);
        if !self.is_told.swap(true, Ordering::Relaxed) {
            let period = self.rules.eject_for;
            tracing::warn!(server = %self.server, "a server fails and is passed over for {period:?} where there are others: {why}");
        }
    }
}

impl Rules {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            eject_after: settings.eject.failures,
            eject_for: settings.eject.time,
            slow_start: settings.slow_start,
            most_in_flight: settings.max_in_flight.unwrap_or(usize::MAX),
            counts: settings.counts(),
            origin: Instant::now(),
        }
    }

    /// Milliseconds, never 0: that stands for nothing.
    fn now(&self) -> u64 {
        millis(self.origin.elapsed()) + 1
    }

    fn slow_start_millis(&self) -> u64 {
        millis(self.slow_start).max(1)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 2)
}

/// An endpoint has as many requests as it may have.
#[derive(Debug)]
pub(super) struct NoRoom;

/// A request in flight, in the count of its endpoint.
#[derive(Debug)]
pub(in crate::backend::http) struct InFlight(Arc<Endpoint>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
