//! What a request asks the forward proxy for: a URL of http in absolute-form, or a connection by CONNECT.

use super::target::admit_target;
use crate::{
    config::Forward,
    error::Error,
    http1::{fields::starts_with_ignore_case, framing::Framing, target::RequestTarget},
    uri::{Scheme, TargetUrl},
};

/// Where a request to the forward proxy goes.
#[derive(Debug)]
pub struct ForwardTarget {
    /// Scheme, host and port; the path is that of the request.
    url: TargetUrl,
    key: Box<str>,
}

impl ForwardTarget {
    /// What a request names, in absolute-form or with CONNECT, under this authority.
    ///
    /// # Errors
    /// [`Error::RequestHead`] for another scheme than http, and for what the URL standard takes for no host.
    ///
    /// Source: RFC 9112 §3.2.2, §3.2.3.
    pub(super) fn named(target: RequestTarget, whole: &[u8], authority: &[u8]) -> Result<Self, Error> {
        // What CONNECT leads to is nearly always TLS, and so parents for https connect to it.
        let scheme = if target == RequestTarget::Authority { Scheme::Https } else { Scheme::Http };
        if scheme == Scheme::Http && starts_with_ignore_case(whole, Scheme::Https.prefix().as_bytes()) {
            return Err(Error::RequestHead(
                "a proxy fetches no https URL itself; have it connect to the host with CONNECT HOST:PORT, and speak TLS \
                 with that",
            ));
        }
        let authority = str::from_utf8(authority).unwrap_or_default();
        let url = TargetUrl::read(format!("{}{authority}/", scheme.prefix()).into()).map_err(|error| {
            if let Error::TargetInvalid(reason) = error { Error::RequestHead(reason) } else { error }
        })?;
        // What the gateway has opened was judged by other rules.
        let key = format!("{} forward", url.origin()).into();
        Ok(Self { url, key })
    }

    /// Where it is.
    #[must_use]
    pub const fn url(&self) -> &TargetUrl {
        &self.url
    }

    /// The name under which connections to it are kept.
    #[must_use]
    pub const fn key(&self) -> &str {
        &self.key
    }
}

/// Whether the forward proxy leads there; asked before anything is resolved.
///
/// # Errors
/// [`Error::RequestHead`] for a CONNECT with a body, [`Error::ConnectPortDenied`], and those of [`admit_target`].
pub(super) fn admit(
    forward: &Forward,
    is_connect: bool,
    framing: Framing,
    target: &ForwardTarget,
) -> Result<(), Error> {
    if is_connect && framing != Framing::None {
        // It has no meaning (RFC 9110 §9.3.6), and the tunnel would begin in the midst of it.
        return Err(Error::RequestHead("a CONNECT has a body"));
    }
    if is_connect && !forward.connect_ports.contains(&target.url.port()) {
        return Err(Error::ConnectPortDenied);
    }
    admit_target(&forward.rules, forward.parents.as_deref(), &target.url).map(|_| ())
}
