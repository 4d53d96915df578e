//! A raw client: what it sends is what the test says, byte for byte.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

use super::{
    PATIENCE,
    connection::{Connection, Wire},
    message::{Fault, Head, Response},
};

/// One client connection.
pub(crate) struct Client(pub(crate) Connection);

impl Client {
    /// Connects in plain text.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let tcp = TcpStream::connect_timeout(&address, PATIENCE).expect("the listener takes connections");
        Self(Connection::new(Wire::Plain(tcp)))
    }

    /// Connects to a Unix socket at a path, or by an abstract name that begins with `@`.
    pub(crate) fn connect_unix(name: &str) -> Self {
        let unix = unix_stream(name).expect("the listener takes connections");
        Self(Connection::new(Wire::Unix(unix)))
    }

    /// Connects with TLS to a server of this name.
    pub(crate) fn connect_tls(address: SocketAddr, name: &str, config: Arc<ClientConfig>) -> Self {
        let tcp = TcpStream::connect_timeout(&address, PATIENCE).expect("the listener takes connections");
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let tls = StreamOwned::new(ClientConnection::new(config, name).unwrap(), tcp);
        Self(Connection::new(Wire::TlsClient(Box::new(tls))))
    }

    /// Sends everything in one write.
    pub(crate) fn send(&mut self, data: impl AsRef<[u8]>) -> &mut Self {
        self.0.write(data.as_ref()).expect("the peer takes bytes");
        self
    }

    /// Sends as much as the peer takes; a peer that has closed is no fault.
    pub(crate) fn offer(&mut self, data: impl AsRef<[u8]>) -> bool {
        self.0.write(data.as_ref()).is_ok()
    }

    /// Sends byte by byte (what is long: in some hundred pieces), each when the one before was read.
    pub(crate) fn dribble(&mut self, data: impl AsRef<[u8]>) -> &mut Self {
        let data = data.as_ref();
        self.0.write_split(data.chunks(data.len().div_ceil(300).max(1)));
        self
    }

    /// The response to a request that was not HEAD.
    pub(crate) fn response(&mut self) -> Response {
        self.response_to("GET")
    }

    /// The response to `method`.
    pub(crate) fn response_to(&mut self, method: &str) -> Response {
        self.try_response(method).expect("a complete and strict response")
    }

    /// The response to `method`, or why there is none.
    pub(crate) fn try_response(&mut self, method: &str) -> Result<Response, Fault> {
        self.0.allow(PATIENCE);
        self.0.response(method)
    }

    /// The final head alone; the body is left to [`Client::piece`].
    pub(crate) fn head(&mut self) -> Head {
        self.0.allow(PATIENCE);
        self.0.final_head().expect("a strict response head").1
    }

    /// The next single head, interim or final.
    pub(crate) fn next_head(&mut self) -> Head {
        self.0.allow(PATIENCE);
        self.0.head().expect("a strict response head")
    }

    /// The next bytes of whatever comes.
    pub(crate) fn piece(&mut self) -> Vec<u8> {
        self.0.allow(PATIENCE);
        self.0.some().expect("more bytes")
    }

    /// Reads until `wanted` has come; returns everything up to its end.
    pub(crate) fn until(&mut self, wanted: &[u8]) -> Vec<u8> {
        self.0.allow(PATIENCE);
        loop {
            if let Some(at) = self.0.unread.windows(wanted.len()).position(|window| window == wanted) {
                return self.0.take(at + wanted.len());
            }
            assert_ne!(self.0.fill().expect("more bytes"), 0, "the peer ended before {wanted:?}");
        }
    }

    /// Waits for the end of the connection by FIN or reset; no further byte may come.
    pub(crate) fn expect_end(&mut self) {
        self.0.allow(PATIENCE);
        match self.0.read_to_end() {
            Ok(rest) => assert!(rest.is_empty(), "bytes before the end: {:?}", super::latin1(&rest)),
            Err(Fault::Reset) => assert!(self.0.unread.is_empty(), "bytes before the end"),
            Err(fault) => panic!("the connection stays open: {fault:?}"),
        }
    }

    /// Waits for a FIN; a reset is a fault.
    pub(crate) fn expect_fin(&mut self) {
        self.0.allow(PATIENCE);
        let rest = self.0.read_to_end().expect("a clean end");
        assert!(rest.is_empty(), "bytes before the end: {:?}", super::latin1(&rest));
    }

    /// Whether nothing comes and nothing ends for so long.
    pub(crate) fn is_quiet_for(&mut self, length: Duration) -> bool {
        self.0.allow(length);
        self.0.unread.is_empty() && matches!(self.0.fill(), Err(Fault::Timeout))
    }

    /// Ends our direction.
    pub(crate) fn shutdown_write(&mut self) {
        self.0.shutdown_write();
    }

    /// Closes with a reset.
    pub(crate) fn reset(self) {
        self.0.reset();
    }

    /// A second handle for writing while this one reads (plain TCP only).
    pub(crate) fn writer(&self) -> TcpStream {
        self.0.tcp().try_clone().unwrap()
    }
}

/// A connection to a Unix socket at a path, or by an abstract name that begins with `@`.
pub(crate) fn unix_stream(name: &str) -> io::Result<UnixStream> {
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
    socket.connect(&socket2::SockAddr::unix(name.replacen('@', "\0", 1))?)?;
    Ok(socket.into())
}
