//! How we speak TLS to upstreams.

use std::{
    hash::BuildHasher as _,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use foldhash::quality::FixedState;
use rustls::{
    ClientConfig,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::ServerName,
};

use super::{
    ALPN,
    certificate::Certificate,
    chain::CHAIN_MEMORY,
    files::{CertificateFiles, TlsFault},
    identities::{Identity, IdentityFaults},
    server::{PartFault, TlsPart, TlsVersion},
    trust::{ExtraTrust, verifier},
};

/// Upstream names for which sessions are kept; the oldest goes first.
pub const CLIENT_SESSION_NAMES: usize = 32;
/// Sessions of one name: eight tickets of TLS 1.3, and a session of TLS 1.2.
pub const SESSIONS_OF_A_NAME: usize = TICKETS + 1;
/// Tickets of TLS 1.3 that rustls keeps for a name; it is told the number of tickets, not of names.
const TICKETS: usize = 8;
/// What one session takes at most, in bytes: a ticket as long as a handshake message may be, and the chain of
/// certificates that it stands for.
pub const CLIENT_SESSION_MEMORY: usize = (64 << 10) + CHAIN_MEMORY;

/// How upstreams are to be spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSettings {
    /// Whose certificates are trusted beside those of the built-in roots; a server's own may stand there too.
    pub ca: Option<PathBuf>,
    /// Whether certificates are verified; if not, any is accepted, and the peer must still prove that it holds the key of
    /// the one it shows.
    pub verify: bool,
    /// What is shown to servers that ask for a certificate.
    pub certificate: Option<CertificateFiles>,
    /// What servers are called instead of by their own names: they are asked for it, and their certificates must bear it.
    pub server_name: Option<ServerName<'static>>,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self { ca: None, verify: true, certificate: None, server_name: None, min_version: TlsVersion::V12 }
    }
}

/// How we speak TLS to upstreams. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    /// What it was made of, by content; empty where that is the default of everything.
    told_apart: Box<str>,
    verifies: bool,
    server_name: Option<ServerName<'static>>,
    trust: Option<Arc<ExtraTrust>>,
    identity: Option<Arc<Identity>>,
}

impl ClientTls {
    /// Reads the files of the settings: `http/1.1`, and sessions resumed from a bounded memory. That belongs to these
    /// settings alone, so that nothing is resumed that was not verified as they ask for (rule 8 of [`tls`](super)).
    ///
    /// What cannot be read any more and is in use in one of those `before` is used as it was read last, and its faults
    /// come back to be warned of. Sessions live on where the settings are those of one before.
    ///
    /// # Errors
    /// All faults, where one is about a file that none of those before has.
    pub fn load(
        settings: &ClientSettings,
        before: &[&Self],
    ) -> Result<(Self, Vec<PartFault>), Vec<PartFault>> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut loading = Loading { provider: &provider, before, faults: Vec::new(), is_usable: true };
        let trust = settings.ca.as_deref().and_then(|file| loading.trust(file));
        let identity = settings.certificate.as_ref().and_then(|files| loading.identity(files));
        let Loading { mut faults, is_usable, .. } = loading;
        if !is_usable {
            return Err(faults);
        }
        let told_apart = told_apart(settings, trust.as_deref(), identity.as_deref());
        let config = match before.iter().find(|before| before.told_apart == told_apart) {
            Some(same) => Ok(Arc::clone(&same.config)),
            None => config(settings, trust.as_deref(), identity.as_deref(), provider),
        };
        match config {
            Ok(config) => {
                let server_name = settings.server_name.clone();
                let verifies = settings.verify;
                Ok((Self { config, told_apart, verifies, server_name, trust, identity }, faults))
            }
            Err(fault) => {
                faults.push((TlsPart::Settings, fault));
                Err(faults)
            }
        }
    }

    /// What the library is configured with.
    #[must_use]
    pub const fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    /// What it was made of, by content: connections of one that differs are not its own. Empty where nothing was set.
    #[must_use]
    pub const fn told_apart(&self) -> &str {
        &self.told_apart
    }

    /// Whether certificates are verified.
    #[must_use]
    pub const fn verifies(&self) -> bool {
        self.verifies
    }

    /// What servers are called instead of by their own names.
    #[must_use]
    pub const fn server_name(&self) -> Option<&ServerName<'static>> {
        self.server_name.as_ref()
    }

    /// What is shown to servers that ask for a certificate; its chain is not told.
    #[must_use]
    pub fn certificate(&self) -> Option<&Certificate> {
        self.identity.as_ref().map(|identity| &*identity.certificate)
    }
}

/// Whether a handshake failed because the peer's certificate is not to be trusted, and not for a fault of
/// the protocol or of the connection.
#[must_use]
pub fn is_certificate_error(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    matches!(cause, Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented))
}

/// Files that are being read, and what was found wrong with them.
struct Loading<'a> {
    provider: &'a CryptoProvider,
    before: &'a [&'a ClientTls],
    faults: Vec<PartFault>,
    /// Nothing is missing that was never read.
    is_usable: bool,
}

impl Loading<'_> {
    /// What is trusted of this file, as it was read last where it cannot be read now.
    fn trust(&mut self, file: &Path) -> Option<Arc<ExtraTrust>> {
        let fault = match ExtraTrust::read(file) {
            Ok(trust) => return Some(Arc::new(trust)),
            Err(fault) => fault,
        };
        self.faults.push((TlsPart::Authority, fault));
        let last =
            self.before.iter().filter_map(|before| before.trust.as_ref()).find(|last| last.file == file);
        self.is_usable &= last.is_some();
        last.cloned()
    }

    /// The certificate in these files with its key, as they were read last where they cannot be read now.
    fn identity(&mut self, files: &CertificateFiles) -> Option<Arc<Identity>> {
        let IdentityFaults { certificate, key } = match Identity::read(files, self.provider) {
            Ok(identity) => return Some(Arc::new(identity)),
            Err(faults) => *faults,
        };
        self.faults.extend(certificate.map(|fault| (TlsPart::Certificate(0), fault)));
        self.faults.extend(key.map(|fault| (TlsPart::Key(0), fault)));
        let mut last = self.before.iter().filter_map(|before| before.identity.as_ref());
        let last = last.find(|last| last.files == *files);
        self.is_usable &= last.is_some();
        last.cloned()
    }
}

/// A text for these settings that others have only where they are the same, whatever their files are called: a file that
/// was replaced is another one.
fn told_apart(
    settings: &ClientSettings,
    trust: Option<&ExtraTrust>,
    identity: Option<&Identity>,
) -> Box<str> {
    if *settings == ClientSettings::default() {
        return Box::default();
    }
    let ClientSettings { verify, server_name, min_version, .. } = settings;
    let hash = FixedState::default();
    let trust = hash.hash_one(trust.map(|trust| &trust.ders));
    let identity = hash.hash_one(identity.map(Identity::chain));
    let name = server_name.as_ref().map(ServerName::to_str).unwrap_or_default();
    format!("verify={verify} ca={trust:x} cert={identity:x} name={name} min={min_version:?}").into()
}

/// The configuration for the library.
fn config(
    settings: &ClientSettings,
    trust: Option<&ExtraTrust>,
    identity: Option<&Identity>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<ClientConfig>, TlsFault> {
    let verifier = verifier(settings.verify, trust, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(settings.min_version.and_newer())
        .map_err(TlsFault::Setup)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(identity.for_servers()),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::in_memory_sessions(CLIENT_SESSION_NAMES * TICKETS);
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests;
