//! What the tests of this room share: a worker's runtime, connected pairs, certificates.

use std::{
    fs,
    path::{Path, PathBuf},
    process,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, LocalOptions},
};

use super::{handshake, stream::Stream};
use crate::tls::{self, ServerTls};

/// Runs a test as a worker would run it, and ends the run when it hangs. The watchdog has a thread of its
/// own, because tests move the clock of the runtime.
pub(crate) fn in_worker<T>(test: impl Future<Output = T>) -> T {
    let (done, watched) = mpsc::channel::<()>();
    let name = thread::current().name().unwrap_or_default().to_owned();
    thread::spawn(move || {
        if watched.recv_timeout(Duration::from_secs(30)) == Err(RecvTimeoutError::Timeout) {
            eprintln!("{name} hangs");
            process::abort();
        }
    });
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
    let result = runtime.block_on(test);
    drop(done);
    result
}

/// Both ends of a TCP connection over loopback.
pub(crate) async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connect = TcpStream::connect(listener.local_addr().unwrap());
    let (accepted, connected) = tokio::join!(listener.accept(), connect);
    (accepted.unwrap().0, connected.unwrap())
}

/// Both ends of a TLS connection over loopback: the server's, then the client's.
pub(crate) async fn tls_pair() -> (Stream, Stream) {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("localhost", Validity::Now);
    let server = ServerTls::of(&certificate, &key);
    let client = tls::sample::client_config(Some(&authority.file()), false);
    let (near, far) = tcp_pair().await;
    let name = ServerName::try_from("localhost").unwrap();
    let (server, client) =
        tokio::join!(handshake::accept(&server, near.into()), handshake::connect(client, name, far));
    let ((mut server, _), mut client) = (server.unwrap(), client.unwrap());
    // The session tickets follow the handshake; a byte behind them carries them home.
    server.write_all(b"!").await.unwrap();
    server.flush().await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'!');
    (server, client)
}

/// When a test certificate is valid.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Validity {
    Now,
    Past,
}

/// A certificate authority with a folder of its own.
pub(crate) struct Authority {
    folder: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), issuer.as_ref().pem()).unwrap();
        Self { folder, issuer }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The authority's own certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder().join("ca.pem")
    }

    /// A certificate for `name` and its key, as files.
    pub(crate) fn issue(&self, name: &str, validity: Validity) -> (PathBuf, PathBuf) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if let Validity::Past = validity {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let stem = format!("{name}-{validity:?}");
        let files = (self.folder().join(format!("{stem}.pem")), self.folder().join(format!("{stem}.key")));
        fs::write(&files.0, certificate.pem()).unwrap();
        fs::write(&files.1, key.serialize_pem()).unwrap();
        files
    }
}

/// Moves the clock of the runtime forward, without waiting.
pub(crate) async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}
