//! What a service is asked before a request goes on: whether it lets it in.

use super::{
    action::{Destination, Exchange, Plan},
    request::withheld,
};
use crate::{
    config::{AccessId, Config},
    error::Error,
    http1::{
        connection::Persistence,
        framing::Framing,
        head::{Method, Request},
        target::RequestTarget,
    },
};

impl Plan {
    /// The question whether this request is let in, for the service that a table asks; `buffered` bytes have come behind
    /// its head. What the service says instead is the answer to the request: if more of a body is to come than has, it is
    /// the last one of its connection (rule 14 of [`plan`](super)).
    ///
    /// # Errors
    /// [`Error::Internal`] where the table asks nobody.
    pub fn question(
        &self,
        config: &Config,
        access: AccessId,
        request: Request<'_>,
        buffered: usize,
    ) -> Result<(Self, Exchange), Error> {
        let upstream = config.asked_by(access).ok_or(Error::Internal)?;
        let exchange = Exchange {
            destination: Destination::Question { upstream, access },
            target: RequestTarget::parse(request)?,
            rest: None,
            authority: self.asker.authority,
            upgrade: false,
            max_forwards: None,
            withheld: withheld(request, config.route(self.route), config),
        };
        let plan = Self {
            // Whoever asks for a head alone gets no more of the answer.
            method: if self.method == Method::Head { Method::Head } else { Method::Get },
            framing: Framing::None,
            persistence: self.skippable(buffered).map_or(Persistence::Close, |_| self.persistence),
            ..*self
        };
        Ok((plan, exchange))
    }
}
