//! See [`corsair_fuzz::targets::framing`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corsair_fuzz::targets::framing::check(data));
