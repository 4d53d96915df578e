//! See [`corsair_fuzz::targets::chunked`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corsair_fuzz::targets::chunked::check(data));
