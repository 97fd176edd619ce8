#![no_main]

#[path = "../bodies/asking.rs"]
mod asking;
#[path = "../bodies/patterns.rs"]
mod patterns;

libfuzzer_sys::fuzz_target!(|data: &[u8]| patterns::run(data));
