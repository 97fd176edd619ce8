//! mimalloc, by its shortest ways.
//!
//! The crate `mimalloc` asks for an alignment every time, and what is larger than 1 kB then takes a slow way, five times a
//! request. Nearly every alignment is one that mimalloc gives anyway: a small request costs 3 to 5 % less without it.

use std::alloc::{GlobalAlloc, Layout};

use libmimalloc_sys::{
    mi_free, mi_malloc, mi_malloc_aligned, mi_realloc, mi_realloc_aligned, mi_zalloc, mi_zalloc_aligned,
};

/// Blocks are aligned to this, but those that are smaller (`MI_MAX_ALIGN_SIZE`).
const NATURAL: usize = 16;
/// What those are aligned to.
const WORD: usize = size_of::<usize>();

pub(crate) struct Mimalloc;

/// Whether a block of this size has this alignment anyway.
#[inline]
const fn is_natural(size: usize, align: usize) -> bool {
    align <= WORD || (align <= NATURAL && size >= NATURAL)
}

// SAFETY: mimalloc gives blocks of the size that is asked for, aligned as [`is_natural`] says or as is asked for, or null; all
// of its functions take back what any of them gave.
unsafe impl GlobalAlloc for Mimalloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: the alignment is a power of two.
        let block =
            unsafe { if is_natural(size, align) { mi_malloc(size) } else { mi_malloc_aligned(size, align) } };
        block.cast()
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: as above.
        let block =
            unsafe { if is_natural(size, align) { mi_zalloc(size) } else { mi_zalloc_aligned(size, align) } };
        block.cast()
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: the caller's: the block is mimalloc's, and in use.
        unsafe { mi_free(block.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let align = layout.align();
        // SAFETY: as above, both.
        let moved = unsafe {
            if is_natural(size, align) {
                mi_realloc(block.cast(), size)
            } else {
                mi_realloc_aligned(block.cast(), size, align)
            }
        };
        moved.cast()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_and_keep_what_they_hold() {
        for align in (0..8).map(|power| 1 << power) {
            for size in [1, 8, 15, 16, 24, 1000, 5000, 100_000] {
                let layout = Layout::from_size_align(size, align).unwrap();
                // SAFETY: the size is not zero; the block is written and read as far as it goes, and given back once.
                unsafe {
                    let block = Mimalloc.alloc_zeroed(layout);
                    assert!(!block.is_null() && block.addr().is_multiple_of(align), "{layout:?}");
                    assert!((0..size).all(|at| *block.add(at) == 0), "{layout:?}");
                    block.write(7);
                    let grown = Mimalloc.realloc(block, layout, 3 * size);
                    assert!(grown.addr().is_multiple_of(align) && *grown == 7, "{layout:?}");
                    Mimalloc.dealloc(grown, Layout::from_size_align(3 * size, align).unwrap());
                    let block = Mimalloc.alloc(layout);
                    assert!(block.addr().is_multiple_of(align), "{layout:?}");
                    Mimalloc.dealloc(block, layout);
                }
            }
        }
    }
}
