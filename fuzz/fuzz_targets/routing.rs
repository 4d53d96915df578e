//! See [`corsair_fuzz::targets::routing`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corsair_fuzz::targets::routing::check(data));
