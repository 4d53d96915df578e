//! TLS for the tests of other rooms.

use std::{path::Path, sync::Arc};

use rustls::ClientConfig;

use super::{
    client::{ClientSettings, ClientTls},
    server::{ServerSettings, ServerTls, TlsVersion},
    testing::Files,
};

/// TLS with a certificate for each list of names, which asks clients for theirs or not.
pub(crate) fn tls(certificates: &[&[&str]], asks_for_certificates: bool) -> ServerTls {
    let files = Files::new();
    let pairs = certificates
        .iter()
        .enumerate()
        .map(|(index, names)| files.pair(&index.to_string(), names, (2024, 4000)))
        .collect();
    let client_ca = asks_for_certificates.then(|| files.authority("ca", (2024, 4000)));
    let settings = ServerSettings { certificates: pairs, min_version: TlsVersion::V12, client_ca };
    ServerTls::load(&settings, None).unwrap().0
}

/// How servers are spoken to whose certificates this file vouches for, or any certificate.
pub(crate) fn client_config(ca: Option<&Path>, insecure: bool) -> Arc<ClientConfig> {
    let settings =
        ClientSettings { ca: ca.map(Path::to_owned), verify: !insecure, ..ClientSettings::default() };
    Arc::clone(ClientTls::load(&settings, &[]).unwrap().0.config())
}
