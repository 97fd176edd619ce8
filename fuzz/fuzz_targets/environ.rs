#![no_main]

#[path = "../bodies/asking.rs"]
mod asking;
#[path = "../bodies/environ.rs"]
mod environ;

libfuzzer_sys::fuzz_target!(|data: &[u8]| environ::run(data));
