#![no_main]

#[path = "../bodies/fastcgi.rs"]
mod fastcgi_bytes;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fastcgi_bytes::run(data));
