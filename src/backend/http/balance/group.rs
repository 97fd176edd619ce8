//! The endpoints of a backend, which change while it runs: name servers give new addresses.
//!
//! Each core has a list of its own ([`Core`](super::Core)) and compares one number for each request; only after a change
//! does it lock what stands here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::endpoint::{Endpoint, Rules};
use super::entry::Target;

/// The endpoints, by the entries of the file that they stem from.
pub(in crate::backend::http) struct Group {
    rules: Arc<Rules>,
    /// Counts the changes.
    version: AtomicU64,
    sources: Mutex<Vec<Source>>,
    /// Whether requests have something to choose from, or nothing to wait for.
    is_known: watch::Sender<bool>,
}

#[derive(Default)]
struct Source {
    endpoints: Vec<Arc<Endpoint>>,
    /// Whether its name was looked up at least once, be it in vain.
    is_known: bool,
}

impl Group {
    /// A group of so many entries, of which nothing is known yet.
    pub(super) fn new(rules: Rules, sources: usize) -> Self {
        Self {
            rules: Arc::new(rules),
            version: AtomicU64::new(0),
            sources: Mutex::new((0..sources).map(|_| Source::default()).collect()),
            is_known: watch::Sender::new(sources == 0),
        }
    }

    /// Replaces what stems from an entry. An address that was there already keeps its state; where all were, so do the cores:
    /// they go on in the turn of the endpoints.
    pub(super) fn replace(&self, source: usize, targets: &[Target]) {
        let mut sources = self.sources();
        let Some(source) = sources.get_mut(source) else { return };
        let endpoints: Vec<_> = targets.iter().map(|target| self.endpoint(source, target)).collect();
        let is_same = endpoints.iter().map(Arc::as_ptr).eq(source.endpoints.iter().map(Arc::as_ptr));
        source.is_known = true;
        if !is_same {
            source.endpoints = endpoints;
            // Before the lock is opened: whoever sees the number finds the list.
            self.version.fetch_add(1, Ordering::Release);
        }
        self.tell(&sources);
    }

    fn endpoint(&self, source: &Source, target: &Target) -> Arc<Endpoint> {
        let known = source.endpoints.iter().find(|known| known.is_at(target));
        if let Some(known) = known {
            known.update(target);
            return Arc::clone(known);
        }
        let endpoint = Endpoint::new(target, &self.rules);
        // At the start of the worker all are equally new.
        if source.is_known {
            endpoint.start_slowly();
        }
        Arc::new(endpoint)
    }

    /// Notes that an entry was looked up in vain. What it had before stays.
    pub(super) fn give_up(&self, source: usize) {
        let mut sources = self.sources();
        if let Some(source) = sources.get_mut(source) {
            source.is_known = true;
        }
        self.tell(&sources);
    }

    fn tell(&self, sources: &[Source]) {
        let is_known = sources.iter().any(|source| !source.endpoints.is_empty())
            || sources.iter().all(|source| source.is_known);
        self.is_known.send_if_modified(|known| std::mem::replace(known, is_known) != is_known);
    }

    /// Waits until there is an endpoint, or none to be waited for.
    pub(super) async fn known(&self) {
        // The sender is here: the wait does not end with an error.
        let _ = self.is_known.subscribe().wait_for(|is_known| *is_known).await;
    }

    /// Whether nothing needs to be waited for.
    pub(super) fn is_known(&self) -> bool {
        *self.is_known.borrow()
    }

    /// The number of the list as it is now.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// All endpoints, and the number of the list.
    pub(super) fn list(&self) -> (u64, Vec<Arc<Endpoint>>) {
        let sources = self.sources();
        let all = sources.iter().flat_map(|source| &source.endpoints).cloned();
        (self.version(), all.collect())
    }

    fn sources(&self) -> MutexGuard<'_, Vec<Source>> {
        // Nothing in here is left half done by a panic.
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
