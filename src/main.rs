//! The binary: see [`vestibule::cli`].

mod allocator;

#[global_allocator]
static ALLOCATOR: allocator::Mimalloc = allocator::Mimalloc;

fn main() {
    vestibule::cli::main()
}
