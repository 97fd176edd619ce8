#![no_main]

#[path = "../bodies/configuration.rs"]
mod configuration;

libfuzzer_sys::fuzz_target!(|data: &[u8]| configuration::run(data));
