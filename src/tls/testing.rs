//! Files for the tests of this room.

use std::fs;

use rcgen::{CertificateParams, KeyPair};

/// A folder with `a.pem`, `a.key` and the key of another certificate, `b.key`.
pub(super) fn folder() -> tempfile::TempDir {
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
