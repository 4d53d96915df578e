//! What the command does besides serving: each command is a file.
//!
//! They print to stdout what was asked for, and to stderr what is wrong with it.

mod faults;

mod generate;

mod check;

pub use self::{
    check::check,
    faults::{USAGE, report},
    generate::generate_config,
};
