//! How we speak TLS to upstreams.

use std::{io, path::Path, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use super::{
    ALPN,
    files::{TlsFault, read_certificates},
};

/// Upstream names for which sessions are kept, up to eight tickets each; the oldest goes first.
const CLIENT_SESSIONS: usize = 256;

/// How we speak TLS to upstreams: 1.2 and 1.3, `http/1.1`, sessions resumed from a bounded memory, and
/// certificates verified for chain, dates and name against the built-in roots and those of `extra_ca`.
///
/// `insecure` accepts any certificate; the peer must still prove that it holds the key of the one it shows.
/// Sessions are remembered per configuration, so an unverified one is never resumed as a verified one.
///
/// # Errors
/// [`TlsFault`] when `extra_ca` is missing, unreadable, not PEM, or holds no usable certificate.
pub fn client_config(extra_ca: Option<&Path>, insecure: bool) -> Result<Arc<ClientConfig>, TlsFault> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let roots = trusted_roots(extra_ca)?;
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsFault::Setup)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    if insecure {
        config.dangerous().set_certificate_verifier(Arc::new(AnyCertificate(provider)));
    }
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::in_memory_sessions(CLIENT_SESSIONS);
    Ok(Arc::new(config))
}

/// Whether a handshake failed because the peer's certificate is not to be trusted, and not for a fault of
/// the protocol or of the connection.
#[must_use]
pub fn is_certificate_error(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    matches!(cause, Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented))
}

fn trusted_roots(extra_ca: Option<&Path>) -> Result<RootCertStore, TlsFault> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let Some(file) = extra_ca else { return Ok(roots) };
    for (index, certificate) in read_certificates(file)?.into_iter().enumerate() {
        roots.add(certificate).map_err(|reason| TlsFault::UnusableCertificate {
            file: file.to_owned(),
            number: index + 1,
            reason,
        })?;
    }
    Ok(roots)
}

/// Accepts every certificate, for upstreams that the operator chose not to verify. Signatures are verified:
/// a broken handshake is noticed, though not a false peer.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::folder, *};

    #[test]
    fn extra_trust_is_added_to_the_built_in_roots() {
        let folder = folder();
        assert_eq!(
            trusted_roots(Some(&folder.path().join("a.pem"))).unwrap().len(),
            trusted_roots(None).unwrap().len() + 1
        );
        assert!(trusted_roots(None).unwrap().len() > 50);
    }

    #[test]
    fn a_broken_file_of_extra_trust_is_a_fault_even_when_nothing_is_verified() {
        let folder = folder();
        for name in ["missing.pem", "empty", "cut.pem", "no.pem"] {
            assert!(client_config(Some(&folder.path().join(name)), true).is_err(), "{name}");
        }
        assert!(client_config(Some(&folder.path().join("a.pem")), true).is_ok());
    }

    #[test]
    fn only_faults_of_the_certificate_are_certificate_errors() {
        let certificate = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        assert!(is_certificate_error(&io::Error::new(io::ErrorKind::InvalidData, certificate)));
        let protocol = rustls::Error::DecryptError;
        assert!(!is_certificate_error(&io::Error::new(io::ErrorKind::InvalidData, protocol)));
        assert!(!is_certificate_error(&io::ErrorKind::UnexpectedEof.into()));
    }
}
