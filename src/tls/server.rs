//! How a listener speaks TLS to clients.

use std::{fmt, path::PathBuf, sync::Arc};

use rustls::{
    ALL_VERSIONS, ServerConfig, SupportedProtocolVersion,
    crypto::{
        CryptoProvider,
        aws_lc_rs::{self, Ticketer},
    },
    pki_types::{CertificateDer, UnixTime},
    server::{NoServerSessionStorage, ProducesTickets, ServerSessionMemoryCache, StoresServerSessions},
    version::TLS13,
};

use super::{
    ALPN,
    authority::ClientAuthority,
    certificate::Certificate,
    files::{CertificateFiles, TlsFault},
    handshake::ServerHandshake,
    identities::{Identities, Identity, IdentityFaults},
    subject::subject,
};

/// Client sessions kept for resumption without a ticket; the oldest goes first.
pub const SERVER_SESSIONS: usize = 1024;
/// What one of them takes at most, in bytes: keys, the name that the client asked for, and its place in the table.
pub const SERVER_SESSION_MEMORY: usize = 1 << 10;

/// How a listener is to speak TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Who it can be; at least one. The first is for clients that ask for nobody, or for somebody unknown.
    pub certificates: Vec<CertificateFiles>,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
    /// Who signs the certificates that clients must show; `None` asks for none.
    pub client_ca: Option<PathBuf>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2 (RFC 5246)
    V12,
    /// 1.3 (RFC 8446)
    V13,
}

impl TlsVersion {
    /// What is spoken where this is the oldest.
    pub(super) const fn and_newer(self) -> &'static [&'static SupportedProtocolVersion] {
        static NEWEST: [&SupportedProtocolVersion; 1] = [&TLS13];
        match self {
            Self::V12 => ALL_VERSIONS,
            Self::V13 => &NEWEST,
        }
    }
}

/// What a fault is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsPart {
    /// The certificate of this index.
    Certificate(usize),
    /// The key of this index, or that it belongs to another certificate.
    Key(usize),
    /// The certificates that must have signed those of the peer.
    Authority,
    /// None of the files.
    Settings,
}

/// A fault, and what it is about.
pub type PartFault = (TlsPart, TlsFault);

/// How a listener speaks TLS, and what is known of its certificates. Cheap to clone.
#[derive(Clone)]
pub struct ServerTls(Arc<Loaded>);

struct Loaded {
    config: Arc<ServerConfig>,
    identities: Arc<Identities>,
    min_version: TlsVersion,
    client_ca: Option<Arc<ClientAuthority>>,
}

impl ServerTls {
    /// Reads the files of the settings: TLS with these certificates, `http/1.1`, and resumption by tickets, whose keys
    /// change every six hours, or from a bounded memory. No early data: it can be replayed (RFC 8446 §8).
    ///
    /// Where clients must show certificates, sessions are resumed by tickets alone: each holds the certificates of its
    /// client. Whoever accepts a resumed one asks [`ServerTls::verify_resumed`], for the library does not look at them
    /// again, and from ticket to ticket a session has no end.
    ///
    /// With `before`, which is in use, what cannot be read any more is used as it was read last, and its faults come
    /// back to be warned of. Sessions live on, unless versions or what is asked of clients have changed: resumed, they
    /// would be asked for nothing.
    ///
    /// # Errors
    /// All faults, where one is about files that `before` has not.
    pub fn load(
        settings: &ServerSettings,
        before: Option<&Self>,
    ) -> Result<(Self, Vec<TlsFault>), Vec<PartFault>> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut loading =
            Loading { provider: Arc::clone(&provider), before, faults: Vec::new(), is_usable: true };
        let identities = loading.identities(&settings.certificates);
        let client_ca = loading.client_ca(settings.client_ca.as_ref());
        let Loading { mut faults, is_usable, .. } = loading;
        let (Some(identities), true) = (identities, is_usable) else { return Err(faults) };
        let identities = Arc::new(identities);
        let continued =
            before.filter(|before| before.asks_as_much(settings.min_version, client_ca.as_deref()));
        match config(provider, settings.min_version, client_ca.as_deref(), &identities, continued) {
            Ok(config) => {
                let loaded = Loaded { config, identities, min_version: settings.min_version, client_ca };
                Ok((Self(Arc::new(loaded)), faults.into_iter().map(|(_, fault)| fault).collect()))
            }
            Err(fault) => {
                faults.push((TlsPart::Settings, fault));
                Err(faults)
            }
        }
    }

    /// What the library is configured with.
    #[must_use]
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.0.config
    }

    /// The certificates that it shows, the default first; chains are not among them.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.0.identities.iter().map(|identity| &*identity.certificate)
    }

    /// The certificates that must have signed those of clients; none where clients show none.
    #[must_use]
    pub fn client_authorities(&self) -> &[Certificate] {
        self.0.client_ca.as_ref().map_or(&[], |authority| &authority.certificates)
    }

    /// Whether clients must show a certificate.
    #[must_use]
    pub fn asks_for_certificates(&self) -> bool {
        self.0.client_ca.is_some()
    }

    /// Whether sessions are kept here to be resumed, and not in tickets alone.
    #[must_use]
    pub fn keeps_sessions(&self) -> bool {
        self.0.config.session_storage.can_cache()
    }

    /// Whether sessions of one are sessions of the other.
    #[must_use]
    pub fn shares_sessions_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0.config.session_storage, &other.0.config.session_storage)
    }

    /// What a handshake tells of a client that has named the server so, if at all, and has shown these certificates, if
    /// any.
    #[must_use]
    pub fn told(&self, server_name: Option<&str>, shown: Option<&[CertificateDer<'_>]>) -> ServerHandshake {
        let certificate = Arc::clone(&self.0.identities.of(server_name).certificate);
        let subject = shown.and_then(<[_]>::first).map(subject);
        ServerHandshake::new(server_name, certificate, self.asks_for_certificates(), subject.as_deref())
    }

    /// Looks again at the certificates with which a session began that has been resumed.
    ///
    /// # Errors
    /// Why they are not good (any more), where clients must show good ones.
    pub fn verify_resumed(
        &self,
        shown: Option<&[CertificateDer<'_>]>,
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let Some(authority) = &self.0.client_ca else { return Ok(()) };
        let (own, others) =
            shown.and_then(<[_]>::split_first).ok_or(rustls::Error::NoCertificatesPresented)?;
        authority.verifier.verify_client_cert(own, others, now).map(drop)
    }

    fn asks_as_much(&self, min_version: TlsVersion, client_ca: Option<&ClientAuthority>) -> bool {
        let asks_the_same = match (self.0.client_ca.as_deref(), client_ca) {
            (None, None) => true,
            (Some(before), Some(now)) => now.trusts_the_same(before),
            (None, Some(_)) | (Some(_), None) => false,
        };
        asks_the_same && self.0.min_version == min_version
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<_> = self.0.identities.iter().map(|identity| &identity.files).collect();
        f.debug_struct("ServerTls")
            .field("certificates", &files)
            .field("min_version", &self.0.min_version)
            .field("client_ca", &self.0.client_ca.as_ref().map(|authority| &authority.file))
            .finish_non_exhaustive()
    }
}

/// Files that are being read, and what was found wrong with them.
struct Loading<'a> {
    provider: Arc<CryptoProvider>,
    before: Option<&'a ServerTls>,
    faults: Vec<PartFault>,
    /// Nothing is missing that was never read.
    is_usable: bool,
}

impl Loading<'_> {
    fn identities(&mut self, files: &[CertificateFiles]) -> Option<Identities> {
        if files.is_empty() {
            self.faults.push((TlsPart::Settings, TlsFault::NoIdentity));
        }
        let read: Vec<_> =
            files.iter().enumerate().map(|(index, files)| self.identity(index, files)).collect();
        let mut identities = read.into_iter().flatten();
        Some(Identities::new(identities.next()?, identities.collect()))
    }

    /// The pair of this index, as it was read last where it cannot be read now.
    fn identity(&mut self, index: usize, files: &CertificateFiles) -> Option<Arc<Identity>> {
        let faults = match Identity::read(files, &self.provider) {
            Ok(identity) => return Some(Arc::new(identity)),
            Err(faults) => faults,
        };
        let IdentityFaults { certificate, key } = *faults;
        self.faults.extend(certificate.map(|fault| (TlsPart::Certificate(index), fault)));
        self.faults.extend(key.map(|fault| (TlsPart::Key(index), fault)));
        let last =
            self.before.and_then(|before| before.0.identities.iter().find(|last| last.files == *files));
        self.is_usable &= last.is_some();
        last.cloned()
    }

    /// The authority in this file, as it was read last where it cannot be read now.
    fn client_ca(&mut self, file: Option<&PathBuf>) -> Option<Arc<ClientAuthority>> {
        let file = file?;
        let fault = match ClientAuthority::read(file, &self.provider) {
            Ok(authority) => return Some(Arc::new(authority)),
            Err(fault) => fault,
        };
        self.faults.push((TlsPart::Authority, fault));
        let last =
            self.before.and_then(|before| before.0.client_ca.as_ref()).filter(|last| last.file == *file);
        self.is_usable &= last.is_some();
        last.cloned()
    }
}

/// The configuration for the library; its sessions are those of `continued`, if that is any.
fn config(
    provider: Arc<CryptoProvider>,
    min_version: TlsVersion,
    client_ca: Option<&ClientAuthority>,
    identities: &Arc<Identities>,
    continued: Option<&ServerTls>,
) -> Result<Arc<ServerConfig>, TlsFault> {
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(min_version.and_newer())
        .map_err(TlsFault::Setup)?;
    let builder = match client_ca {
        Some(authority) => builder.with_client_cert_verifier(Arc::clone(&authority.verifier)),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::<Identities>::clone(identities));
    config.alpn_protocols = vec![ALPN.to_vec()];
    let (sessions, tickets): (Arc<dyn StoresServerSessions>, Arc<dyn ProducesTickets>) = match continued {
        Some(before) => (Arc::clone(&before.0.config.session_storage), Arc::clone(&before.0.config.ticketer)),
        None if client_ca.is_some() => {
            (Arc::new(NoServerSessionStorage {}), Ticketer::new().map_err(TlsFault::Setup)?)
        }
        None => (ServerSessionMemoryCache::new(SERVER_SESSIONS), Ticketer::new().map_err(TlsFault::Setup)?),
    };
    config.session_storage = sessions;
    config.ticketer = tickets;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests;
