//! See [`corsair_fuzz::targets::cors`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corsair_fuzz::targets::cors::check(data));
