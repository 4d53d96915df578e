//! Certificates with their keys: those of a listener, of which a client gets one, and what is shown to a server.

use std::{borrow::Cow, collections::HashMap, path::Path, sync::Arc};

use foldhash::fast::RandomState;
use rustls::{
    InconsistentKeys,
    client::ResolvesClientCert,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::CertificateDer,
    server::{ClientHello, ParsedCertificate, ResolvesServerCert},
    sign::{CertifiedKey, SigningKey, SingleCertAndKey},
};

use super::{
    certificate::{Certificate, CertificateName},
    files::{CertificateFiles, TlsFault, read_certificates, read_key},
};

/// Who a listener can be, or who we are to a server: a certificate with its chain and key.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) files: CertificateFiles,
    pub(super) certificate: Arc<Certificate>,
    certified: Arc<CertifiedKey>,
}

/// What is wrong with a pair of files.
#[derive(Debug)]
pub(super) struct IdentityFaults {
    pub(super) certificate: Option<TlsFault>,
    /// Its own, or that it belongs to another certificate.
    pub(super) key: Option<TlsFault>,
}

impl Identity {
    /// Reads the files, each for itself, so that what is wrong with one does not hide what is with the other.
    pub(super) fn read(
        files: &CertificateFiles,
        provider: &CryptoProvider,
    ) -> Result<Self, Box<IdentityFaults>> {
        let (chain, key) = (read_chain(&files.certificate), read_signing_key(&files.key, provider));
        let ((chain, certificate), key) = match (chain, key) {
            (Ok(chain), Ok(key)) => (chain, key),
            (chain, key) => {
                return Err(Box::new(IdentityFaults { certificate: chain.err(), key: key.err() }));
            }
        };
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(Self {
                files: files.clone(),
                certificate: Arc::new(certificate),
                certified: Arc::new(certified),
            }),
            Err(_) => {
                let CertificateFiles { certificate, key } = files.clone();
                let mismatch = TlsFault::KeyMismatch { certificate, key };
                Err(Box::new(IdentityFaults { certificate: None, key: Some(mismatch) }))
            }
        }
    }

    /// The certificate and its chain.
    pub(super) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    /// It for every server that asks for a certificate.
    pub(super) fn for_servers(&self) -> Arc<dyn ResolvesClientCert> {
        Arc::new(SingleCertAndKey::from(Arc::clone(&self.certified)))
    }
}

/// What is wrong with the file of a certificate that has no key.
#[must_use]
pub fn certificate_fault(file: &Path) -> Option<TlsFault> {
    read_chain(file).err()
}

/// What is wrong with the file of a key that has no certificate.
#[must_use]
pub fn key_fault(file: &Path) -> Option<TlsFault> {
    read_signing_key(file, &aws_lc_rs::default_provider()).err()
}

fn read_chain(file: &Path) -> Result<(Vec<CertificateDer<'static>>, Certificate), TlsFault> {
    let chain = read_certificates(file)?;
    let own = chain.first().ok_or_else(|| TlsFault::NoCertificate { file: file.to_owned() })?;
    // What the library that uses it cannot read is a fault, whatever the other one makes of it.
    ParsedCertificate::try_from(own).map_err(|reason| TlsFault::unusable(file, 1, reason))?;
    let certificate = Certificate::read(own, file, 1)
        .map_err(|reason| TlsFault::unusable(file, 1, rustls::Error::General(reason)))?;
    Ok((chain, certificate))
}

fn read_signing_key(file: &Path, provider: &CryptoProvider) -> Result<Arc<dyn SigningKey>, TlsFault> {
    let key = read_key(file)?;
    provider
        .key_provider
        .load_private_key(key)
        .map_err(|reason| TlsFault::UnusableKey { file: file.to_owned(), reason })
}

/// The identities of a listener, never none. The tables are filled by the operator alone, so that clients cannot choose
/// what is hashed beside what.
#[derive(Debug)]
pub(super) struct Identities {
    first: Arc<Identity>,
    others: Vec<Arc<Identity>>,
    hosts: HashMap<Box<str>, Arc<Identity>, RandomState>,
    below: HashMap<Box<str>, Arc<Identity>, RandomState>,
}

impl Identities {
    /// Those of the settings, in their order: of two for the same name the first is shown.
    pub(super) fn new(first: Arc<Identity>, others: Vec<Arc<Identity>>) -> Self {
        let (mut hosts, mut below) = (HashMap::default(), HashMap::default());
        for identity in std::iter::once(&first).chain(&others) {
            for name in &identity.certificate.names {
                let (table, name) = match name {
                    CertificateName::Host(name) => (&mut hosts, name),
                    CertificateName::Below(parent) => (&mut below, parent),
                    // No client names an address (RFC 6066 §3).
                    CertificateName::Address(_) => continue,
                };
                table.entry(name.clone()).or_insert_with(|| Arc::clone(identity));
            }
        }
        Self { first, others, hosts, below }
    }

    /// All of them, in the order of the settings.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Identity>> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The one for a client that asks for the server of this name: of exactly that name, else with a wildcard over it,
    /// else the first of all.
    pub(super) fn of(&self, server_name: Option<&str>) -> &Arc<Identity> {
        let found = server_name.and_then(|name| {
            let name = folded(name);
            let below = || self.below.get(name.split_once('.').filter(|(first, _)| !first.is_empty())?.1);
            self.hosts.get(&*name).or_else(below)
        });
        found.unwrap_or(&self.first)
    }
}

impl ResolvesServerCert for Identities {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.of(hello.server_name()).certified))
    }
}

/// A name in lower case and without a last dot; as it is, where that is so.
fn folded(name: &str) -> Cow<'_, str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        name.to_ascii_lowercase().into()
    } else {
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::Files, *};

    #[test]
    fn a_client_gets_the_certificate_of_the_name_it_asks_for_else_the_first() {
        let files = Files::new();
        let provider = aws_lc_rs::default_provider();
        let read = |stem: &str, names: &[&str]| {
            Arc::new(Identity::read(&files.pair(stem, names, (2024, 4000)), &provider).unwrap())
        };
        let identities = Identities::new(
            read("first", &["first.example"]),
            vec![
                read("wild", &["*.example", "*.deep.example", "192.0.2.1"]),
                read("exact", &["a.example", "first.example"]),
            ],
        );
        let stem = |name: Option<&str>| {
            let file = &identities.of(name).files.certificate;
            file.file_stem().and_then(|stem| stem.to_str()).unwrap().to_owned()
        };
        for (name, expected) in [
            ("first.example", "first"),
            ("a.example", "exact"),
            ("A.Example.", "exact"),
            ("b.example", "wild"),
            ("x.deep.example", "wild"),
            ("y.x.deep.example", "first"),
            ("x.a.example", "first"),
            (".example", "first"),
            ("example", "first"),
            ("other.test", "first"),
            ("192.0.2.1", "first"),
        ] {
            assert_eq!(stem(Some(name)), expected, "{name}");
        }
        assert_eq!(stem(None), "first");
        assert_eq!(identities.iter().count(), 3);
    }
}
