#![no_main]

#[path = "../bodies/http_answers.rs"]
mod http_answers;

libfuzzer_sys::fuzz_target!(|data: &[u8]| http_answers::run(data));
