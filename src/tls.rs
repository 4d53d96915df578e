//! Certificates and keys in PEM files become rustls configurations, checked when they are loaded and not
//! when the first client comes.
//!
//! Nothing here touches a socket: the configuration is checked with these functions, and
//! [`net::handshake`](crate::net::handshake) uses what they return. The provider (aws-lc-rs) is always passed
//! explicitly, because a process may have two compiled in, and rustls then refuses to choose.
//!
//! Memory: rustls offers three bounds. The sessions kept for resumption are counted here, per
//! configuration; the records waiting for a slow peer are bounded per connection at the handshake; fragments
//! smaller than a record are not asked for, as they would cost every connection throughput.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::io::Errno;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{
        CryptoProvider,
        aws_lc_rs::{self, Ticketer},
        verify_tls12_signature, verify_tls13_signature,
    },
    pki_types::{
        CertificateDer, PrivateKeyDer, ServerName, UnixTime,
        pem::{self, PemObject},
    },
    server::ServerSessionMemoryCache,
    sign::CertifiedKey,
};

/// Client sessions kept for resumption without a ticket, each some hundred bytes; the oldest goes first.
const SERVER_SESSIONS: usize = 1024;

/// Upstream names for which sessions are kept, up to eight tickets each; the oldest goes first.
const CLIENT_SESSIONS: usize = 256;

/// The protocol offered and asked for (RFC 7301); a peer that insists on another gets an alert instead of a
/// conversation in two languages.
const ALPN: &[u8] = b"http/1.1";

/// Why a certificate or key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// The file cannot be read.
    #[error("cannot read {file}: {reason}; {advice}", reason = reason(.source), advice = advice(.source))]
    Unreadable {
        /// The file as it was named.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no PEM.
    #[error("{file} is damaged: {reason}; export it again as PEM")]
    Damaged {
        /// The file as it was named.
        file: PathBuf,
        /// Where the reader stopped.
        reason: String,
    },
    /// The file holds no certificate.
    #[error("{file} holds no certificate; name a PEM file with at least one BEGIN CERTIFICATE section")]
    NoCertificate {
        /// The file as it was named.
        file: PathBuf,
    },
    /// The file holds no private key.
    #[error("{file} holds no private key; name a PEM file with a PKCS#8, PKCS#1 or SEC1 key")]
    NoKey {
        /// The file as it was named.
        file: PathBuf,
    },
    /// The private key needs a passphrase.
    #[error("the private key in {file} is encrypted; decrypt it with `openssl pkey -in {file} -out FILE`")]
    EncryptedKey {
        /// The file as it was named.
        file: PathBuf,
    },
    /// The private key is of a kind that is not supported.
    #[error(
        "the private key in {file} cannot be used: {reason}; \
         use an RSA (2048 bits or more), ECDSA or Ed25519 key"
    )]
    UnusableKey {
        /// The file as it was named.
        file: PathBuf,
        /// What the library said.
        reason: rustls::Error,
    },
    /// The certificate is no X.509 v3 certificate.
    #[error("certificate {number} in {file} cannot be used: {reason}; export it again as X.509 version 3")]
    UnusableCertificate {
        /// The file as it was named.
        file: PathBuf,
        /// Which of its certificates, from 1.
        number: usize,
        /// What the library said.
        reason: rustls::Error,
    },
    /// The key belongs to another certificate.
    #[error(
        "the private key in {key} does not belong to the first certificate in {certificate}; \
         name matching files, with the server's own certificate before its issuers'"
    )]
    KeyMismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The library cannot set up its cryptography.
    #[error("TLS cannot be set up: {0}; report this as a defect")]
    Setup(rustls::Error),
}

fn reason(error: &io::Error) -> String {
    match Errno::from_io_error(error) {
        Some(Errno::NOENT) => "there is no such file".to_owned(),
        Some(Errno::ACCESS) => "permission denied".to_owned(),
        Some(Errno::ISDIR) => "it is a directory".to_owned(),
        _ => error.to_string(),
    }
}

fn advice(error: &io::Error) -> &'static str {
    match Errno::from_io_error(error) {
        Some(Errno::ACCESS) => "let the user that corsair runs as read it",
        _ => "check the path",
    }
}

/// How a listener speaks TLS: 1.2 and 1.3 with the certificate and key of these PEM files, `http/1.1`, and
/// resumption by tickets, whose keys change every six hours, or from a bounded memory. No early data: it
/// can be replayed (RFC 8446 §8).
///
/// # Errors
/// [`TlsFault`] when a file is missing, unreadable or not PEM, holds nothing of use, or when the key does
/// not belong to the certificate.
pub fn server_config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsFault> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let chain = read_certificates(certificate)?;
    let identity = CertifiedKey::from_der(chain, read_key(key)?, &provider)
        .map_err(|error| identity_fault(error, certificate, key))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsFault::Setup)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(identity)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = ServerSessionMemoryCache::new(SERVER_SESSIONS);
    config.ticketer = Ticketer::new().map_err(TlsFault::Setup)?;
    Ok(Arc::new(config))
}

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

fn read(file: &Path) -> Result<Vec<u8>, TlsFault> {
    fs::read(file).map_err(|source| TlsFault::Unreadable { file: file.to_owned(), source })
}

fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let text = read(file)?;
    let certificates = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsFault::Damaged { file: file.to_owned(), reason: error.to_string() })?;
    if certificates.is_empty() {
        return Err(TlsFault::NoCertificate { file: file.to_owned() });
    }
    Ok(certificates)
}

fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsFault> {
    let text = read(file)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        let file = file.to_owned();
        if is_encrypted(&text) {
            TlsFault::EncryptedKey { file }
        } else if let pem::Error::NoItemsFound = error {
            TlsFault::NoKey { file }
        } else {
            TlsFault::Damaged { file, reason: error.to_string() }
        }
    })
}

/// Whether a PEM text says that its key is encrypted, in the form of PKCS#8 or of RFC 1421.
fn is_encrypted(text: &[u8]) -> bool {
    [&b"BEGIN ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"]
        .iter()
        .any(|mark| memchr::memmem::find(text, mark).is_some())
}

fn identity_fault(error: rustls::Error, certificate: &Path, key: &Path) -> TlsFault {
    if let rustls::Error::InconsistentKeys(_) = error {
        return TlsFault::KeyMismatch { certificate: certificate.to_owned(), key: key.to_owned() };
    }
    if let rustls::Error::InvalidCertificate(_) = error {
        return TlsFault::UnusableCertificate { file: certificate.to_owned(), number: 1, reason: error };
    }
    TlsFault::UnusableKey { file: key.to_owned(), reason: error }
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
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    /// A folder with `a.pem`, `a.key` and the key of another certificate, `b.key`.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        for (name, text) in [
            ("a.pem", certificate.pem()),
            ("a.key", key.serialize_pem()),
            ("b.key", KeyPair::generate().unwrap().serialize_pem()),
            ("empty", String::new()),
            ("cut.pem", certificate.pem().lines().take(4).collect::<Vec<_>>().join("\n")),
            ("no.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned()),
            (
                "locked.key",
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n".to_owned(),
            ),
            (
                "locked-old.key",
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"
                    .to_owned(),
            ),
            ("bad.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".to_owned()),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn a_certificate_and_its_key_make_a_configuration() {
        let folder = folder();
        let config = server_config(&folder.path().join("a.pem"), &folder.path().join("a.key")).unwrap();
        assert_eq!(config.alpn_protocols, [b"http/1.1"]);
        assert!(config.ticketer.enabled());
        assert_eq!(config.max_early_data_size, 0);
    }

    #[test]
    fn a_fault_names_the_file_the_cause_and_the_remedy() {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        for (certificate, key, expected) in [
            ("missing.pem", "a.key", "cannot read DIR/missing.pem: there is no such file; check the path"),
            (".", "a.key", "cannot read DIR/.: it is a directory; check the path"),
            ("empty", "a.key", "DIR/empty holds no certificate; name"),
            ("a.key", "a.key", "DIR/a.key holds no certificate; name"),
            ("cut.pem", "a.key", "DIR/cut.pem is damaged: "),
            ("no.pem", "a.key", "certificate 1 in DIR/no.pem cannot be used: "),
            ("a.pem", "missing.key", "cannot read DIR/missing.key: there is no such file; check the path"),
            ("a.pem", "a.pem", "DIR/a.pem holds no private key; name"),
            ("a.pem", "locked.key", "the private key in DIR/locked.key is encrypted; decrypt it with"),
            (
                "a.pem",
                "locked-old.key",
                "the private key in DIR/locked-old.key is encrypted; decrypt it with",
            ),
            ("a.pem", "bad.key", "the private key in DIR/bad.key cannot be used: "),
            (
                "a.pem",
                "b.key",
                "the private key in DIR/b.key does not belong to the first certificate in DIR/a.pem",
            ),
        ] {
            let fault = server_config(&at(certificate), &at(key)).unwrap_err().to_string();
            let fault = fault.replace(folder.path().to_str().unwrap(), "DIR");
            assert!(fault.starts_with(expected), "{certificate} {key}: {fault}");
        }
    }

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
