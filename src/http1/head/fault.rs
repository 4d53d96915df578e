//! What is wrong with a head, before it is known whose head it is.

use crate::error::Error;

/// Why a head is refused before it is known whose head it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadFault {
    /// The text says which rule is broken.
    Malformed(&'static str),
    /// More fields than allowed.
    TooManyFields,
}

impl HeadFault {
    /// The fault of a client that sent it.
    #[must_use]
    pub const fn in_request(self) -> Error {
        match self {
            Self::Malformed(reason) => Error::RequestHead(reason),
            Self::TooManyFields => Error::RequestHeadTooLarge,
        }
    }

    /// The fault of an upstream that sent it.
    #[must_use]
    pub const fn in_response(self) -> Error {
        match self {
            Self::Malformed(reason) => Error::ResponseHead(reason),
            Self::TooManyFields => Error::ResponseHeadTooLarge,
        }
    }
}
