//! What one core knows of the endpoints: its own list of them, and what it remembers from one choice to the next.

use std::sync::Arc;

use super::budget::Budget;
use super::endpoint::{Endpoint, Standing};
use super::group::Group;
use super::pick::{self, Memory};
use super::{Method, Place, Refused, Wish};

/// The order in which endpoints are asked: those that are ready, then backups, then those that have failed.
const ORDER: [(Standing, bool); 4] = [
    (Standing::Ready, false),
    (Standing::Ready, true),
    (Standing::Ejected, false),
    (Standing::Ejected, true),
];

/// How often to look again where other cores have changed what was just seen.
const LOOKS: usize = 4;

/// One core's part of a balancer.
pub(super) struct Core<T> {
    number: usize,
    /// Of the list that the places were made from.
    version: Option<u64>,
    pub(super) places: Vec<Arc<Place<T>>>,
    memory: Memory,
    pub(super) budget: Budget,
}

impl<T> Core<T> {
    /// Knows no list yet. Random numbers begin with the seed.
    pub(super) fn new(number: usize, seed: u64, budget: Budget) -> Self {
        Self { number, version: None, places: Vec::new(), memory: Memory::new(seed), budget }
    }

    /// Takes over a list that has changed. What is kept for endpoints that have gone is dropped.
    pub(super) fn follow(&mut self, group: &Group, keep: &dyn Fn() -> T) {
        if self.version == Some(group.version()) {
            return;
        }
        let (version, endpoints) = group.list();
        let mut before = std::mem::take(&mut self.places);
        self.places = endpoints
            .into_iter()
            .map(|endpoint| {
                let known = before.iter().position(|place| Arc::ptr_eq(&place.endpoint, &endpoint));
                known.map_or_else(|| Arc::new(Place { endpoint, kept: keep() }), |at| before.swap_remove(at))
            })
            .collect();
        self.version = Some(version);
        self.memory.reset(self.places.len());
        // Cores begin at different endpoints.
        for _ in 0..self.number % self.places.len().max(1) {
            let _ = self.memory.round_robin(all(&self.places));
        }
    }

    /// Where an endpoint stands that a request was not tried at.
    pub(super) fn pick(
        &mut self,
        method: &Method,
        wish: &Wish,
        tried: &[Arc<Place<T>>],
    ) -> Result<usize, Refused> {
        for _ in 0..LOOKS {
            if let Some(at) = self.look(method, wish, tried) {
                return Ok(at);
            }
            let rest = self.places.iter().filter(|place| is_new(place, tried));
            let mut rest = rest.map(|place| place.endpoint.standing()).filter(|rest| *rest != Standing::Down);
            match rest.next() {
                None => return Err(Refused::NoneLeft),
                Some(Standing::Full) if rest.all(|rest| rest == Standing::Full) => return Err(Refused::Full),
                // Seen as full by one look and as free by the next: another core has had an answer in between.
                Some(_) => {}
            }
        }
        Err(Refused::Full)
    }

    fn look(&mut self, method: &Method, wish: &Wish, tried: &[Arc<Place<T>>]) -> Option<usize> {
        if let Wish::Session(session) = wish
            && let Some(at) = self.places.iter().position(|place| {
                let endpoint = &place.endpoint;
                session.wants(endpoint.id()) && endpoint.standing() == Standing::Ready && is_new(place, tried)
            })
        {
            return Some(at);
        }
        ORDER.iter().find_map(|(standing, backup)| {
            let candidates = self.places.iter().enumerate().filter(|(_, place)| {
                place.endpoint.is_backup() == *backup
                    && place.endpoint.standing() == *standing
                    && is_new(place, tried)
            });
            let candidates = candidates.map(|(at, place)| (at, &*place.endpoint));
            match (method, wish) {
                (_, Wish::Key(key)) => pick::by_key(*key, candidates),
                (Method::LeastRequests, _) => self.memory.least_requests(candidates),
                (Method::TwoChoices, _) => self.memory.two_choices(candidates),
                _ => self.memory.round_robin(candidates),
            }
        })
    }
}

/// Whether a request was not tried there.
fn is_new<T>(place: &Arc<Place<T>>, tried: &[Arc<Place<T>>]) -> bool {
    !tried.iter().any(|tried| Arc::ptr_eq(tried, place))
}

fn all<T>(places: &[Arc<Place<T>>]) -> impl Iterator<Item = (usize, &Endpoint)> {
    places.iter().enumerate().map(|(at, place)| (at, &*place.endpoint))
}
