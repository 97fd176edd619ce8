//! Cores.

use std::cell::Cell;

thread_local! {
    static CORE: Cell<usize> = const { Cell::new(0) };
}

/// The number of the core that this thread serves; 0 on other threads.
pub fn core() -> usize {
    CORE.get()
}
