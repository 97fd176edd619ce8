#![no_main]

#[path = "../bodies/fronts.rs"]
mod fronts;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fronts::run(data));
