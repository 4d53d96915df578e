//! What corsair promises of every input, and not of the examples in its tests alone.
//!
//! Each module of [`targets`] states one property as a function `check` over bytes, which panics where it
//! does not hold; the programs in `fuzz_targets/` hand it what libFuzzer makes up. What a property compares
//! with stands in [`reference`](mod@reference): the same rules once more, slow and obvious, sharing no code
//! with corsair.
#![forbid(unsafe_code)]

pub mod document;
pub mod input;
pub mod reference;
pub mod targets;
