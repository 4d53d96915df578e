//! Certificates and keys out of PEM files, and what can be wrong with them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::io::Errno;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};

/// The files of a certificate and of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate with its chain, the own one first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

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
         name matching files, with the own certificate before its issuers'"
    )]
    KeyMismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// No certificate is named at all.
    #[error("there is no certificate; name the files of at least one and of its private key")]
    NoIdentity,
    /// The library cannot set up its cryptography.
    #[error("TLS cannot be set up: {0}; report this as a defect")]
    Setup(rustls::Error),
}

impl TlsFault {
    /// That the certificate of this number in `file` is none.
    pub(super) fn unusable(file: &Path, number: usize, reason: rustls::Error) -> Self {
        Self::UnusableCertificate { file: file.to_owned(), number, reason }
    }
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

fn read(file: &Path) -> Result<Vec<u8>, TlsFault> {
    fs::read(file).map_err(|source| TlsFault::Unreadable { file: file.to_owned(), source })
}

/// The certificates of a file, at least one.
pub(super) fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let text = read(file)?;
    let certificates = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsFault::Damaged { file: file.to_owned(), reason: error.to_string() })?;
    if certificates.is_empty() {
        return Err(TlsFault::NoCertificate { file: file.to_owned() });
    }
    Ok(certificates)
}

/// The first private key of a file.
pub(super) fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsFault> {
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
