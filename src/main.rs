//! The binary: see [`vestibule::cli`].

mod allocator;
mod segments;

#[global_allocator]
static ALLOCATOR: allocator::Mimalloc = allocator::Mimalloc;

fn main() {
    vestibule::cli::main(segments::give_back)
}
