//! A scripted origin: records exactly what corsair sends and answers exactly what the test says.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{
    PATIENCE,
    connection::{Connection, Tape, Wire},
    message::{Body, Fault, Framing, Head, Request},
    sha256,
};

/// What happens to the connection after an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// The next request is read.
    KeepAlive,
    /// It is closed with a FIN.
    Close,
    /// It is closed with a reset.
    Reset,
    /// It is left open and unread, until corsair closes it.
    Hold,
}

/// What an origin has seen so far.
#[derive(Default)]
pub(crate) struct Seen {
    /// Connections accepted.
    pub(crate) connections: usize,
    /// Connections that corsair has not closed yet.
    pub(crate) open: usize,
    /// Heads of requests, whether or not a body followed.
    pub(crate) heads: usize,
    /// Complete requests in the order of their completion.
    pub(crate) requests: Vec<Request>,
    /// Requests that ended before their framing did, with what came of the body.
    pub(crate) aborted: Vec<Vec<u8>>,
    /// What was no strict HTTP/1.
    pub(crate) faults: Vec<String>,
    /// The bytes of each connection.
    pub(crate) tapes: Vec<Tape>,
    /// TLS handshakes that failed.
    pub(crate) failed_handshakes: usize,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Seen>,
    changed: Condvar,
    stopping: AtomicBool,
}

impl Shared {
    fn update(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap());
        self.changed.notify_all();
    }
}

/// One request on its way through a handler.
pub(crate) struct Exchange<'a> {
    /// The method.
    pub(crate) method: String,
    /// The request target.
    pub(crate) target: String,
    /// The head.
    pub(crate) head: Head,
    /// How the body ends.
    pub(crate) framing: Framing,
    /// The connection, for whatever the other functions do not offer.
    pub(crate) connection: &'a mut Connection,
    /// The number of the connection, from 0.
    pub(crate) number: usize,
    shared: &'a Shared,
    taken: bool,
}

impl Exchange<'_> {
    /// Reads the body and records the request; `None` when it was cut.
    pub(crate) fn request(&mut self) -> Option<Request> {
        self.taken = true;
        self.connection.allow(PATIENCE * 3);
        match self.connection.body(&self.head, self.framing) {
            Ok(Body { bytes, trailers }) => {
                let request = Request {
                    method: self.method.clone(),
                    target: self.target.clone(),
                    fields: self.head.fields.clone(),
                    framing: self.framing,
                    body: bytes,
                    trailers,
                    connection: self.number,
                };
                self.shared.update(|seen| seen.requests.push(request.clone()));
                Some(request)
            }
            Err(Fault::Malformed(what)) => {
                self.shared
                    .update(|seen| seen.faults.push(format!("{} {}: {what}", self.method, self.target)));
                None
            }
            Err(Fault::Truncated { body, .. }) => {
                self.shared.update(|seen| seen.aborted.push(body));
                None
            }
            Err(Fault::Closed | Fault::Reset | Fault::Timeout) => {
                self.shared.update(|seen| seen.aborted.push(Vec::new()));
                None
            }
        }
    }

    /// Sends bytes; `false` when corsair has closed.
    pub(crate) fn send(&mut self, data: impl AsRef<[u8]>) -> bool {
        self.connection.write(data.as_ref()).is_ok()
    }

    /// Sends piece by piece, each when corsair has read the one before; `false` when it has closed.
    pub(crate) fn send_split<'b>(&mut self, pieces: impl IntoIterator<Item = &'b [u8]>) -> bool {
        self.connection.write_split(pieces)
    }

    /// Waits until corsair closes or resets the connection; `false` when [`PATIENCE`] is over.
    pub(crate) fn peer_closes(&mut self) -> bool {
        self.connection.allow(PATIENCE);
        !matches!(self.connection.read_to_end(), Err(Fault::Timeout))
    }
}

/// A running origin; dropping it panics when corsair sent it anything malformed.
pub(crate) struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
}

type Handler = dyn Fn(&mut Exchange<'_>) -> Then + Send + Sync;

impl Origin {
    /// Answers by `handler`, which is called with each request's head.
    pub(crate) fn on_head(handler: impl Fn(&mut Exchange<'_>) -> Then + Send + Sync + 'static) -> Self {
        Self::listen(None, Arc::new(handler))
    }

    /// As [`Origin::on_head`], at this address, on which nobody may listen.
    pub(crate) fn at(
        address: SocketAddr,
        handler: impl Fn(&mut Exchange<'_>) -> Then + Send + Sync + 'static,
    ) -> Self {
        Self::serve(TcpListener::bind(address).unwrap(), None, Arc::new(handler))
    }

    /// As [`Origin::on_head`], behind TLS.
    pub(crate) fn on_head_tls(
        config: Arc<ServerConfig>,
        handler: impl Fn(&mut Exchange<'_>) -> Then + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Some(config), Arc::new(handler))
    }

    /// Answers each complete request with the bytes that `handler` returns.
    pub(crate) fn start(handler: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::on_head(complete(handler))
    }

    /// As [`Origin::start`], behind TLS.
    pub(crate) fn start_tls(
        config: Arc<ServerConfig>,
        handler: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Some(config), Arc::new(complete(handler)))
    }

    /// Answers every complete request with these bytes.
    pub(crate) fn always(response: impl Into<Vec<u8>>) -> Self {
        let response = response.into();
        Self::start(move |_| response.clone())
    }

    /// Names method, target, length and SHA-256 of the body in its answers.
    pub(crate) fn echo() -> Self {
        Self::start(describe)
    }

    fn listen(tls: Option<Arc<ServerConfig>>, handler: Arc<Handler>) -> Self {
        Self::serve(TcpListener::bind("127.0.0.1:0").unwrap(), tls, handler)
    }

    fn serve(listener: TcpListener, tls: Option<Arc<ServerConfig>>, handler: Arc<Handler>) -> Self {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for socket in listener.incoming() {
                if accepting.stopping.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(socket) = socket else { continue };
                let (shared, handler, tls) = (Arc::clone(&accepting), Arc::clone(&handler), tls.clone());
                let mut number = 0;
                let tape = Tape::default();
                shared.update(|seen| {
                    number = seen.connections;
                    seen.connections += 1;
                    seen.open += 1;
                    seen.tapes.push(tape.clone());
                });
                thread::spawn(move || {
                    serve(socket, tls, &*handler, &shared, (number, tape));
                    shared.update(|seen| seen.open -= 1);
                });
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has seen so far.
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.shared.seen.lock().unwrap()
    }

    /// Waits until `condition` holds for what was seen; panics with `what` after [`PATIENCE`].
    pub(crate) fn wait(&self, what: &str, condition: impl FnMut(&Seen) -> bool) {
        assert!(self.happens(PATIENCE, condition), "never happened at the origin: {what}");
    }

    /// Whether `condition` comes to hold within `limit`.
    pub(crate) fn happens(&self, limit: Duration, mut condition: impl FnMut(&Seen) -> bool) -> bool {
        let end = Instant::now() + limit;
        let mut seen = self.shared.seen.lock().unwrap();
        while !condition(&seen) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            seen = self.shared.changed.wait_timeout(seen, left).unwrap().0;
        }
        true
    }

    /// The only complete request.
    pub(crate) fn only_request(&self) -> Request {
        let seen = self.seen();
        assert_eq!(seen.requests.len(), 1, "requests: {:?}", seen.requests);
        seen.requests[0].clone()
    }

    /// Method and target of every complete request.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().requests.iter().map(|request| format!("{} {}", request.method, request.target)).collect()
    }

    /// The bytes of each connection that brought any since the last call.
    pub(crate) fn take_received(&self) -> Vec<Vec<u8>> {
        self.seen().tapes.iter().map(Tape::take).filter(|bytes| !bytes.is_empty()).collect()
    }

    /// The number of connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.seen().connections
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
        if !thread::panicking() {
            let faults = std::mem::take(&mut self.shared.seen.lock().unwrap().faults);
            assert!(faults.is_empty(), "corsair sent the origin what is not strict HTTP/1: {faults:?}");
        }
    }
}

fn complete(handler: impl Fn(&Request) -> Vec<u8>) -> impl Fn(&mut Exchange<'_>) -> Then {
    move |exchange| {
        let Some(request) = exchange.request() else { return Then::Close };
        let response = handler(&request);
        if exchange.send(response) { Then::KeepAlive } else { Then::Close }
    }
}

/// The answer of [`Origin::echo`].
pub(crate) fn describe(request: &Request) -> Vec<u8> {
    let Request { method, target, body, .. } = request;
    let text = format!("{method} {target} {} {}", body.len(), sha256(body));
    let length = text.len();
    let body = if method == "HEAD" { "" } else { text.as_str() };
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

fn serve(
    socket: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    handler: &Handler,
    shared: &Shared,
    (number, tape): (usize, Tape),
) {
    let wire = match tls {
        None => Wire::Plain(socket),
        Some(config) => {
            let mut tls = StreamOwned::new(ServerConnection::new(config).unwrap(), socket);
            tls.sock.set_read_timeout(Some(PATIENCE)).unwrap();
            if tls.conn.complete_io(&mut tls.sock).is_err() {
                shared.update(|seen| seen.failed_handshakes += 1);
                return;
            }
            Wire::TlsServer(Box::new(tls))
        }
    };
    let mut connection = Connection::new(wire);
    connection.received = tape;
    loop {
        connection.allow(Duration::from_secs(120));
        let head = match connection.head() {
            Ok(head) => head,
            Err(Fault::Malformed(what)) => return shared.update(|seen| seen.faults.push(what)),
            Err(Fault::Truncated { .. }) => {
                return shared.update(|seen| seen.faults.push("a cut head".to_owned()));
            }
            Err(Fault::Closed | Fault::Reset | Fault::Timeout) => return,
        };
        let checked = check(&head);
        let (method, target, framing) = match checked {
            Ok(parts) => parts,
            Err(fault) => return shared.update(|seen| seen.faults.push(format!("{fault:?}"))),
        };
        shared.update(|seen| seen.heads += 1);
        let mut exchange = Exchange {
            method,
            target,
            head,
            framing,
            connection: &mut connection,
            number,
            shared,
            taken: false,
        };
        let mut then = handler(&mut exchange);
        if then == Then::KeepAlive && !exchange.taken && exchange.request().is_none() {
            then = Then::Close;
        }
        match then {
            Then::KeepAlive => {}
            Then::Close => return close(connection),
            Then::Reset => return connection.reset(),
            Then::Hold => {
                connection.allow(Duration::from_secs(120));
                drop(connection.read_to_end());
                return;
            }
        }
    }
}

/// FIN first, so that unread input does not turn the close into a reset.
fn close(mut connection: Connection) {
    connection.shutdown_write();
    connection.allow(Duration::from_secs(2));
    drop(connection.read_to_end());
}

/// The rules that hold for every request that corsair sends.
fn check(head: &Head) -> Result<(String, String, Framing), Fault> {
    let (method, target) = head.request_line()?;
    if head.fields.all("host").len() != 1 {
        return Err(Fault::Malformed(format!("Host {:?}", head.fields.all("host"))));
    }
    for name in ["keep-alive", "proxy-connection", "proxy-authorization", "http2-settings"] {
        if head.fields.has(name) {
            return Err(Fault::Malformed(format!("{name} was forwarded")));
        }
    }
    Ok((method.to_owned(), target.to_owned(), head.framing_of_request()?))
}
