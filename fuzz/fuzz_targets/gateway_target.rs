//! See [`corsair_fuzz::targets::gateway_target`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corsair_fuzz::targets::gateway_target::check(data));
