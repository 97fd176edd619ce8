//! Gives back the pages that were read from the files of the program and of its libraries.
//!
//! Each place of the code that is touched brings 64 kB around it into the process, and most places are touched while it starts and
//! never again. The system counts all of them to the process until memory is short. Given back, they stay where it keeps what it has
//! read of files, and whoever touches one finds it there.
//!
//! A page in which something has been written cannot be read again. Such are those of segments that may be written to, and
//! what was put into code all the same: the breakpoints of a debugger, the hooks of a profiler. A segment that has one is left alone.

use std::ffi::{c_int, c_void};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::{ptr, slice};

use libc::{MADV_DONTNEED, PF_W, PT_LOAD, dl_iterate_phdr, dl_phdr_info, madvise};
use rustix::param::page_size;

/// The pages of this process, each with eight bytes that tell …
const PAGEMAP: &str = "/proc/self/pagemap";
/// … that it is in memory …
const PRESENT: u64 = 1 << 63;
/// … or was, and is not in its file, but in swap …
const SWAPPED: u64 = 1 << 62;
/// … and that this memory is that of a file.
const OF_FILE: u64 = 1 << 61;

/// How many pages are looked at with one read.
const AT_ONCE: usize = 512;

/// Gives back what can be read again.
pub(crate) fn give_back() {
    // Without it, nobody knows what was written.
    let Ok(pagemap) = File::open(PAGEMAP) else { return };
    // SAFETY: `of_object` is called with this file, and not after the call has returned.
    unsafe { dl_iterate_phdr(Some(of_object), ptr::from_ref(&pagemap).cast_mut().cast()) };
}

/// The loader calls it for each object that is loaded. Meanwhile none is unloaded.
unsafe extern "C" fn of_object(object: *mut dl_phdr_info, _: usize, pagemap: *mut c_void) -> c_int {
    // SAFETY: an object of the loader's list, and what `give_back` has passed.
    let (object, pagemap) = unsafe { (&*object, &*pagemap.cast::<File>()) };
    if object.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: so many headers stand there for as long as the object is loaded.
    let headers = unsafe { slice::from_raw_parts(object.dlpi_phdr, object.dlpi_phnum.into()) };
    for header in headers.iter().filter(|header| header.p_type == PT_LOAD && header.p_flags & PF_W == 0) {
        let start = object.dlpi_addr.wrapping_add(header.p_vaddr);
        if let (Ok(start), Ok(length)) = (usize::try_from(start), usize::try_from(header.p_memsz)) {
            give_back_segment(whole_pages(start, length), pagemap);
        }
    }
    0
}

/// The numbers of the pages that hold nothing else.
fn whole_pages(start: usize, length: usize) -> Range<usize> {
    start.div_ceil(page_size())..start.saturating_add(length) / page_size()
}

fn give_back_segment(pages: Range<usize>, pagemap: &File) {
    if pages.is_empty() || !is_as_read(&pages, pagemap) {
        return;
    }
    let start = ptr::with_exposed_provenance_mut(pages.start * page_size());
    // SAFETY: they are pages of code and constants, to which nothing was written. Read again, they are what they were. Where the
    // system refuses, because they are locked, they stay.
    unsafe { madvise(start, pages.len() * page_size(), MADV_DONTNEED) };
}

/// Whether all of these pages are as they were read from their file, or not in memory.
fn is_as_read(pages: &Range<usize>, pagemap: &File) -> bool {
    let mut entries = [[0; size_of::<u64>()]; AT_ONCE];
    pages.clone().step_by(AT_ONCE).all(|first| {
        let entries = &mut entries[..AT_ONCE.min(pages.end - first)];
        let position = first * size_of::<u64>();
        pagemap.read_exact_at(entries.as_flattened_mut(), position as u64).is_ok()
            && entries.iter().all(|entry| {
                let entry = u64::from_ne_bytes(*entry);
                entry & SWAPPED == 0 && (entry & PRESENT == 0 || entry & OF_FILE != 0)
            })
    })
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use libc::{PROT_READ, PROT_WRITE, mprotect};

    use super::*;

    /// Constants that nothing else reads. What a touch brings with it ends far from their middle.
    static CONSTANTS: [u8; 1 << 20] = [7; 1 << 20];
    const MIDDLE: usize = CONSTANTS.len() / 2;

    fn read() -> u8 {
        black_box(&CONSTANTS)[MIDDLE]
    }

    fn address() -> usize {
        ptr::from_ref(&CONSTANTS[MIDDLE]).expose_provenance()
    }

    fn is_in_memory() -> bool {
        let mut entry = [0; size_of::<u64>()];
        let position = address() / page_size() * size_of::<u64>();
        File::open(PAGEMAP).unwrap().read_exact_at(&mut entry, position as u64).unwrap();
        u64::from_ne_bytes(entry) & PRESENT != 0
    }

    fn write(value: u8) {
        let page = ptr::with_exposed_provenance_mut(address() / page_size() * page_size());
        // SAFETY: the page holds nothing but these constants, which no other thread reads.
        unsafe {
            assert_eq!(mprotect(page, page_size(), PROT_READ | PROT_WRITE), 0);
            ptr::with_exposed_provenance_mut::<u8>(address()).write_volatile(value);
            assert_eq!(mprotect(page, page_size(), PROT_READ), 0);
        }
    }

    #[test]
    fn pages_are_read_again_but_not_where_something_was_written() {
        assert_eq!(read(), 7);
        assert!(is_in_memory());
        give_back();
        assert!(!is_in_memory());
        assert_eq!(read(), 7);
        write(8);
        give_back();
        assert_eq!(read(), 8);
    }

    #[test]
    fn only_whole_pages_count() {
        let page = page_size();
        assert_eq!(whole_pages(page, 2 * page), 1..3);
        assert_eq!(whole_pages(page + 1, 2 * page), 2..3);
        assert_eq!(whole_pages(page - 1, 2), 1..1);
        assert!(whole_pages(page + 1, page - 2).is_empty());
    }
}
