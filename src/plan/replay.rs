//! Whether a request body may have to be sent again, and how much of it is kept for that.

use super::action::{Destination, Exchange, Plan};
use crate::{
    config::{Config, Redirects},
    http1::framing::Framing,
};

impl Plan {
    /// Whether another server may be asked instead of an answer: the request is safe and has no body, or its method can
    /// be repeated without doing more (RFC 9110 §9.2.2) and says so by its name.
    #[must_use]
    pub fn may_be_declined(&self, method_name: &[u8]) -> bool {
        self.is_repeatable() || matches!(method_name, b"PUT" | b"DELETE")
    }

    /// How many bytes of the request body are to be kept, as they go upstream: all of them, where they are no more than
    /// `limits.replay` and may be wanted once more, for a redirect that the gateway follows or by another server; else nothing.
    #[must_use]
    pub fn kept_of_body(&self, config: &Config, exchange: &Exchange, method_name: &[u8]) -> Option<usize> {
        let most = config.route(self.route).limits.replay;
        let length = match self.framing {
            Framing::None => None,
            Framing::Length(length) => usize::try_from(length).ok().filter(|length| *length <= most),
            Framing::Chunked | Framing::UntilClose => Some(most),
        };
        let is_wanted = match &exchange.destination {
            Destination::Target(target) => target.redirects == Redirects::Follow,
            Destination::Forward(_) | Destination::Question { .. } => false,
            Destination::Upstream(id) => {
                let retry = &config.upstream(*id).retry;
                !retry.statuses.is_empty() && retry.attempts > 1 && self.may_be_declined(method_name)
            }
        };
        length.filter(|_| is_wanted)
    }
}
