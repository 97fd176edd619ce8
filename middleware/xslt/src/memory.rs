//! What a run takes of memory: libxml2's allocator, with a meter for each thread.
//!
//! A tree is thousands of small pieces, and taking and giving them back is a good part of building and dropping it: 0.3 of the
//! time of nginx's module, with glibc's `malloc`. So small pieces of a run come from a [heap](small) of its own, and
//! everything else from mimalloc, which tells the size of what it gives and takes back, so that counting costs next to nothing.
//! With mimalloc alone a transform took 0.8 of the time that it takes with glibc's; with the heap it takes 0.9 of that
//! (measured by `benches/transform.rs`, for 0.7 and 10 kB of XML).
//!
//! A run that is over its limit is told to end at its next instruction. One instruction may build a large tree, so from
//! twice the limit on, or at once for a large piece, libxml2 gets no more: it reports that as an error, and ends.

mod small;

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, Ordering};

// For its C: what is called is declared below.
use libmimalloc_sys as _;
use libxslt_sys::{STATE_STOPPED, Table};

use small::{Heap, Steps, mark_foreign, origin};

/// What counts as a large piece: a string or an array that has grown, not a node.
const LARGE: isize = 1 << 20;

/// What stands before memory of mimalloc's: a tag that is no heap's, and what keeps addresses aligned.
const BEFORE: usize = 2 * small::TAG;

/// Far from where the numbers wrap around.
const UNLIMITED: isize = isize::MAX / 2;

unsafe extern "C" {
    // Of libmimalloc, whose Rust crate declares only those without sizes.
    fn mi_umalloc(size: usize, usable: *mut usize) -> *mut c_void;
    fn mi_urealloc(memory: *mut c_void, size: usize, before: *mut usize, after: *mut usize) -> *mut c_void;
    fn mi_ufree(memory: *mut c_void, usable: *mut usize);
}

struct Meter {
    /// Bytes that the run may still take; those that it has of its heap are not subtracted.
    left: Cell<isize>,
    limit: Cell<isize>,
    is_over: Cell<bool>,
    /// The state of the transform context, while there is one.
    state: Cell<*mut c_int>,
    /// Where small pieces come from, while there is a run.
    heap: Cell<&'static Heap>,
}

thread_local! {
    static METER: Meter = const {
        Meter {
            left: Cell::new(UNLIMITED),
            limit: Cell::new(UNLIMITED),
            is_over: Cell::new(false),
            state: Cell::new(null_mut()),
            heap: Cell::new(Heap::NONE),
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

/// The time in which this thread's memory counts towards a limit, and comes from a heap of its own. All that a run has made
/// should go before it ends.
pub(crate) struct Metered(());

impl Metered {
    pub(crate) fn start(limit: usize) -> Self {
        METER.with(|meter| {
            let heap = Heap::idle(limit);
            meter.allow(isize::try_from(limit).map_or(UNLIMITED, |limit| limit.min(UNLIMITED)));
            // What an earlier run has left behind counts no more.
            meter.left.set(meter.left.get() + heap.out());
            meter.is_over.set(false);
            meter.heap.set(heap);
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
        METER.with(|meter| {
            meter.allow(UNLIMITED);
            meter.heap.replace(Heap::NONE).rest();
        });
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
            let is_within = meter.left() >= 0;
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

    fn left(&self) -> isize {
        self.left.get() - self.heap.get().out()
    }

    /// False where there is no room for so much more.
    fn admits(&self, size: usize) -> bool {
        // Nothing is larger than `isize::MAX` in Rust, nor in C.
        self.left() >= size.cast_signed() || self.admits_beyond(size.cast_signed())
    }

    #[cold]
    fn admits_beyond(&self, size: isize) -> bool {
        self.end();
        size < LARGE && self.left() > -self.limit.get()
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

impl Meter {
    #[inline]
    fn take(&self, size: usize) -> *mut c_void {
        // As it goes nearly always: a small piece that the heap has at hand.
        let at_hand = Steps::of(size).and_then(|steps| self.heap.get().take(steps, self.left.get()));
        at_hand.unwrap_or_else(|| self.take_otherwise(size))
    }

    #[inline(never)]
    fn take_otherwise(&self, size: usize) -> *mut c_void {
        if !self.admits(size) {
            return null_mut();
        }
        let small = Steps::of(size).and_then(|steps| self.heap.get().take_more(steps));
        small.unwrap_or_else(|| self.take_foreign(size))
    }

    fn take_foreign(&self, size: usize) -> *mut c_void {
        let Some(whole) = size.checked_add(BEFORE) else { return null_mut() };
        let mut usable = 0;
        // SAFETY: the place for the size is ours.
        let memory = unsafe { mi_umalloc(whole, &raw mut usable) };
        self.count(usable, 0);
        // SAFETY: there is room for what stands before.
        unsafe { begin_foreign(memory) }
    }

    /// # Safety
    /// `memory` is what `take` gave, and nobody uses it any more.
    #[inline]
    unsafe fn give(&self, memory: *mut c_void) {
        // SAFETY: the caller's.
        unsafe {
            let (heap, steps) = origin(memory);
            let ours = self.heap.get();
            if std::ptr::eq(ours, heap) {
                ours.give(memory, steps);
            } else {
                self.give_other(memory);
            }
        }
    }

    /// Takes back what is not of this run's heap.
    ///
    /// # Safety
    /// As for [`give`](Self::give).
    #[inline(never)]
    unsafe fn give_other(&self, memory: *mut c_void) {
        // SAFETY: the caller's; heaps live as long as the process.
        unsafe {
            if let Some(heap) = origin(memory).0.as_ref() {
                heap.give_late(memory);
            } else {
                let mut usable = 0;
                mi_ufree(memory.byte_sub(BEFORE), &raw mut usable);
                self.count(0, usable);
            }
        }
    }
}

/// The user's part of memory of mimalloc's; null for null.
///
/// # Safety
/// There is room for what stands before.
unsafe fn begin_foreign(memory: *mut c_void) -> *mut c_void {
    if memory.is_null() {
        return memory;
    }
    // SAFETY: the caller's.
    unsafe {
        let user = memory.byte_add(BEFORE);
        mark_foreign(user);
        user
    }
}

unsafe extern "C" fn allocate(size: usize) -> *mut c_void {
    METER.with(|meter| meter.take(size))
}

unsafe extern "C" fn reallocate(memory: *mut c_void, size: usize) -> *mut c_void {
    METER.with(|meter| {
        if memory.is_null() {
            return meter.take(size);
        }
        // SAFETY: libxml2 gives null or what it got from here.
        let (heap, steps) = unsafe { origin(memory) };
        if heap.is_null() {
            // Some of it is there already, but the old piece stays until it is copied.
            if !meter.admits(size) {
                return null_mut();
            }
            let Some(whole) = size.checked_add(BEFORE) else { return null_mut() };
            let (mut before, mut after) = (0, 0);
            // SAFETY: it is mimalloc's; the places for the sizes are ours.
            let moved =
                unsafe { mi_urealloc(memory.byte_sub(BEFORE), whole, &raw mut before, &raw mut after) };
            if !moved.is_null() {
                meter.count(after, before);
            }
            // SAFETY: there is room for what stands before.
            return unsafe { begin_foreign(moved) };
        }
        if size <= steps.room() {
            return memory;
        }
        let larger = meter.take(size);
        if !larger.is_null() {
            // SAFETY: both are so large, and the old one is given back, as libxml2 wants.
            unsafe {
                std::ptr::copy_nonoverlapping(memory.cast::<u8>(), larger.cast(), steps.room());
                meter.give(memory);
            }
        }
        larger
    })
}

unsafe extern "C" fn give_back(memory: *mut c_void) {
    if !memory.is_null() {
        // SAFETY: libxml2 gives null or what it got from here.
        METER.with(|meter| unsafe { meter.give(memory) });
    }
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
