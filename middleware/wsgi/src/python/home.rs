//! What waits for an interpreter: references that were dropped where nobody held its GIL.
//!
//! Each interpreter has its own GIL and its own objects. A reference goes back to where it came from.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::kept::Kept;
use super::library::{PyInterpreterState, table};
use super::object::Python;

/// What is known of an interpreter beyond its GIL.
pub(super) struct Home {
    state: *mut PyInterpreterState,
    unused: Mutex<Vec<Kept>>,
    /// Whether there are any: whoever asks before each request need not lock anything.
    has_unused: AtomicBool,
    /// How many objects are read by somebody who does not hold the GIL.
    lent: AtomicUsize,
}

// SAFETY: the pointer is only compared, and handed to functions of CPython.
unsafe impl Send for Home {}
// SAFETY: as above.
unsafe impl Sync for Home {}

thread_local! {
    /// Of a thread that lives in one interpreter.
    static OWN: RefCell<Option<Arc<Home>>> = const { RefCell::new(None) };
}

fn homes() -> MutexGuard<'static, Vec<Arc<Home>>> {
    static HOMES: Mutex<Vec<Arc<Home>>> = Mutex::new(Vec::new());
    HOMES.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Home {
    pub(super) fn new(state: *mut PyInterpreterState) -> Arc<Self> {
        let home = Self::of(state);
        homes().push(Arc::clone(&home));
        home
    }

    fn of(state: *mut PyInterpreterState) -> Arc<Self> {
        let (unused, has_unused) = (Mutex::default(), AtomicBool::new(false));
        Arc::new(Self { state, unused, has_unused, lent: AtomicUsize::new(0) })
    }

    pub(super) fn state(&self) -> *mut PyInterpreterState {
        self.state
    }

    /// This thread will belong to the interpreter for life.
    pub(super) fn settle(self: &Arc<Self>) {
        OWN.set(Some(Arc::clone(self)));
    }

    /// Does something with the home of the interpreter whose GIL this thread holds. An application may have started it.
    pub(super) fn with_own<R>(_py: Python<'_>, run: impl FnOnce(&Arc<Self>) -> R) -> R {
        OWN.with_borrow(|own| {
            if let Some(home) = own {
                return run(home);
            }
            // SAFETY: the GIL is held.
            let state = unsafe { (table().PyInterpreterState_Get)() };
            let home = homes().iter().find(|home| home.state == state).cloned();
            // Of an interpreter that an application has made for itself, what is lent is not given back.
            run(&home.unwrap_or_else(|| Self::of(state)))
        })
    }

    /// An object is about to be read without the GIL; [`return_later`](Self::return_later) follows.
    pub(super) fn lend(self: &Arc<Self>) -> Arc<Self> {
        self.lent.fetch_add(1, Ordering::Relaxed);
        Arc::clone(self)
    }

    pub(super) fn return_later(&self, object: Kept) {
        let mut unused = self.unused();
        unused.push(object);
        self.has_unused.store(true, Ordering::Relaxed);
        drop(unused);
        self.lent.fetch_sub(1, Ordering::Release);
    }

    pub(super) fn give_back(&self, py: Python<'_>) {
        // Whoever does not see it yet gives back the next time.
        if !self.has_unused.load(Ordering::Relaxed) {
            return;
        }
        // An object's end may run any code: not under the lock.
        let unused = {
            let mut unused = self.unused();
            self.has_unused.store(false, Ordering::Relaxed);
            std::mem::take(&mut *unused)
        };
        for object in unused {
            drop(object.into_object(py));
        }
    }

    /// Whether nobody reads what belongs to the interpreter.
    pub(super) fn is_at_rest(&self) -> bool {
        self.lent.load(Ordering::Acquire) == 0
    }

    /// The interpreter has ended.
    pub(super) fn leave(&self) {
        homes().retain(|home| !std::ptr::eq(home.as_ref(), self));
    }

    fn unused(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.unused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
