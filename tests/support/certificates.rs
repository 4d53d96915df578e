//! Certificates made for one test: a trusted authority, an unknown one, an expired leaf, a wrong name.

use std::{path::PathBuf, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer},
};

/// A certificate authority with a directory for PEM files.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: tempfile::TempDir,
}

/// A server certificate and its key.
pub(crate) struct Leaf {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    key: KeyPair,
}

impl Authority {
    /// A new authority that nobody trusts yet.
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "corsair test authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer, directory: tempfile::tempdir().unwrap() }
    }

    /// The path of the authority's certificate, for `--ca-file`.
    pub(crate) fn file(&self) -> PathBuf {
        let path = self.directory.path().join("ca.pem");
        std::fs::write(&path, self.issuer.pem()).unwrap();
        path
    }

    /// A certificate for these names (addresses too), valid now.
    pub(crate) fn leaf(&self, names: &[&str]) -> Leaf {
        self.sign(names, false)
    }

    /// A certificate for these names that was valid in 2020.
    pub(crate) fn expired_leaf(&self, names: &[&str]) -> Leaf {
        self.sign(names, true)
    }

    /// A certificate for these names that its own key signed, as an authority's (`openssl req -x509`) or as a server's.
    pub(crate) fn self_signed(names: &[&str], is_authority: bool, expired: bool) -> Leaf {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        if is_authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        if expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2020, 2, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Leaf { certificate_pem: certificate.pem(), certificate: certificate.der().clone(), key }
    }

    fn sign(&self, names: &[&str], expired: bool) -> Leaf {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        if expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2020, 2, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Leaf { certificate_pem: certificate.pem(), certificate: certificate.der().clone(), key }
    }

    /// Writes certificate and key as PEM files and returns their paths.
    pub(crate) fn write(&self, leaf: &Leaf) -> (PathBuf, PathBuf) {
        self.write_as("leaf", leaf)
    }

    /// As [`Authority::write`], to files of this name.
    pub(crate) fn write_as(&self, stem: &str, leaf: &Leaf) -> (PathBuf, PathBuf) {
        let in_directory = |end: &str| self.directory.path().join(format!("{stem}.{end}"));
        let (certificate, key) = (in_directory("pem"), in_directory("key"));
        std::fs::write(&certificate, &leaf.certificate_pem).unwrap();
        std::fs::write(&key, leaf.key.serialize_pem()).unwrap();
        (certificate, key)
    }

    /// A client that trusts this authority alone and offers these protocols.
    pub(crate) fn client(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

impl Leaf {
    /// A server that shows this certificate.
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        self.server_with(Vec::new())
    }

    /// A server that shows this certificate, and others behind it.
    pub(crate) fn server_with(&self, others: Vec<CertificateDer<'static>>) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert([vec![self.certificate.clone()], others].concat(), key)
            .unwrap();
        Arc::new(config)
    }
}
