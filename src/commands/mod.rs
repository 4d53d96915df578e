//! What the command does besides serving: each command is a file.
//!
//! They print to stdout what was asked for, and to stderr what is wrong with it.

mod generate;

mod check;

pub use self::{check::check, generate::generate_config};
