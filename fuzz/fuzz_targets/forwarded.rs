#![no_main]

#[path = "../bodies/asking.rs"]
mod asking;
#[path = "../bodies/forwarded.rs"]
mod forwarded;

libfuzzer_sys::fuzz_target!(|data: &[u8]| forwarded::run(data));
