//! What a run takes of memory: libxml2's allocator, with a meter for each thread.
//!
//! A tree is thousands of small pieces, and glibc's `malloc` and `free` are a good part of building and dropping it: with
//! mimalloc a transform takes 0.66 of the time (0.7 kB of XML), 0.8 (10 kB), 0.8 to 0.87 (1 MB), measured by
//! `benches/transform.rs`. It also tells the size of what it gives and takes back, so that counting costs next to nothing.
//!
//! A run that is over its limit is told to end at its next instruction. One instruction may build a large tree, so from
//! twice the limit on, or at once for a large piece, libxml2 gets no more: it reports that as an error, and ends.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, Ordering};

// For its C: what is called is declared below.
use libmimalloc_sys as _;
use libxslt_sys::{STATE_STOPPED, Table};

/// What counts as a large piece: a string or an array that has grown, not a node.
const LARGE: isize = 1 << 20;

/// Far from where the numbers wrap around.
const UNLIMITED: isize = isize::MAX / 2;

unsafe extern "C" {
    // Of libmimalloc, whose Rust crate declares only those without sizes.
    fn mi_umalloc(size: usize, usable: *mut usize) -> *mut c_void;
    fn mi_urealloc(memory: *mut c_void, size: usize, before: *mut usize, after: *mut usize) -> *mut c_void;
    fn mi_ufree(memory: *mut c_void, usable: *mut usize);
}

struct Meter {
    /// Bytes that the run may still take.
    left: Cell<isize>,
    limit: Cell<isize>,
    is_over: Cell<bool>,
    /// The state of the transform context, while there is one.
    state: Cell<*mut c_int>,
}

thread_local! {
    static METER: Meter = const {
        Meter {
            left: Cell::new(UNLIMITED),
            limit: Cell::new(UNLIMITED),
            is_over: Cell::new(false),
            state: Cell::new(null_mut()),
        }
    };
}

/// Gives libxml2 this allocator.
///
/// # Safety
/// Nothing of libxml2's own is allocated yet, and no other thread uses it.
pub(crate) unsafe fn set_up(table: &Table) {
    // SAFETY: the caller's; the four belong together, and live as long as the process.
    unsafe { (table.xmlMemSetup)(give_back, allocate, reallocate, duplicate) };
}

/// The time in which this thread's memory counts towards a limit.
pub(crate) struct Metered(());

impl Metered {
    pub(crate) fn start(limit: usize) -> Self {
        METER.with(|meter| {
            meter.allow(isize::try_from(limit).map_or(UNLIMITED, |limit| limit.min(UNLIMITED)));
            meter.is_over.set(false);
        });
        Self(())
    }

    #[expect(clippy::unused_self, reason = "it proves that somebody counts")]
    pub(crate) fn is_over(&self) -> bool {
        METER.with(|meter| meter.is_over.get())
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        METER.with(|meter| meter.allow(UNLIMITED));
    }
}

/// Memory that is not libxml2's, but counts with it until this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Held(usize);

impl Held {
    /// False where this thread is over its limit.
    pub(crate) fn add(&mut self, bytes: usize) -> bool {
        self.0 += bytes;
        METER.with(|meter| {
            meter.count(bytes, 0);
            let is_within = meter.left.get() >= 0;
            if !is_within {
                meter.end();
            }
            is_within
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        METER.with(|meter| meter.count(0, self.0));
    }
}

/// Ends the run of this context when this thread is over its limit. Null: of none.
pub(crate) fn end_when_over(state: *mut c_int) {
    METER.with(|meter| meter.state.set(state));
}

impl Meter {
    fn allow(&self, limit: isize) {
        self.limit.set(limit);
        self.left.set(limit);
    }

    /// False where there is no room for so much more.
    #[inline]
    fn admits(&self, size: usize) -> bool {
        // Nothing is larger than `isize::MAX` in Rust, nor in C.
        self.left.get() >= size.cast_signed() || self.admits_beyond(size.cast_signed())
    }

    #[cold]
    fn admits_beyond(&self, size: isize) -> bool {
        self.end();
        size < LARGE && self.left.get() > -self.limit.get()
    }

    #[inline]
    fn count(&self, came: usize, went: usize) {
        // What was there before the run may go while it is counted, or while nothing is.
        self.left.set(self.left.get().wrapping_sub(came.cast_signed()).wrapping_add(went.cast_signed()));
    }

    #[cold]
    fn end(&self) {
        self.is_over.set(true);
        if let Some(state) = std::ptr::NonNull::new(self.state.get()) {
            // SAFETY: the context is alive while its state stands here, see `Context`; the store is atomic, as that of
            // `Stop`, which may come from another thread.
            unsafe { AtomicI32::from_ptr(state.as_ptr()) }.store(STATE_STOPPED, Ordering::Relaxed);
        }
    }
}

unsafe extern "C" fn allocate(size: usize) -> *mut c_void {
    METER.with(|meter| {
        if !meter.admits(size) {
            return null_mut();
        }
        let mut usable = 0;
        // SAFETY: the place for the size is ours.
        let memory = unsafe { mi_umalloc(size, &raw mut usable) };
        meter.count(usable, 0);
        memory
    })
}

unsafe extern "C" fn reallocate(memory: *mut c_void, size: usize) -> *mut c_void {
    METER.with(|meter| {
        // Some of it is there already, but the old piece stays until it is copied.
        if !meter.admits(size) {
            return null_mut();
        }
        let (mut before, mut after) = (0, 0);
        // SAFETY: libxml2 gives null or what it got from here; the places for the sizes are ours.
        let moved = unsafe { mi_urealloc(memory, size, &raw mut before, &raw mut after) };
        if !moved.is_null() {
            meter.count(after, before);
        }
        moved
    })
}

unsafe extern "C" fn give_back(memory: *mut c_void) {
    let mut usable = 0;
    // SAFETY: libxml2 gives null or what it got from here; the place for the size is ours.
    unsafe { mi_ufree(memory, &raw mut usable) };
    METER.with(|meter| meter.count(0, usable));
}

unsafe extern "C" fn duplicate(text: *const c_char) -> *mut c_char {
    // SAFETY: libxml2 gives a string that ends with NUL; the copy has room for all of it.
    unsafe {
        let bytes = CStr::from_ptr(text).to_bytes_with_nul();
        let copy: *mut c_char = allocate(bytes.len()).cast();
        if !copy.is_null() {
            std::ptr::copy_nonoverlapping(text, copy, bytes.len());
        }
        copy
    }
}
