//! Which certificates of servers are trusted.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

use super::{
    chain,
    files::{TlsFault, read_certificates},
};

/// Certificates of a file that are trusted beside the built-in roots: those of authorities, and those of servers.
#[derive(Debug)]
pub(super) struct ExtraTrust {
    pub(super) file: PathBuf,
    pub(super) ders: Vec<CertificateDer<'static>>,
}

impl ExtraTrust {
    /// Reads the certificates of `file`.
    ///
    /// # Errors
    /// [`TlsFault`] when the file is missing, unreadable, not PEM, or holds no usable certificate.
    pub(super) fn read(file: &Path) -> Result<Self, TlsFault> {
        let extra = Self { file: file.to_owned(), ders: read_certificates(file)? };
        extra.add_to(&mut RootCertStore::empty())?;
        Ok(extra)
    }

    fn add_to(&self, roots: &mut RootCertStore) -> Result<(), TlsFault> {
        let mut numbered = self.ders.iter().zip(1..);
        numbered.try_for_each(|(der, number)| {
            roots.add(der.clone()).map_err(|reason| TlsFault::unusable(&self.file, number, reason))
        })
    }
}

/// What verifies certificates for chain, dates and name against the built-in roots and those of `extra`, where a server's
/// own certificate may stand too; or what accepts any, as long as the peer proves that it holds the key of the one that it
/// shows.
///
/// # Errors
/// [`TlsFault`] when the library cannot use a certificate.
pub(super) fn verifier(
    verify: bool,
    extra: Option<&ExtraTrust>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsFault> {
    if !verify {
        return Ok(Arc::new(ShortChains(Arc::new(AnyCertificate(Arc::clone(provider))))));
    }
    let roots = Arc::new(trusted_roots(extra)?);
    let chains = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider)).build();
    // It fails for a store without roots, and for revocation lists.
    let chains = chains.map_err(|error| TlsFault::Setup(rustls::Error::General(error.to_string())))?;
    Ok(match extra {
        Some(extra) => Arc::new(ShortChains(Arc::new(ChainsAndOwn { chains, own: extra.ders.clone() }))),
        None => Arc::new(ShortChains(chains)),
    })
}

fn trusted_roots(extra: Option<&ExtraTrust>) -> Result<RootCertStore, TlsFault> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(extra) = extra {
        extra.add_to(&mut roots)?;
    }
    Ok(roots)
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
        let extra = ExtraTrust::read(&folder.path().join("a.pem")).unwrap();
        let built_in = trusted_roots(None).unwrap().len();
        assert_eq!(trusted_roots(Some(&extra)).unwrap().len(), built_in + 1);
        assert!(built_in > 50);
    }

    #[test]
    fn a_broken_file_of_extra_trust_is_a_fault() {
        let folder = folder();
        for name in ["missing.pem", "empty", "cut.pem", "no.pem"] {
            assert!(ExtraTrust::read(&folder.path().join(name)).is_err(), "{name}");
        }
    }
}
