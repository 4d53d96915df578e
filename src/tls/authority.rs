//! Certificates that clients of a listener must show, and who may have signed them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use super::{
    certificate::Certificate,
    chain,
    files::{TlsFault, read_certificates},
};

/// Who signs the certificates of clients.
#[derive(Debug)]
pub(super) struct ClientAuthority {
    pub(super) file: PathBuf,
    /// What is in the file, to be compared with what was in it before.
    ders: Vec<CertificateDer<'static>>,
    pub(super) certificates: Vec<Certificate>,
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
}

impl ClientAuthority {
    /// Reads the certificates of `file`. A client must show one that leads to one of these; the name in it does not
    /// matter.
    ///
    /// # Errors
    /// [`TlsFault`] when the file is missing, unreadable, not PEM, or holds no usable certificate.
    pub(super) fn read(file: &Path, provider: &Arc<CryptoProvider>) -> Result<Self, TlsFault> {
        let ders = read_certificates(file)?;
        let mut roots = RootCertStore::empty();
        let mut certificates = Vec::new();
        for (index, der) in ders.iter().enumerate() {
            let number = index + 1;
            let unusable = |reason| TlsFault::unusable(file, number, reason);
            roots.add(der.clone()).map_err(unusable)?;
            let certificate = Certificate::read(der, file, number);
            certificates.push(certificate.map_err(|reason| unusable(rustls::Error::General(reason)))?);
        }
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
        // It fails for a store without roots, and for revocation lists.
        let verifier =
            verifier.map_err(|error| TlsFault::Setup(rustls::Error::General(error.to_string())))?;
        Ok(Self { file: file.to_owned(), ders, certificates, verifier: Arc::new(ShortChains(verifier)) })
    }

    /// Whether the same certificates are trusted, whichever file they are from.
    pub(super) fn trusts_the_same(&self, other: &Self) -> bool {
        self.ders == other.ders
    }
}

/// Refuses chains that would take more memory than there is for one, before anything else is asked about them.
#[derive(Debug)]
struct ShortChains(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for ShortChains {
    fn offer_client_auth(&self) -> bool {
        self.0.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        chain::limit(end_entity, intermediates)?;
        self.0.verify_client_cert(end_entity, intermediates, now)
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
