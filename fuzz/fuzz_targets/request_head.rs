//! See [`corsair_fuzz::targets::request_head`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corsair_fuzz::targets::request_head::check(data));
