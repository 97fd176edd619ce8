//! How many requests may be tried again: a share of all of them, so that servers in trouble do not get several times the load.
//!
//! A bucket of tokens, as in Finagle's `RetryBudget`: every request puts a part of a token in, every further attempt takes
//! one out. A few for each second come for free, for gateways with little traffic. Counted for each core.

use std::time::Duration;

use tokio::time::Instant;

/// How many attempts a second are free.
const FREE: f64 = 10.0;

/// The bucket holds what this many requests put in.
const REQUESTS: f64 = 1000.0;

/// What is left of it, on one core.
#[derive(Debug)]
pub(super) struct Budget {
    /// What a request puts in: 0.2 for a fifth.
    part: f64,
    saved: f64,
    free: f64,
    looked: Instant,
}

impl Budget {
    /// A budget of so many further attempts for each hundred requests, and its free ones.
    pub(super) fn new(percent: u32) -> Self {
        Self { part: f64::from(percent) / 100.0, saved: 0.0, free: FREE, looked: Instant::now() }
    }

    /// Notes a request.
    pub(super) fn deposit(&mut self) {
        self.saved = (self.saved + self.part).min(self.part * REQUESTS);
    }

    /// Takes an attempt out; false where none is left.
    pub(super) fn withdraw(&mut self) -> bool {
        let now = Instant::now();
        let since: Duration = now - self.looked;
        self.looked = now;
        self.free = (self.free + since.as_secs_f64() * FREE).min(FREE);
        let source = if self.saved >= 1.0 { &mut self.saved } else { &mut self.free };
        if *source < 1.0 {
            return false;
        }
        *source -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(budget: &mut Budget) -> usize {
        (0..1000).take_while(|_| budget.withdraw()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_fifth_of_the_requests_and_ten_a_second_are_tried_again() {
        let mut budget = Budget::new(20);
        assert_eq!(taken(&mut budget), 10);
        (0..100).for_each(|_| budget.deposit());
        assert!((19..=20).contains(&taken(&mut budget)));
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(taken(&mut budget), 5);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(taken(&mut budget), 10, "nothing free is saved up");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_saved_up_is_bounded() {
        let mut budget = Budget::new(20);
        (0..100_000).for_each(|_| budget.deposit());
        assert!((209..=210).contains(&taken(&mut budget)));
    }
}
