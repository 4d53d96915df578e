//! Files for the tests of this room.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;

use super::{
    files::CertificateFiles,
    server::{ServerSettings, ServerTls, TlsVersion},
};

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

/// A folder for certificates of a test's own.
pub(super) struct Files(tempfile::TempDir);

impl Files {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The file of this name.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A certificate for these names (addresses too) that is good from the begin of one year to that of another, as
    /// `STEM.pem`, and its key, `STEM.key`. One that was there is replaced.
    pub(super) fn pair(&self, stem: &str, names: &[&str], years: (i32, i32)) -> CertificateFiles {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        self.write(stem, CertificateParams::new(names).unwrap(), years)
    }

    /// The certificate of an authority, its subject being called by the stem.
    pub(super) fn authority(&self, stem: &str, years: (i32, i32)) -> PathBuf {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, stem);
        self.write(stem, params, years).certificate
    }

    fn write(&self, stem: &str, mut params: CertificateParams, (from, to): (i32, i32)) -> CertificateFiles {
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let key = KeyPair::generate().unwrap();
        let files = CertificateFiles {
            certificate: self.path(&format!("{stem}.pem")),
            key: self.path(&format!("{stem}.key")),
        };
        fs::write(&files.certificate, params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }
}

impl ServerSettings {
    /// Those of one certificate.
    pub(crate) fn of(certificate: &Path, key: &Path) -> Self {
        let files = CertificateFiles { certificate: certificate.to_owned(), key: key.to_owned() };
        Self { certificates: vec![files], min_version: TlsVersion::V12, client_ca: None }
    }
}

impl ServerTls {
    /// The same, but that sessions of `other` are resumed.
    pub(crate) fn with_sessions_of(&self, other: &Self) -> Self {
        let mut config = ServerConfig::clone(self.config());
        config.ticketer = Arc::clone(&other.config().ticketer);
        config.session_storage = Arc::clone(&other.config().session_storage);
        self.with_config(config)
    }

    /// TLS with one certificate.
    pub(crate) fn of(certificate: &Path, key: &Path) -> Self {
        Self::load(&ServerSettings::of(certificate, key), None).unwrap().0
    }
}
