//! See [`corsair_fuzz::targets::response_head`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corsair_fuzz::targets::response_head::check(data));
