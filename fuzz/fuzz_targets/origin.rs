//! See [`corsair_fuzz::targets::origin`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corsair_fuzz::targets::origin::check(data));
