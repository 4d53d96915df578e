//! The language: bytes to values and values to bytes.
//!
//! Parsing, framing and emitting of HTTP/1 messages (RFC 9112) as pure functions over slices. No socket, no
//! clock, no configuration may enter this room: limits come in as arguments.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::as_conversions)]

pub mod body;
pub mod chunked;
pub mod emit;
pub mod fields;
pub mod framing;
pub mod head;
#[cfg(test)]
pub(crate) mod sample;
pub mod scan;
pub mod target;
