//! Why a request is refused: for people a sentence, for metrics and the log a fixed word.

use crate::http1::span::Span;

/// Why a request is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No entry of the policy matches.
    OriginNotAllowed,
    /// The policy denies it by name.
    OriginDenied,
    /// The value is no serialized origin.
    OriginInvalid,
    /// More than one `Origin` field.
    SeveralOrigins,
    /// This method, a token, is not in the list.
    MethodNotAllowed(Span),
    /// The method asked for is no token.
    MethodInvalid,
    /// This field name, a token, is not in the list.
    HeaderNotAllowed(Span),
    /// `Access-Control-Request-Headers` is no list of tokens.
    HeadersInvalid,
}

impl Reason {
    /// How many reasons there are.
    pub const COUNT: usize = 8;

    /// All of them; those about a part of the request are about none here.
    pub const ALL: [Self; Self::COUNT] = [
        Self::OriginNotAllowed,
        Self::OriginInvalid,
        Self::SeveralOrigins,
        Self::MethodNotAllowed(Span::EMPTY),
        Self::MethodInvalid,
        Self::HeaderNotAllowed(Span::EMPTY),
        Self::HeadersInvalid,
        Self::OriginDenied,
    ];

    /// The words for the reasons, each at the place of its reason.
    pub const LABELS: [&str; Self::COUNT] = [
        "origin_not_allowed",
        "origin_invalid",
        "several_origins",
        "method_not_allowed",
        "method_invalid",
        "header_not_allowed",
        "headers_invalid",
        "origin_denied",
    ];

    /// The place of this reason among all, whatever it is about.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::OriginNotAllowed => 0,
            Self::OriginInvalid => 1,
            Self::SeveralOrigins => 2,
            Self::MethodNotAllowed(_) => 3,
            Self::MethodInvalid => 4,
            Self::HeaderNotAllowed(_) => 5,
            Self::HeadersInvalid => 6,
            Self::OriginDenied => 7,
        }
    }

    /// The reason in a fixed word: the one of metrics and the log.
    #[must_use]
    pub const fn label(self) -> &'static str {
        Self::LABELS[self.index()]
    }

    /// The reason in words, and the part of the request it is about.
    #[must_use]
    pub const fn text(self) -> (&'static str, Option<Span>) {
        match self {
            Self::OriginNotAllowed => ("origin not allowed", None),
            Self::OriginDenied => ("origin denied", None),
            Self::OriginInvalid => ("origin is not a serialized origin", None),
            Self::SeveralOrigins => ("more than one origin", None),
            Self::MethodNotAllowed(method) => ("method not allowed: ", Some(method)),
            Self::MethodInvalid => ("access-control-request-method is not a token", None),
            Self::HeaderNotAllowed(header) => ("header not allowed: ", Some(header)),
            Self::HeadersInvalid => ("access-control-request-headers is not a list of tokens", None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_reasons_are_listed_in_the_order_of_their_words() {
        for (index, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(reason.index(), index, "{reason:?}");
        }
    }
}
