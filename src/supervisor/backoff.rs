//! How long a worker that crashed waits for its next start.

use std::time::Duration;

/// The first wait; each further one is twice as long.
const SHORTEST: Duration = Duration::from_millis(100);

/// No wait is longer.
const LONGEST: Duration = Duration::from_secs(30);

/// Who has lived so long has not crashed at its start.
const LIVED_WELL: Duration = Duration::from_secs(60);

/// The next wait.
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Backoff {
    /// Begins with the shortest wait.
    pub(super) fn new() -> Self {
        Self(SHORTEST)
    }

    /// The wait after a worker that ended after `life`.
    pub(super) fn after(&mut self, life: Duration) -> Duration {
        if life >= LIVED_WELL {
            self.0 = SHORTEST;
        }
        let wait = self.0;
        self.0 = (wait * 2).min(LONGEST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_a_long_life_resets_them() {
        let mut backoff = Backoff::new();
        let waits: Vec<u128> = (0..10).map(|_| backoff.after(Duration::ZERO).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000]);
        assert_eq!(backoff.after(LIVED_WELL), SHORTEST);
    }
}
