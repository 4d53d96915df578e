//! See [`corsair_fuzz::targets::rewrite`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corsair_fuzz::targets::rewrite::check(data));
