//! TLS handshakes on connections that exist already.
//!
//! No deadline here: the caller's covers more than the handshake, and dropping the future closes the
//! connection. No byte of a request can leave before the certificate was verified, because the stream to
//! write it to does not exist before. When a handshake fails, the alert that says why is sent on the way out.

use std::{fmt, io, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, HandshakeKind,
    pki_types::{ServerName, UnixTime},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{
    places::{Places, QueueTime},
    socket::Socket,
    stream::Stream,
    throttle::Throttle,
};
use crate::{
    error::Error,
    tls::{self, ServerHandshake, ServerTls},
};

/// Bytes of records that a connection may hold for a peer that does not take them: two full records, so
/// that one write still carries 32 KiB. rustls' own default is 64 KiB.
const RECORD_BUFFER: usize = 32 << 10;
/// The most user memory that TLS adds to a connection, in bytes: two records that wait for a peer (RFC 8446 §5.2: each
/// a little more than 16 KiB, for which the allocator takes 20), what comes in, and the session, some 10 KiB while it
/// is idle. A record and its plain text come in, or a handshake message in pieces, of which rustls holds 64 KiB.
pub const TLS_MEMORY: usize = RECORD_BUFFER + (88 << 10);
/// The most user memory that a handshake with an upstream takes which has shown its certificates and not proven yet
/// that they are its own, in bytes. Only then are they verified, and until then rustls holds as many as fit into
/// 64 KiB: 13,000 empty ones, 5 bytes each on the wire and 56 in memory.
pub const UNPROVEN_MEMORY: usize = 896 << 10;
/// Handshakes with upstreams that a worker carries out at once.
pub const HANDSHAKES: usize = 128;
/// How long one of them has its place, although others wait for one.
const PLACE_TIME: Duration = Duration::from_secs(1);

/// Places for the handshakes with upstreams of one worker.
#[must_use]
pub fn places() -> Places {
    Places::new(PLACE_TIME, HANDSHAKES)
}

/// Waits for the first byte of a client, and leaves it where it is: whether it is text, which begins no TLS record
/// (RFC 8446 §5.1), so that somebody waits for an answer that can be read. Nothing is held meanwhile.
pub async fn speaks_plain_text(socket: &Socket) -> bool {
    let mut first = [0];
    // What fails here fails in the handshake.
    socket.peek(&mut first).await.is_ok_and(|size| size > 0) && matches!(first, [b'!'..=b'~' | b'\r'])
}

/// Performs the server's side of a handshake, and hands back what it told of the client.
///
/// # Errors
/// [`Error::ClientGone`] when the client closed, spoke something else or refused us: after a failed
/// handshake there is nobody to answer. The cause is logged at debug level, as any port scan makes them.
pub async fn accept(tls: &ServerTls, socket: Socket) -> Result<(Stream, ServerHandshake), Error> {
    let handshake = TlsAcceptor::from(Arc::clone(tls.config()))
        .accept_with(socket, |connection| connection.set_buffer_limit(Some(RECORD_BUFFER)));
    let failed = |error: &dyn fmt::Display| {
        tracing::debug!(%error, "a client's TLS handshake failed");
        Error::ClientGone
    };
    let stream = handshake.await.map_err(|error| failed(&error))?;
    let (_, session) = stream.get_ref();
    let shown = session.peer_certificates();
    if session.handshake_kind() == Some(HandshakeKind::Resumed) {
        tls.verify_resumed(shown, UnixTime::now()).map_err(|error| failed(&error))?;
    }
    let told = tls.told(session.server_name(), shown);
    Ok((Stream::TlsServer(Box::new(stream)), told))
}

/// Performs the client's side of a handshake; `name` is what the certificate must be for, and is sent as
/// SNI when it is a DNS name.
///
/// # Errors
/// [`Error::TlsCertificate`] when the upstream's certificate is not to be trusted, with the reason logged;
/// [`Error::TlsProtocol`] when the handshake failed otherwise.
pub async fn connect(
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    tcp: TcpStream,
) -> Result<Stream, Error> {
    let shown = name.to_str().into_owned();
    let handshake = TlsConnector::from(config)
        .connect_with(name, tcp, |connection| connection.set_buffer_limit(Some(RECORD_BUFFER)));
    match handshake.await {
        Ok(stream) => Ok(Stream::TlsClient(Box::new(stream))),
        Err(error) => Err(upstream_fault(&shown, &error)),
    }
}

/// As [`connect`], in one of the `places`: what is not proven takes much. The wait for it is added to `queue`.
///
/// # Errors
/// As [`connect`], and [`Error::ConnectTimeout`] when the handshake took long while others waited for its place.
pub async fn connect_in(
    (places, queue): (&Places, &QueueTime),
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    tcp: TcpStream,
) -> Result<Stream, Error> {
    let place = places.take(queue).await.ok_or(Error::Internal)?;
    tokio::select! {
        biased;
        connected = connect(config, name, tcp) => connected,
        () = place.given_up() => Err(Error::ConnectTimeout),
    }
}

fn upstream_fault(name: &str, error: &io::Error) -> Error {
    static CERTIFICATE: Throttle = Throttle::new();
    static PROTOCOL: Throttle = Throttle::new();
    if tls::is_certificate_error(error) {
        if let Some(held_back) = CERTIFICATE.admit() {
            tracing::warn!(name, %error, held_back, "the certificate of an upstream is not trusted");
        }
        return Error::TlsCertificate;
    }
    if let Some(held_back) = PROTOCOL.admit() {
        tracing::warn!(name, %error, held_back, "the TLS handshake with an upstream failed");
    }
    Error::TlsProtocol
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rustls::{
        ALL_VERSIONS, RootCertStore, SupportedProtocolVersion,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        version::{TLS12, TLS13},
    };
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::{
        net::testing::{Authority, Validity, in_worker, tcp_pair},
        tls::{ServerSettings, TlsVersion},
    };

    /// Both results of a handshake with a certificate of the authority.
    async fn shake(
        files: &(PathBuf, PathBuf),
        client: Arc<ClientConfig>,
        name: &str,
    ) -> (Result<Stream, Error>, Result<Stream, Error>) {
        let (server, client) = shake_with(&ServerTls::of(&files.0, &files.1), client, name).await;
        (server.map(|(stream, _)| stream), client)
    }

    /// Both results of a handshake, and what it told.
    async fn shake_with(
        server: &ServerTls,
        client: Arc<ClientConfig>,
        name: &str,
    ) -> (Result<(Stream, ServerHandshake), Error>, Result<Stream, Error>) {
        let (near, far) = tcp_pair().await;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        tokio::join!(accept(server, near.into()), connect(client, name, far))
    }

    #[test]
    fn a_certificate_must_be_of_a_known_issuer_in_date_and_for_the_name() {
        in_worker(async {
            let authority = Authority::new();
            let trusting = tls::sample::client_config(Some(&authority.file()), false);
            let strange = tls::sample::client_config(None, false);
            let good = authority.issue("api.test", Validity::Now);
            let expired = authority.issue("api.test", Validity::Past);
            for (files, client, name, expected) in [
                (&good, &trusting, "api.test", Ok(())),
                (&good, &trusting, "other.test", Err(Error::TlsCertificate)),
                (&good, &trusting, "127.0.0.1", Err(Error::TlsCertificate)),
                (&good, &strange, "api.test", Err(Error::TlsCertificate)),
                (&expired, &trusting, "api.test", Err(Error::TlsCertificate)),
            ] {
                let (server, client) = shake(files, Arc::clone(client), name).await;
                assert_eq!(client.map(|_| ()), expected, "{name}");
                assert_eq!(server.map(|_| ()), expected.map_err(|_| Error::ClientGone), "{name}");
            }
        });
    }

    #[test]
    fn an_address_in_the_certificate_is_verified_like_a_name() {
        in_worker(async {
            let authority = Authority::new();
            let client = tls::sample::client_config(Some(&authority.file()), false);
            let files = authority.issue("127.0.0.1", Validity::Now);
            assert!(shake(&files, client, "127.0.0.1").await.1.is_ok());
        });
    }

    #[test]
    fn unverified_means_any_certificate() {
        in_worker(async {
            let authority = Authority::new();
            for validity in [Validity::Now, Validity::Past] {
                let files = authority.issue("api.test", validity);
                let client = tls::sample::client_config(None, true);
                let (server, client) = shake(&files, client, "other.test").await;
                assert!(server.is_ok() && client.is_ok());
            }
        });
    }

    #[test]
    fn http_1_1_is_what_both_sides_agree_on() {
        in_worker(async {
            let (server, client) = crate::net::testing::tls_pair().await;
            let (Stream::TlsServer(server), Stream::TlsClient(client)) = (server, client) else {
                panic!("a TLS pair")
            };
            assert_eq!(server.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
            assert_eq!(client.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        });
    }

    #[test]
    fn a_second_connection_resumes_the_session_of_the_first() {
        in_worker(async {
            let authority = Authority::new();
            let files = authority.issue("api.test", Validity::Now);
            let server = ServerTls::of(&files.0, &files.1);
            let client = tls::sample::client_config(Some(&authority.file()), false);
            let mut kinds = Vec::new();
            for _ in 0..2 {
                kinds.push(kind(&server, &client).await);
            }
            assert_eq!(kinds.first().copied().map(is_full), Some(true));
            assert_eq!(kinds.get(1), Some(&HandshakeKind::Resumed));
        });
    }

    /// What kind of a handshake these two make, after which the client has its tickets.
    async fn kind(server: &ServerTls, client: &Arc<ClientConfig>) -> HandshakeKind {
        let (near, far) = shake_with(server, Arc::clone(client), "api.test").await;
        let ((mut near, _), mut far) = (near.unwrap(), far.unwrap());
        near.write_all(b"x").await.unwrap();
        near.flush().await.unwrap();
        far.read_exact(&mut [0; 1]).await.unwrap();
        let Stream::TlsClient(far) = far else { panic!("the client's end") };
        far.get_ref().1.handshake_kind().unwrap()
    }

    /// A client that shows this certificate, or none.
    fn client_with(
        authority: &Authority,
        shown: Option<&(PathBuf, PathBuf)>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority.file()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match shown {
            Some((certificate, key)) => {
                let chain = CertificateDer::pem_file_iter(certificate).unwrap();
                let chain = chain.collect::<Result<_, _>>().unwrap();
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap()).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }

    #[test]
    fn the_oldest_version_is_the_one_that_is_set() {
        in_worker(async {
            let authority = Authority::new();
            let files = authority.issue("api.test", Validity::Now);
            for (min_version, version, expected) in [
                (TlsVersion::V12, &TLS12, true),
                (TlsVersion::V12, &TLS13, true),
                (TlsVersion::V13, &TLS12, false),
                (TlsVersion::V13, &TLS13, true),
            ] {
                let settings = ServerSettings { min_version, ..ServerSettings::of(&files.0, &files.1) };
                let server = ServerTls::load(&settings, None).unwrap().0;
                let client = client_with(&authority, None, &[version]);
                let (near, far) = shake_with(&server, client, "api.test").await;
                assert_eq!((near.is_ok(), far.is_ok()), (expected, expected), "{min_version:?} {version:?}");
            }
        });
    }

    #[test]
    fn a_handshake_tells_the_server_name_and_whether_a_certificate_was_shown() {
        in_worker(async {
            let authority = Authority::new();
            let own = authority.issue("127.0.0.1", Validity::Now);
            let asking =
                ServerSettings { client_ca: Some(authority.file()), ..ServerSettings::of(&own.0, &own.1) };
            let asking = ServerTls::load(&asking, None).unwrap().0;
            let insecure = tls::sample::client_config(None, true);
            let (near, _far) = shake_with(&ServerTls::of(&own.0, &own.1), insecure, "Api.TEST").await;
            let told = near.unwrap().1;
            assert_eq!((told.server_name(), told.certificate_shown()), (Some("api.test"), false));
            // An address is no server name (RFC 6066 §3).
            let client = client_with(&authority, Some(&own), ALL_VERSIONS);
            let (near, _far) = shake_with(&asking, client, "127.0.0.1").await;
            let told = near.unwrap().1;
            assert_eq!((told.server_name(), told.certificate_shown()), (None, true));
        });
    }

    #[test]
    fn a_client_without_a_certificate_that_is_asked_for_is_refused() {
        in_worker(async {
            let (authority, stranger) = (Authority::new(), Authority::new());
            let own = authority.issue("api.test", Validity::Now);
            let good = authority.issue("client.test", Validity::Now);
            let old = authority.issue("client.test", Validity::Past);
            let strange = stranger.issue("client.test", Validity::Now);
            let settings =
                ServerSettings { client_ca: Some(authority.file()), ..ServerSettings::of(&own.0, &own.1) };
            let server = ServerTls::load(&settings, None).unwrap().0;
            for version in [&TLS12, &TLS13] {
                for (shown, expected) in [
                    (Some(&good), Ok(())),
                    (None, Err(Error::ClientGone)),
                    (Some(&old), Err(Error::ClientGone)),
                    (Some(&strange), Err(Error::ClientGone)),
                ] {
                    let client = client_with(&authority, shown, &[version]);
                    let (near, _far) = shake_with(&server, client, "api.test").await;
                    assert_eq!(near.map(|_| ()), expected, "{version:?} {shown:?}");
                }
            }
        });
    }

    #[test]
    fn a_client_that_shows_too_many_certificates_is_refused() {
        in_worker(async {
            let authority = Authority::new();
            let own = authority.issue("api.test", Validity::Now);
            let settings =
                ServerSettings { client_ca: Some(authority.file()), ..ServerSettings::of(&own.0, &own.1) };
            let server = ServerTls::load(&settings, None).unwrap().0;
            let leaf = std::fs::read_to_string(&own.0).unwrap();
            for version in [&TLS12, &TLS13] {
                for (count, expected) in [(16, Ok(())), (17, Err(Error::ClientGone))] {
                    let chain = authority.folder().join("chain.pem");
                    std::fs::write(&chain, leaf.repeat(count)).unwrap();
                    let client = client_with(&authority, Some(&(chain, own.1.clone())), &[version]);
                    let (near, _far) = shake_with(&server, client, "api.test").await;
                    assert_eq!(near.map(|_| ()), expected, "{version:?} {count}");
                }
            }
        });
    }

    #[test]
    fn sessions_live_on_through_a_reload_unless_clients_are_asked_for_something_else() {
        in_worker(async {
            let (authority, other) = (Authority::new(), Authority::new());
            let own = authority.issue("api.test", Validity::Now);
            let shown = authority.issue("client.test", Validity::Now);
            let settings = |client_ca: Option<&Authority>| ServerSettings {
                client_ca: client_ca.map(Authority::file),
                ..ServerSettings::of(&own.0, &own.1)
            };
            for version in [&TLS12, &TLS13] {
                for client_ca in [None, Some(&authority)] {
                    let client = client_with(&authority, Some(&shown), &[version]);
                    let before = ServerTls::load(&settings(client_ca), None).unwrap().0;
                    assert!(is_full(kind(&before, &client).await));
                    // Renewed meanwhile.
                    authority.issue("api.test", Validity::Now);
                    let now = ServerTls::load(&settings(client_ca), Some(&before)).unwrap().0;
                    assert_ne!(
                        before.certificates().next().unwrap().serial,
                        now.certificates().next().unwrap().serial
                    );
                    assert_eq!(kind(&now, &client).await, HandshakeKind::Resumed, "{version:?}");
                }
                // A session from before the question would be one without its answer.
                let client = client_with(&authority, Some(&shown), &[version]);
                let open = ServerTls::load(&settings(None), None).unwrap().0;
                assert!(is_full(kind(&open, &client).await));
                let asking = ServerTls::load(&settings(Some(&authority)), Some(&open)).unwrap().0;
                assert!(is_full(kind(&asking, &client).await));
                let elsewhere = ServerTls::load(&settings(Some(&other)), Some(&asking)).unwrap().0;
                let (near, _far) = shake_with(&elsewhere, client, "api.test").await;
                assert_eq!(near.map(|_| ()).unwrap_err(), Error::ClientGone, "{version:?}");
            }
        });
    }

    #[test]
    fn a_resumed_session_ends_where_the_certificate_of_its_client_is_good_no_more() {
        in_worker(async {
            let (authority, other) = (Authority::new(), Authority::new());
            let own = authority.issue("api.test", Validity::Now);
            let shown = authority.issue("client.test", Validity::Now);
            let asking = |client_ca: &Authority| {
                let settings = ServerSettings {
                    client_ca: Some(client_ca.file()),
                    ..ServerSettings::of(&own.0, &own.1)
                };
                ServerTls::load(&settings, None).unwrap().0
            };
            for version in [&TLS12, &TLS13] {
                let client = client_with(&authority, Some(&shown), &[version]);
                let server = asking(&authority);
                assert!(is_full(kind(&server, &client).await));
                assert_eq!(kind(&asking(&authority).with_sessions_of(&server), &client).await, RESUMED);
                // As one would be that has expired meanwhile: the library does not look.
                let strict = asking(&other).with_sessions_of(&server);
                let (near, far) = shake_with(&strict, Arc::clone(&client), "api.test").await;
                assert_eq!(near.map(|_| ()).unwrap_err(), Error::ClientGone, "{version:?}");
                let Ok(Stream::TlsClient(far)) = far else {
                    panic!("{version:?}: the handshake itself is good")
                };
                assert_eq!(far.get_ref().1.handshake_kind(), Some(RESUMED));
                // Nor where nobody was asked when it began.
                let open = ServerTls::of(&own.0, &own.1);
                let client = client_with(&authority, Some(&shown), &[version]);
                assert!(is_full(kind(&open, &client).await));
                let strict = asking(&authority).with_sessions_of(&open);
                let (near, _far) = shake_with(&strict, client, "api.test").await;
                assert_eq!(near.map(|_| ()).unwrap_err(), Error::ClientGone, "{version:?}");
            }
        });
    }

    const RESUMED: HandshakeKind = HandshakeKind::Resumed;

    fn is_full(kind: HandshakeKind) -> bool {
        matches!(kind, HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest)
    }

    #[test]
    fn an_upstream_that_speaks_no_tls_or_hangs_up_is_a_protocol_error() {
        in_worker(async {
            for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b""] {
                let (mut near, far) = tcp_pair().await;
                near.write_all(answer).await.unwrap();
                near.shutdown().await.unwrap();
                let name = ServerName::try_from("api.test").unwrap();
                let client = tls::sample::client_config(None, false);
                assert_eq!(connect(client, name, far).await.map(|_| ()).unwrap_err(), Error::TlsProtocol);
            }
        });
    }

    #[test]
    fn text_is_told_from_tls_by_its_first_byte_which_stays_to_be_read() {
        in_worker(async {
            for (first, expected) in [
                (&b"G"[..], true),
                (b"get /", true),
                (b"\r\n", true),
                (b"\x16", false),
                (b"\x16\x03\x01", false),
                (b"\x15", false),
                (b"\x80\x2e", false),
                (b"\x00", false),
                (b"", false),
            ] {
                let (near, mut far) = tcp_pair().await;
                let mut near = Socket::from(near);
                far.write_all(first).await.unwrap();
                far.shutdown().await.unwrap();
                assert_eq!(speaks_plain_text(&near).await, expected, "{first:?}");
                let mut rest = Vec::new();
                near.read_to_end(&mut rest).await.unwrap();
                assert_eq!(rest, first);
            }
        });
    }

    #[test]
    fn a_client_that_speaks_no_tls_gets_an_alert() {
        in_worker(async {
            let authority = Authority::new();
            let files = authority.issue("api.test", Validity::Now);
            let server = ServerTls::of(&files.0, &files.1);
            let (near, mut far) = tcp_pair().await;
            far.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
            assert_eq!(accept(&server, near.into()).await.map(|_| ()).unwrap_err(), Error::ClientGone);
            let mut alert = [0; 2];
            far.read_exact(&mut alert).await.unwrap();
            // An alert record (RFC 8446 §5.1).
            assert_eq!(alert, [21, 3]);
        });
    }
}
