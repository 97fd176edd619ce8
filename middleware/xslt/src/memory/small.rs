//! Small pieces of memory, for one run at a time.
//!
//! A run takes thousands of them and gives them back (8,900 for 10 kB of XML), on its own thread but for the rarest, and at its
//! end it has given all of them back. So it has a heap of its own: pieces are cut from chunks, one after the other, and
//! those that come back wait in lists, by size. When a run ends and nothing is out, the heap begins anew, at once.
//!
//! Nothing relies on that. What libxml2 keeps beyond a run stays as it is, and the heap goes on with its lists; what another
//! thread gives back, or this one after the run, waits in a list of its own.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use libmimalloc_sys::{mi_free, mi_malloc};

/// Sizes are multiples of this, as are addresses.
const STEP: usize = 16;
/// The largest piece is of fewer steps. A heap's address has room for their number, see [`Piece`].
const MOST_STEPS: usize = 512;
const _: () = assert!(align_of::<Heap>() == MOST_STEPS);

/// What is taken of the allocator behind at once.
const CHUNK: usize = 256 << 10;
/// What one heap takes at most, in chunks: beyond that the allocator behind serves, which can use memory for pieces of another
/// size once it comes back.
const MOST: usize = 128;
/// A heap takes no more than this part of what the run may have: so much may be held by what came back, which does not count.
const PART: usize = 4;
/// What a heap keeps while no run has it, in chunks.
const KEPT: usize = 4;

/// Where the pieces of one run come from.
#[repr(align(512))]
pub(super) struct Heap {
    /// By steps: what came back
    free: [Cell<*mut Piece>; MOST_STEPS],
    /// The end of the last piece in the chunk that pieces are cut from
    next: Cell<*mut Piece>,
    /// The end of that chunk
    end: Cell<*mut Piece>,
    /// What is out, in bytes
    out: Cell<isize>,
    chunks: RefCell<Vec<*mut c_void>>,
    /// How many there may be
    most: Cell<usize>,
    /// How many of the chunks are in use
    used: Cell<usize>,
    /// What came back otherwise: from other threads, or while no run had this heap
    late: AtomicPtr<Piece>,
}

// SAFETY: `Heap::idle` gives each heap to one thread at a time. All others only touch `late`, which is atomic.
unsafe impl Sync for Heap {}

/// The beginning of a piece; the user's part begins behind the tag.
#[repr(C)]
struct Piece {
    /// The heap's address, plus the number of steps; null for what is of no heap
    tag: *const Heap,
    /// The next one in the list that this one is in
    next: *mut Piece,
}

/// How much stands before the user's part.
pub(super) const TAG: usize = size_of::<*const Heap>();

/// How large a piece is, in steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Steps(usize);

impl Steps {
    /// For a piece that has room for so much; `None` where that is not small.
    #[inline]
    pub(super) fn of(size: usize) -> Option<Self> {
        (size <= (MOST_STEPS - 1) * STEP - TAG).then(|| Self((size + TAG).div_ceil(STEP)))
    }

    /// What the piece takes of the heap.
    #[inline]
    pub(super) fn bytes(self) -> usize {
        self.0 * STEP
    }

    /// What it has room for.
    #[inline]
    pub(super) fn room(self) -> usize {
        self.bytes() - TAG
    }
}

/// The heap that a piece is of, and its size; a null heap and no steps where it is of none.
///
/// # Safety
/// A tag stands before `memory`.
#[inline]
pub(super) unsafe fn origin(memory: *mut c_void) -> (*const Heap, Steps) {
    // SAFETY: the caller's.
    let tag = unsafe { (*piece_of(memory)).tag };
    let steps = tag.addr() % MOST_STEPS;
    (tag.wrapping_byte_sub(steps), Steps(steps))
}

/// Marks memory as of no heap.
///
/// # Safety
/// There is room for a tag before `memory`.
pub(super) unsafe fn mark_foreign(memory: *mut c_void) {
    // SAFETY: the caller's.
    unsafe { (*piece_of(memory)).tag = std::ptr::null() }
}

#[inline]
fn piece_of(memory: *mut c_void) -> *mut Piece {
    memory.wrapping_byte_sub(TAG).cast()
}

#[inline]
fn memory_of(piece: *mut Piece) -> *mut c_void {
    piece.wrapping_byte_add(TAG).cast()
}

static IDLE: Mutex<Vec<&'static Heap>> = Mutex::new(Vec::new());

fn lock() -> MutexGuard<'static, Vec<&'static Heap>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Heap {
    /// That of threads without a run: it has nothing, so that nothing in it ever changes.
    pub(super) const NONE: &'static Self = {
        static NONE: Heap = Heap::new();
        &NONE
    };

    /// One that no run has, for this thread until it is given back by [`rest`](Self::rest), and for a run that may have so many
    /// bytes. There are as many heaps as there ever were runs at one time.
    pub(super) fn idle(limit: usize) -> &'static Self {
        let idle = lock().pop();
        let heap = idle.unwrap_or_else(|| Box::leak(Box::new(Self::new())));
        heap.most.set((limit / PART / CHUNK).clamp(KEPT, MOST));
        heap
    }

    const fn new() -> Self {
        Self {
            free: [const { Cell::new(null_mut()) }; MOST_STEPS],
            next: Cell::new(null_mut()),
            end: Cell::new(null_mut()),
            out: Cell::new(0),
            chunks: RefCell::new(Vec::new()),
            most: Cell::new(MOST),
            used: Cell::new(0),
            late: AtomicPtr::new(null_mut()),
        }
    }

    /// Ends this thread's use of it.
    pub(super) fn rest(&'static self) {
        self.settle();
        lock().push(self);
    }

    fn settle(&self) {
        if self.out.get() > 0 {
            self.collect_late();
        }
        if self.out.get() == 0 {
            self.begin_anew();
        }
    }

    /// What is out, in bytes.
    pub(super) fn out(&self) -> isize {
        self.out.get()
    }

    /// A piece; none where more would be out than `most`, or what is open has no room.
    #[inline]
    pub(super) fn take(&self, steps: Steps, most: isize) -> Option<*mut c_void> {
        let out = self.out.get() + steps.bytes().cast_signed();
        let list = &self.free[steps.0];
        let mut piece = list.get();
        if out > most {
            return None;
        } else if piece.is_null() {
            piece = self.next.get();
            if self.end.get().addr() - piece.addr() < steps.bytes() {
                return None;
            }
            // SAFETY: the chunk has so much room left.
            unsafe { (*piece).tag = std::ptr::from_ref(self).wrapping_byte_add(steps.0) };
            self.next.set(piece.wrapping_byte_add(steps.bytes()));
        } else {
            // SAFETY: pieces in a list are of this heap's chunks, in nobody's use, and written by `give`.
            list.set(unsafe { (*piece).next });
        }
        self.out.set(out);
        Some(memory_of(piece))
    }

    /// A piece, for which another chunk may be begun; none where the heap has as much as it may have.
    pub(super) fn take_more(&self, steps: Steps) -> Option<*mut c_void> {
        let taken = self.take(steps, isize::MAX);
        taken.or_else(|| if self.open() { self.take(steps, isize::MAX) } else { None })
    }

    /// Takes a piece back.
    ///
    /// # Safety
    /// `memory` is of this heap, which is this thread's, and so large, and nobody uses it any more.
    #[inline]
    pub(super) unsafe fn give(&self, memory: *mut c_void, steps: Steps) {
        let (piece, list) = (piece_of(memory), &self.free[steps.0]);
        // SAFETY: the caller's; the smallest piece has room for this.
        unsafe { (*piece).next = list.get() };
        list.set(piece);
        self.out.set(self.out.get() - steps.bytes().cast_signed());
    }

    /// Takes a piece back, on any thread.
    ///
    /// # Safety
    /// `memory` is of this heap, and nobody uses it any more.
    pub(super) unsafe fn give_late(&self, memory: *mut c_void) {
        let piece = piece_of(memory);
        let mut first = self.late.load(Ordering::Relaxed);
        loop {
            // SAFETY: the caller's; the smallest piece has room for this.
            unsafe { (*piece).next = first };
            match self.late.compare_exchange_weak(first, piece, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(other) => first = other,
            }
        }
    }

    fn collect_late(&self) {
        let mut piece = self.late.swap(null_mut(), Ordering::Acquire);
        while !piece.is_null() {
            let memory = memory_of(piece);
            // SAFETY: pieces in this list are of this heap and in nobody's use, and `give_late` has written the next one.
            unsafe {
                let next = (*piece).next;
                let (_, steps) = origin(memory);
                self.give(memory, steps);
                piece = next;
            }
        }
    }

    /// Begins another chunk to cut from; false where there is none.
    #[cold]
    fn open(&self) -> bool {
        if std::ptr::eq(self, Self::NONE) {
            return false;
        }
        let mut chunks = self.chunks.borrow_mut();
        if self.used.get() == chunks.len() {
            if chunks.len() >= self.most.get() {
                return false;
            }
            // SAFETY: no precondition.
            let chunk = unsafe { mi_malloc(CHUNK) };
            if chunk.is_null() {
                return false;
            }
            chunks.push(chunk);
        }
        // What follows a tag is at a multiple of a step.
        let chunk = chunks[self.used.get()];
        self.next.set(chunk.wrapping_byte_add(STEP - TAG).cast());
        self.end.set(chunk.wrapping_byte_add(CHUNK).cast());
        self.used.set(self.used.get() + 1);
        true
    }

    /// Forgets all pieces: none of them is out.
    fn begin_anew(&self) {
        self.free.iter().for_each(|list| list.set(null_mut()));
        self.next.set(self.end.get());
        self.used.set(0);
        let mut chunks = self.chunks.borrow_mut();
        while chunks.len() > KEPT {
            // SAFETY: the chunk came from `mi_malloc`, and nothing in it is in use.
            chunks.pop().into_iter().for_each(|chunk| unsafe { mi_free(chunk) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::path::Path;

    use super::*;
    use crate::{Limits, Policy, Stylesheet};

    fn heap() -> &'static Heap {
        Box::leak(Box::new(Heap::new()))
    }

    /// A piece, filled with a byte.
    struct Filled {
        memory: *mut c_void,
        size: usize,
        byte: u8,
    }

    impl Filled {
        fn take(heap: &Heap, size: usize, byte: u8) -> Self {
            let memory = heap.take_more(Steps::of(size).unwrap()).unwrap();
            assert_eq!(memory.addr() % STEP, 0);
            // SAFETY: the piece has room for so much.
            unsafe { memory.cast::<u8>().write_bytes(byte, size) };
            Self { memory, size, byte }
        }

        fn is_whole(&self) -> bool {
            // SAFETY: the piece is so large, and `take` has filled it.
            let bytes = unsafe { std::slice::from_raw_parts(self.memory.cast::<u8>(), self.size) };
            bytes.iter().all(|byte| *byte == self.byte)
        }

        fn give(self, heap: &Heap) {
            assert!(self.is_whole(), "{} bytes", self.size);
            // SAFETY: it is of this heap, and goes with `self`.
            unsafe { heap.give(self.memory, origin(self.memory).1) };
        }
    }

    // SAFETY: it is memory, which any thread may use and give back.
    unsafe impl Send for Filled {}

    #[test]
    fn pieces_of_all_sizes_come_and_go_without_touching_each_other() {
        let (heap, mut out) = (heap(), VecDeque::new());
        for number in 0..5_000_usize {
            let size = number.wrapping_mul(7_919) % (MOST_STEPS * STEP - 2 * STEP);
            out.push_back(Filled::take(heap, size, u8::try_from(number % 251).unwrap()));
            if number % 3 == 0 || out.len() > 500 {
                out.swap_remove_back(number % out.len()).unwrap().give(heap);
            }
        }
        for piece in out {
            piece.give(heap);
        }
        assert_eq!(heap.out(), 0);
    }

    #[test]
    fn a_heap_of_which_all_came_back_begins_anew() {
        let heap = heap();
        let first = Filled::take(heap, 100, 1);
        let (address, rest) = (first.memory, (0..10_000).map(|_| Filled::take(heap, 1_000, 2)));
        for piece in rest.collect::<Vec<_>>().into_iter().chain([first]) {
            piece.give(heap);
        }
        heap.settle();
        assert_eq!(heap.chunks.borrow().len(), KEPT);
        assert_eq!(Filled::take(heap, 500, 3).memory, address);
    }

    #[test]
    fn what_outlives_its_run_stays_as_it_is() {
        let heap = heap();
        let kept = Filled::take(heap, 100, 1);
        for byte in 2..10 {
            heap.settle();
            let run: Vec<_> = (0..5_000).map(|_| Filled::take(heap, 100, byte)).collect();
            for piece in run {
                piece.give(heap);
            }
        }
        kept.give(heap);
        heap.settle();
        assert_eq!(heap.used.get(), 0);
    }

    #[test]
    fn what_another_thread_gives_back_is_there_for_later_runs() {
        let heap = heap();
        let pieces: Vec<_> = (0..1_000).map(|_| Filled::take(heap, 100, 1)).collect();
        std::thread::scope(|scope| {
            let mut halves = pieces;
            for half in [halves.split_off(500), halves] {
                scope.spawn(move || {
                    for piece in half {
                        // SAFETY: each is given back once, to its heap.
                        unsafe { heap.give_late(piece.memory) };
                    }
                });
            }
        });
        assert!(heap.out() > 0);
        heap.settle();
        assert_eq!((heap.out(), heap.used.get()), (0, 0));
    }

    #[test]
    fn a_run_leaves_nothing_behind() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sheets");
        for name in ["keys", "numbers", "modes"] {
            let sheet = folder.join(name).with_extension("xsl");
            let sheet = Stylesheet::compile([sheet], &Policy::default()).unwrap();
            let document = std::fs::read(folder.join(name).with_extension("xml")).unwrap();
            sheet.transform(&*document, &[], &Limits::default()).unwrap();
            sheet.transform(&document[..document.len() / 2], &[], &Limits::default()).unwrap_err();
        }
        let idle = lock();
        // Of other libraries' memory there is none.
        let is_in_use = idle.iter().any(|heap| !heap.chunks.borrow().is_empty());
        assert_eq!(is_in_use, crate::engine::engine().unwrap().table.first);
        assert!(idle.iter().all(|heap| heap.out() == 0));
    }

    #[test]
    fn a_heap_takes_no_more_than_it_may() {
        let steps = Steps::of(8_000).unwrap();
        for (limit, bytes) in [(usize::MAX, MOST * CHUNK), (32 << 20, 8 << 20), (0, KEPT * CHUNK)] {
            let heap = Heap::idle(limit);
            let taken = std::iter::from_fn(|| heap.take_more(steps)).count() * steps.bytes();
            assert!((bytes / 10 * 9..=bytes).contains(&taken), "{taken} of {limit}");
        }
        assert!(Heap::NONE.take_more(steps).is_none());
    }
}
