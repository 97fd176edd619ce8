//! The binary: see [`vestibule::cli`].

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    vestibule::cli::main()
}
