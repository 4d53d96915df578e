//! What the command does besides serving: each command is a file.
//!
//! They make what is printed to stdout, and tell on stderr what is wrong with what was asked for.

mod report;

mod generate;

mod check;

mod explain;

mod ask;

mod status;

mod reload;

mod sign;

pub use self::{
    check::check,
    explain::{Explanation, explain},
    generate::generate,
    reload::{ReloadEnd, reload},
    report::report,
    sign::sign,
    status::status,
};
