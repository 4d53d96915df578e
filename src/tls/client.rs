//! How we speak TLS to upstreams.

use std::{io, path::Path, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

use super::{
    ALPN,
    chain::{self, CHAIN_MEMORY},
    files::{TlsFault, read_certificates},
};

/// Upstream names for which sessions are kept; the oldest goes first.
pub const CLIENT_SESSION_NAMES: usize = 32;
/// Sessions of one name: eight tickets of TLS 1.3, and a session of TLS 1.2.
pub const SESSIONS_OF_A_NAME: usize = TICKETS + 1;
/// Tickets of TLS 1.3 that rustls keeps for a name; it is told the number of tickets, not of names.
const TICKETS: usize = 8;
/// What one session takes at most, in bytes: a ticket as long as a handshake message may be, and the chain of
/// certificates that it stands for.
pub const CLIENT_SESSION_MEMORY: usize = (64 << 10) + CHAIN_MEMORY;

/// How we speak TLS to upstreams: 1.2 and 1.3, `http/1.1`, sessions resumed from a bounded memory, and
/// certificates verified for chain, dates and name against the built-in roots and those of `extra_ca`, where a
/// server's own certificate may stand too.
///
/// `insecure` accepts any certificate; the peer must still prove that it holds the key of the one it shows.
/// Sessions are remembered per configuration, so an unverified one is never resumed as a verified one.
///
/// # Errors
/// [`TlsFault`] when `extra_ca` is missing, unreadable, not PEM, or holds no usable certificate.
pub fn client_config(extra_ca: Option<&Path>, insecure: bool) -> Result<Arc<ClientConfig>, TlsFault> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let extra = extra_ca.map_or_else(|| Ok(Vec::new()), read_certificates)?;
    let roots = trusted_roots(extra_ca, &extra)?;
    let verifier: Arc<dyn ServerCertVerifier> = if insecure {
        Arc::new(AnyCertificate(Arc::clone(&provider)))
    } else {
        let chains = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
        // It fails for a store without roots, and for revocation lists.
        let chains = chains.map_err(|error| TlsFault::Setup(rustls::Error::General(error.to_string())))?;
        if extra.is_empty() { chains } else { Arc::new(ChainsAndOwn { chains, own: extra }) }
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsFault::Setup)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ShortChains(verifier)))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::in_memory_sessions(CLIENT_SESSION_NAMES * TICKETS);
    Ok(Arc::new(config))
}

/// Whether a handshake failed because the peer's certificate is not to be trusted, and not for a fault of
/// the protocol or of the connection.
#[must_use]
pub fn is_certificate_error(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    matches!(cause, Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented))
}

/// The built-in roots and `extra`, the certificates of `file`.
fn trusted_roots(
    file: Option<&Path>,
    extra: &[CertificateDer<'static>],
) -> Result<Arc<RootCertStore>, TlsFault> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for (index, certificate) in extra.iter().enumerate() {
        roots.add(certificate.clone()).map_err(|reason| TlsFault::UnusableCertificate {
            file: file.unwrap_or(Path::new("")).to_owned(),
            number: index + 1,
            reason,
        })?;
    }
    Ok(Arc::new(roots))
}

/// Refuses chains that would take more memory than there is for one, before anything else is asked about them.
#[derive(Debug)]
struct ShortChains(Arc<dyn ServerCertVerifier>);

impl ServerCertVerifier for ShortChains {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        chain::limit(end_entity, intermediates)?;
        self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Verifies chains, and takes a certificate that the operator named itself, byte for byte, for what it is: a server
/// that signed its own certificate has no other chain. Its dates and its name count all the same.
#[derive(Debug)]
struct ChainsAndOwn {
    chains: Arc<WebPkiServerVerifier>,
    own: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for ChainsAndOwn {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified =
            self.chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // These two are found behind a fault of the dates and before one of the name.
            Err(rustls::Error::InvalidCertificate(fault))
                if is_of_issuer(&fault) && self.own.iter().any(|own| own == end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// Whether a certificate is refused for who signed it: somebody unknown, or itself, as an authority does.
fn is_of_issuer(fault: &CertificateError) -> bool {
    if let CertificateError::Other(other) = fault {
        // The library has no name for it.
        return other.to_string() == "CaUsedAsEndEntity";
    }
    *fault == CertificateError::UnknownIssuer
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
        let file = folder.path().join("a.pem");
        let extra = read_certificates(&file).unwrap();
        let built_in = trusted_roots(None, &[]).unwrap().len();
        assert_eq!(trusted_roots(Some(&file), &extra).unwrap().len(), built_in + 1);
        assert!(built_in > 50);
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
        let certificate = rustls::Error::InvalidCertificate(CertificateError::Expired);
        assert!(is_certificate_error(&io::Error::new(io::ErrorKind::InvalidData, certificate)));
        let protocol = rustls::Error::DecryptError;
        assert!(!is_certificate_error(&io::Error::new(io::ErrorKind::InvalidData, protocol)));
        assert!(!is_certificate_error(&io::ErrorKind::UnexpectedEof.into()));
    }
}
