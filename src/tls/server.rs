//! How a listener speaks TLS to clients.

use std::{path::Path, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::{self, Ticketer},
    server::ServerSessionMemoryCache,
    sign::{CertifiedKey, SingleCertAndKey},
};

use super::{
    ALPN,
    files::{TlsFault, read_certificates, read_key},
};

/// Client sessions kept for resumption without a ticket; the oldest goes first.
pub const SERVER_SESSIONS: usize = 1024;
/// What one of them takes at most, in bytes: keys, the name that the client asked for, and its place in the table.
pub const SERVER_SESSION_MEMORY: usize = 1 << 10;

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
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = ServerSessionMemoryCache::new(SERVER_SESSIONS);
    config.ticketer = Ticketer::new().map_err(TlsFault::Setup)?;
    Ok(Arc::new(config))
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

#[cfg(test)]
mod tests {
    use super::{super::testing::folder, *};

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
}
