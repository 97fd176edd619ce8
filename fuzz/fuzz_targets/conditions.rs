#![no_main]

#[path = "../bodies/asking.rs"]
mod asking;
#[path = "../bodies/conditions.rs"]
mod conditions;

libfuzzer_sys::fuzz_target!(|data: &[u8]| conditions::run(data));
