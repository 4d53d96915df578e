//! Certificates made for one test: a trusted authority, an unknown one, an expired leaf, a wrong name.

use std::{path::PathBuf, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::{
    ALL_VERSIONS, ClientConfig, ConfigBuilder, RootCertStore, ServerConfig, SupportedProtocolVersion,
    WantsVerifier,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::{ResolvesServerCertUsingSni, WebPkiClientVerifier},
    sign::CertifiedKey,
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

    /// A certificate for a client of this name, valid now.
    pub(crate) fn client_leaf(&self, common_name: &str) -> Leaf {
        let mut subject = DistinguishedName::new();
        subject.push(DnType::OrganizationName, "Example, Inc.");
        subject.push(DnType::CommonName, common_name);
        let mut params = CertificateParams::default();
        params.distinguished_name = subject;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
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
        self.issue(params)
    }

    fn issue(&self, params: CertificateParams) -> Leaf {
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

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }

    /// A client that trusts this authority alone and shows this certificate.
    pub(crate) fn client_showing(&self, leaf: &Leaf) -> Arc<ClientConfig> {
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots())
            .with_client_auth_cert(vec![leaf.certificate.clone()], leaf.private_key())
            .unwrap();
        Arc::new(config)
    }

    /// A client that trusts this authority alone and offers these protocols.
    pub(crate) fn client(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots())
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
        let config = Self::versions(ALL_VERSIONS)
            .with_no_client_auth()
            .with_single_cert([vec![self.certificate.clone()], others].concat(), self.private_key())
            .unwrap();
        Arc::new(config)
    }

    /// A server that shows this certificate and speaks this version alone.
    pub(crate) fn server_of(&self, version: &'static SupportedProtocolVersion) -> Arc<ServerConfig> {
        let chain = vec![self.certificate.clone()];
        let builder = Self::versions(&[version]).with_no_client_auth();
        Arc::new(builder.with_single_cert(chain, self.private_key()).unwrap())
    }

    /// A server that shows this certificate to whoever shows one that `authority` has signed.
    pub(crate) fn server_asking(&self, authority: &Authority) -> Arc<ServerConfig> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let roots = Arc::new(authority.roots());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build().unwrap();
        let builder = Self::versions(ALL_VERSIONS).with_client_cert_verifier(verifier);
        Arc::new(builder.with_single_cert(vec![self.certificate.clone()], self.private_key()).unwrap())
    }

    /// A server that shows this certificate to whoever asks for a server of this name.
    pub(crate) fn server_named(&self, name: &str) -> Arc<ServerConfig> {
        let provider = aws_lc_rs::default_provider();
        let key = provider.key_provider.load_private_key(self.private_key()).unwrap();
        let mut names = ResolvesServerCertUsingSni::new();
        names.add(name, CertifiedKey::new(vec![self.certificate.clone()], key)).unwrap();
        Arc::new(Self::versions(ALL_VERSIONS).with_no_client_auth().with_cert_resolver(Arc::new(names)))
    }

    fn versions(
        versions: &[&'static SupportedProtocolVersion],
    ) -> ConfigBuilder<ServerConfig, WantsVerifier> {
        ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }
}
