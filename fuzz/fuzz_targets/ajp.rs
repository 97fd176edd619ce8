#![no_main]

#[path = "../bodies/ajp.rs"]
mod ajp_bytes;

libfuzzer_sys::fuzz_target!(|data: &[u8]| ajp_bytes::run(data));
