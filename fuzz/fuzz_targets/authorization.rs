//! See [`corsair_fuzz::targets::authorization`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corsair_fuzz::targets::authorization::check(data));
