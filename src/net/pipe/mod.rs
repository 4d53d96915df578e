//! Bytes from one socket to another without a visit to user space: `splice(2)` through a pipe (Linux).
//!
//! A [`Pipe`] is bare: how many bytes may move, and what they are, is for its user to know. Pipes are
//! recycled by a [`PipePool`] of fixed size, so that the kernel's memory behind them is bounded; who gets none
//! copies. Where there is no `splice(2)` the pool lends nothing.
//!
//! - `linux`: pipes and `splice(2)`
//! - `elsewhere`: what stands in for them where there is none

#[cfg(target_os = "linux")]
mod linux;

#[cfg(not(target_os = "linux"))]
mod elsewhere;

#[cfg(not(target_os = "linux"))]
pub use self::elsewhere::{Pipe, PipePool, poll_send};
#[cfg(target_os = "linux")]
pub use self::linux::{Pipe, PipePool, poll_send};

/// Bytes that one pipe may hold; the kernel may grant less (`fs.pipe-user-pages-soft`).
pub const PIPE_CAPACITY: usize = 256 << 10;
