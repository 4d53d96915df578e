//! What the handshake with a client told of it.

use std::sync::Arc;

use super::certificate::Certificate;

/// Whom a client asked for, and what it got and showed.
#[derive(Debug)]
pub struct ServerHandshake {
    /// The server name, and behind it the subject of the client's certificate: one place for both, so that a connection
    /// without a certificate holds nothing for it.
    names: Box<str>,
    /// How long the first of them is; a name has 253 bytes at most (RFC 1035 §2.3.4).
    server_name: u8,
    certificate: Arc<Certificate>,
    asked_for_certificate: bool,
    certificate_shown: bool,
}

impl ServerHandshake {
    /// A client that has named the server so, if at all (RFC 6066 §3), has got this certificate, was asked for one of its
    /// own or not, and has shown one of this subject, or none.
    pub(super) fn new(
        server_name: Option<&str>,
        certificate: Arc<Certificate>,
        asked_for_certificate: bool,
        subject: Option<&str>,
    ) -> Self {
        let name = server_name.map(|name| name.strip_suffix('.').unwrap_or(name)).unwrap_or_default();
        // Of one that is too long to be a name nothing is said.
        let (name, length) = u8::try_from(name.len()).map_or(("", 0), |length| (name, length));
        Self {
            names: [name, subject.unwrap_or_default()].concat().into(),
            server_name: length,
            certificate,
            asked_for_certificate,
            certificate_shown: subject.is_some(),
        }
    }

    /// The name that the client has sent, without a last dot; `None` where it has sent none.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        Some(self.split().0).filter(|name| !name.is_empty())
    }

    /// The subject of the certificate that the client has shown, as RFC 4514 writes it; `None` where it has shown none, or
    /// one without a subject.
    #[must_use]
    pub fn client_subject(&self) -> Option<&str> {
        Some(self.split().1).filter(|subject| !subject.is_empty())
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

    fn split(&self) -> (&str, &str) {
        self.names.split_at_checked(self.server_name.into()).unwrap_or_default()
    }
}
