//! Gives memory back to the system that has been free for a while.
//!
//! The allocator does so by itself a second after a page was freed, so that a busy program need not ask for it again at once, but
//! only looks when another page is freed: in a gateway that has become idle, none is.

use std::cell::Cell;
use std::hint::black_box;
use std::time::Duration;

use tokio::time::Instant;

use super::idle;

/// After this time, what was freed is given back when it is asked for.
pub(crate) const DELAY: Duration = Duration::from_millis(1500);

/// Many may ask at once. By then, what was freed so long ago has been given back.
const SELDOM: Duration = Duration::from_millis(400);

/// More than the allocator takes from a page that others use, too. It is never written, so that it costs no memory.
const PAGE: usize = 4 << 20;

thread_local! {
    static LAST: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Gives back what was freed [`DELAY`] ago or earlier.
pub(crate) fn give_back() {
    let now = Instant::now();
    if LAST.get().is_none_or(|last| now.duration_since(last) > SELDOM) {
        LAST.set(Some(now));
        drop(black_box(Vec::<u8>::with_capacity(PAGE)));
        idle::stir();
    }
}
