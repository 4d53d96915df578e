//! Who asks, and by which name the client knows what it asks for.

use std::net::SocketAddr;

use super::client::Client;
use crate::{
    http1::{head::Request, span::Span},
    trust::{Told, Trust, told},
};

/// Who asks, and by which name the client knows what it asks for: what a trusted proxy tells, and else what the
/// connection shows (rules 24 and 25 of [`plan`](super)).
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    /// The address of the client, whose port is 0 where nobody knows it; `None` where nobody knows an address.
    pub address: Option<SocketAddr>,
    /// Whether the client came over TLS.
    pub secure: bool,
    /// The authority that the request is for, as the client named it.
    pub authority: Option<Span>,
    /// What a trusted proxy has told of that.
    pub told: Told,
}

impl Asker {
    /// Who sends a request that came for `authority`.
    pub(super) fn of(request: Request<'_>, authority: Option<Span>, client: &Client, trust: &Trust) -> Self {
        let is_trusted =
            !trust.proxies.is_empty() && !client.anonymous && trust.proxies.trusts_peer(client.address);
        let told = if is_trusted { told(request, trust) } else { Told::NOTHING };
        Self {
            address: told.client.or(client.address),
            secure: told.secure.unwrap_or(client.secure),
            authority: told.host.or(authority),
            told,
        }
    }
}
