//! One of several endpoints: the ways to choose, and what a core remembers for them.
//!
//! All of them look at every candidate once: backends have few servers, and no list needs to be kept up to date.

use super::endpoint::Endpoint;
use super::hash;

/// What a core remembers from one choice to the next.
#[derive(Debug)]
pub(super) struct Memory {
    /// For each endpoint, how much of its share it is behind.
    turns: Vec<i64>,
    /// Where the search begins among those that are equal.
    next: usize,
    random: u64,
}

impl Memory {
    /// Remembers nothing yet.
    pub(super) fn new(seed: u64) -> Self {
        Self { turns: Vec::new(), next: 0, random: seed }
    }

    /// Begins anew, for a list of so many endpoints.
    pub(super) fn reset(&mut self, endpoints: usize) {
        self.turns = vec![0; endpoints];
    }

    /// In turn, each as often as its weight says, and as evenly as can be: nginx's smooth weighted round robin (commit
    /// 52327e0, 2012). Every candidate gains its share, the richest is chosen and pays for all.
    pub(super) fn round_robin<'a>(
        &mut self,
        candidates: impl Iterator<Item = (usize, &'a Endpoint)>,
    ) -> Option<usize> {
        let mut total = 0;
        let mut best: Option<(usize, i64)> = None;
        for (at, endpoint) in candidates {
            let share = endpoint.share().cast_signed();
            total += share;
            let turn = &mut self.turns[at];
            *turn += share;
            if best.is_none_or(|(_, most)| *turn > most) {
                best = Some((at, *turn));
            }
        }
        let (at, _) = best?;
        self.turns[at] -= total;
        Some(at)
    }

    /// The one with the fewest requests for its weight; those that are equal take turns.
    pub(super) fn least_requests<'a>(
        &mut self,
        candidates: impl Iterator<Item = (usize, &'a Endpoint)>,
    ) -> Option<usize> {
        let count = self.turns.len();
        let start = self.next;
        let rank = |at: usize| (at + count - start % count) % count;
        let chosen = candidates
            .map(|(at, endpoint)| (Load::of(endpoint), at))
            .min_by(|(a, a_at), (b, b_at)| a.compare(b).then_with(|| rank(*a_at).cmp(&rank(*b_at))));
        let (_, at) = chosen?;
        self.next = at + 1;
        Some(at)
    }

    /// Two at random, by weight, and of these the one with fewer requests (Mitzenmacher, "The power of two choices in
    /// randomized load balancing", 2001): cores, workers and gateways that do not know of each other do not all run to
    /// the same server.
    pub(super) fn two_choices<'a>(
        &mut self,
        candidates: impl Iterator<Item = (usize, &'a Endpoint)> + Clone,
    ) -> Option<usize> {
        let (first, one) = self.random_of(candidates.clone())?;
        let Some((second, other)) = self.random_of(candidates.filter(|(at, _)| *at != first)) else {
            return Some(first);
        };
        Some(if Load::of(other).compare(&Load::of(one)).is_lt() { second } else { first })
    }

    fn random_of<'a>(
        &mut self,
        candidates: impl Iterator<Item = (usize, &'a Endpoint)> + Clone,
    ) -> Option<(usize, &'a Endpoint)> {
        let total: u64 = candidates.clone().map(|(_, endpoint)| endpoint.share()).sum();
        let mut point = self.random() % total.max(1);
        let mut last = None;
        for (at, endpoint) in candidates {
            let share = endpoint.share();
            if point < share {
                return Some((at, endpoint));
            }
            point -= share;
            // A share may have grown since the sum was made.
            last = Some((at, endpoint));
        }
        last
    }

    /// SplitMix64.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        hash::mix(self.random)
    }
}

/// The one that a key belongs to.
pub(super) fn by_key<'a>(key: u64, candidates: impl Iterator<Item = (usize, &'a Endpoint)>) -> Option<usize> {
    let scores = candidates.map(|(at, endpoint)| (hash::score(key, endpoint.id(), endpoint.weight()), at));
    scores.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, at)| at)
}

/// How many requests an endpoint would have, for its share.
struct Load {
    requests: u128,
    share: u128,
}

impl Load {
    fn of(endpoint: &Endpoint) -> Self {
        Self { requests: endpoint.in_flight() as u128 + 1, share: endpoint.share().max(1).into() }
    }

    /// Compares fractions without dividing.
    fn compare(&self, other: &Self) -> std::cmp::Ordering {
        (self.requests * other.share).cmp(&(other.requests * self.share))
    }
}
