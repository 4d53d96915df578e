//! See [`corsair_fuzz::targets::proxy_header`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corsair_fuzz::targets::proxy_header::check(data));
