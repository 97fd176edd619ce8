#![no_main]

#[path = "../bodies/http_requests.rs"]
mod http_requests;

libfuzzer_sys::fuzz_target!(|data: &[u8]| http_requests::run(data));
