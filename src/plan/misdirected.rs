//! Whether a request is for the server that its TLS connection was made to.

use super::client::Client;
use crate::{error::Error, http1::target::host_of};

/// Judges the authority of a request by the server name that its client has sent (rule 23 of [`plan`](super)).
///
/// A browser sends requests for another host on a connection only if the certificate that it got is for that host, too
/// (RFC 9110 §4.3.3). Where clients must show certificates, that does not suffice: what one may do under one name says
/// nothing of another. Who has sent no name has been promised nothing.
///
/// # Errors
/// [`Error::Misdirected`].
pub(super) fn judge(authority: Option<&[u8]>, client: &Client) -> Result<(), Error> {
    let Some(handshake) = client.handshake.as_deref() else { return Ok(()) };
    let Some(server_name) = handshake.server_name() else { return Ok(()) };
    let host = host_of(authority.unwrap_or_default());
    let admitted = host.eq_ignore_ascii_case(server_name.as_bytes())
        // Without a host there is nothing that disagrees.
        || !handshake.asked_for_certificate() && (host.is_empty() || handshake.covers(host));
    if admitted { Ok(()) } else { Err(Error::Misdirected) }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use rustls::pki_types::CertificateDer;

    use super::*;
    use crate::{
        plan::sample,
        tls::{ServerTls, sample::tls},
    };

    fn judged(tls: &ServerTls, server_name: Option<&str>, authority: Option<&str>) -> Result<(), Error> {
        let any = [CertificateDer::from(&b"any"[..])];
        let shown = tls.asks_for_certificates().then_some(&any[..]);
        let handshake = tls.told(server_name, shown);
        let client = Client { secure: true, handshake: Some(Rc::new(handshake)), ..sample::client() };
        judge(authority.map(str::as_bytes), &client)
    }

    #[test]
    fn a_request_is_for_the_server_name_or_for_another_host_of_its_certificate() {
        let tls = tls(&[&["a.example", "b.example", "*.c.example", "192.0.2.1"], &["d.example"]], false);
        for (server_name, host) in [
            ("a.example", "a.example"),
            ("a.example", "A.Example.:8443"),
            ("a.example", "b.example"),
            ("a.example", "x.c.example:443"),
            ("a.example", "192.0.2.1:8443"),
            ("d.example", "d.example"),
            // The first certificate is shown for a name that nobody knows.
            ("other.example", "other.example"),
            ("other.example", "a.example"),
            ("a.example", ""),
        ] {
            assert_eq!(judged(&tls, Some(server_name), Some(host)), Ok(()), "{server_name} {host}");
        }
        for (server_name, host) in [
            ("a.example", "d.example"),
            ("a.example", "other.example"),
            ("a.example", "y.x.c.example"),
            ("a.example", "a.example.evil.example"),
            ("a.example", "a.examplex"),
            ("a.example", "192.0.2.2"),
            ("a.example", "[2001:db8::1]:443"),
            ("d.example", "a.example"),
            ("other.example", "another.example"),
        ] {
            let verdict = judged(&tls, Some(server_name), Some(host));
            assert_eq!(verdict, Err(Error::Misdirected), "{server_name} {host}");
        }
        assert_eq!(judged(&tls, Some("a.example"), None), Ok(()), "HTTP/1.0 without Host");
    }

    #[test]
    fn where_clients_show_certificates_a_request_is_for_the_server_name_alone() {
        let tls = tls(&[&["a.example", "b.example"]], true);
        assert_eq!(judged(&tls, Some("a.example"), Some("a.example:443")), Ok(()));
        for authority in [Some("b.example"), Some(""), None] {
            assert_eq!(judged(&tls, Some("a.example"), authority), Err(Error::Misdirected), "{authority:?}");
        }
    }

    #[test]
    fn who_has_sent_no_server_name_is_asked_nothing() {
        for asks_for_certificates in [false, true] {
            let tls = tls(&[&["a.example"]], asks_for_certificates);
            assert_eq!(judged(&tls, None, Some("anything.example")), Ok(()));
        }
        assert_eq!(judge(Some(b"anything.example"), &sample::client()), Ok(()));
    }
}
