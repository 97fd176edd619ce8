//! A process that has nothing to do gives back what it can have again.
//!
//! That is for a gateway that is asked now and then: while requests come, everything stays where it is. Once it is done, the process
//! sleeps until something happens. The library holds no unsafe code, so the program brings the way to give back.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time;

/// How often it is looked whether anything has happened.
const LOOK: Duration = Duration::from_millis(500);

/// After so many looks at nothing, a process is idle: what happened last may stand right behind a look.
const ENOUGH: u8 = 2;

static PROCESS: Idle = Idle::new();

/// Says that something happens.
#[inline]
pub(crate) fn stir() {
    PROCESS.stir();
}

/// Does the work of a process, and gives back whenever nothing has happened for a while.
pub(crate) async fn beside<T>(work: impl Future<Output = T>, give_back: fn()) -> T {
    tokio::select! {
        done = work => done,
        never = PROCESS.watch(give_back) => match never {},
    }
}

struct Idle {
    /// How many looks there were since something happened.
    looks: AtomicU8,
    stirred: Notify,
}

impl Idle {
    const fn new() -> Self {
        Self { looks: AtomicU8::new(0), stirred: Notify::const_new() }
    }

    fn stir(&self) {
        // Mostly a load: it is written at each look, and by whoever is the first after it.
        if self.looks.load(Ordering::Relaxed) != 0 && self.looks.swap(0, Ordering::Relaxed) == ENOUGH {
            self.stirred.notify_one();
        }
    }

    async fn watch(&self, give_back: impl Fn()) -> Infallible {
        loop {
            time::sleep(LOOK).await;
            if self.looks.fetch_add(1, Ordering::Relaxed) + 1 == ENOUGH {
                give_back();
                self.stirred.notified().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Lets time pass, one step after the other, and counts how often memory is given back.
    async fn given_back(idle: &Idle, steps: &[(u64, bool)]) -> usize {
        let count = Cell::new(0);
        let story = async {
            for (milliseconds, stirs) in steps {
                time::sleep(Duration::from_millis(*milliseconds)).await;
                if *stirs {
                    idle.stir();
                }
            }
        };
        tokio::select! {
            () = story => count.get(),
            never = idle.watch(|| count.set(count.get() + 1)) => match never {},
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_gives_back_once_when_nothing_happens() {
        assert_eq!(given_back(&Idle::new(), &[(400, true), (1500, false)]).await, 1);
        assert_eq!(given_back(&Idle::new(), &[(60_000, false)]).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn it_gives_back_nothing_while_something_happens() {
        assert_eq!(given_back(&Idle::new(), &[(450, true); 100]).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_happens_later_counts_as_the_first() {
        let hour = 3_600_000;
        assert_eq!(given_back(&Idle::new(), &[(hour, true), (hour, true), (hour, false)]).await, 3);
        // Right before, and while it is done.
        let idle = Idle::new();
        assert_eq!(given_back(&idle, &[(999, true), (400, false)]).await, 0);
        assert_eq!(given_back(&idle, &[(2000, false)]).await, 1);
    }
}
