//! Bodies: what bounds them, and how far one has come.

use crate::{
    config::Limits,
    http1::{body::BodyLimits, chunked::ChunkLimits},
};

/// How far the body of a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyProgress {
    /// Nothing of it has been read.
    Untouched,
    /// Part of it has been read.
    Begun,
    /// It has been read to its end.
    Read,
}

/// Bounds of a request body.
#[must_use]
pub fn request_body_limits(limits: &Limits) -> BodyLimits {
    BodyLimits { payload: limits.body.unwrap_or(u64::MAX), ..response_body_limits(limits) }
}

/// Bounds of a response body, which may be as long as it likes.
#[must_use]
pub const fn response_body_limits(limits: &Limits) -> BodyLimits {
    BodyLimits {
        payload: u64::MAX,
        trailer_fields: limits.fields,
        chunked: ChunkLimits { extensions: limits.chunk_extensions, trailers: limits.trailers },
    }
}
