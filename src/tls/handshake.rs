//! What the handshake with a client told of it.

use std::sync::Arc;

use super::certificate::Certificate;

/// Whom a client asked for, and what it got and showed.
#[derive(Debug)]
pub struct ServerHandshake {
    server_name: Option<Box<str>>,
    certificate: Arc<Certificate>,
    asked_for_certificate: bool,
    certificate_shown: bool,
}

impl ServerHandshake {
    /// A client that has named the server so, if at all (RFC 6066 §3), has got this certificate, was asked for one of its
    /// own or not, and has shown one or not.
    pub(super) fn new(
        server_name: Option<&str>,
        certificate: Arc<Certificate>,
        asked_for_certificate: bool,
        certificate_shown: bool,
    ) -> Self {
        Self {
            server_name: server_name.map(|name| name.strip_suffix('.').unwrap_or(name).into()),
            certificate,
            asked_for_certificate,
            certificate_shown,
        }
    }

    /// The name that the client has sent, without a last dot; `None` where it has sent none.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// Whether the certificate that it got is for this host: a name without a last dot, or an address.
    #[must_use]
    pub fn covers(&self, host: &[u8]) -> bool {
        self.certificate.is_for(host)
    }

    /// Whether it was asked for a certificate of its own.
    #[must_use]
    pub const fn asked_for_certificate(&self) -> bool {
        self.asked_for_certificate
    }

    /// Whether it has shown one, now or when the session began that it has resumed.
    #[must_use]
    pub const fn certificate_shown(&self) -> bool {
        self.certificate_shown
    }
}
