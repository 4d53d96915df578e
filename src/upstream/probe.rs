//! Servers that are out are asked whether they are back: one task for each server, on the thread of the process.

use std::{rc::Rc, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    connector::{self, Opener, OpeningTimes, Remote},
    health::Proof,
    servers::Servers,
};
use crate::{
    config::{Endpoint, HostHeader, Upstream},
    error::Error,
    http1::head::{Fields, HeadEnd, HeadFault, MAX_FIELDS, parse_response},
    net::{Descriptors, Places, QueueTime, dns::Resolver, stream::Stream},
};

/// How long one probe may take, connecting included.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The largest response head that is looked at, in bytes.
const MAX_HEAD: usize = 16 << 10;

/// What probes are made with.
pub struct Prober {
    /// Where the servers are.
    pub upstream: Upstream,
    /// What the kernel may keep for each connection.
    pub socket_buffer: Option<usize>,
    /// How they do.
    pub servers: Arc<Servers>,
    /// Names.
    pub resolver: Resolver,
    /// What connections may take.
    pub descriptors: Arc<Descriptors>,
    /// Where TLS handshakes take place.
    pub handshakes: Places,
}

impl Prober {
    /// Starts to look after those servers that are taken out, on the local runtime that this is called on, until what
    /// is returned is dropped.
    #[must_use]
    pub fn start(self) -> JoinSet<()> {
        let prober = Rc::new(self);
        let mut tasks = JoinSet::new();
        // An only server is never taken out.
        if prober.servers.len() > 1 {
            for index in 0..prober.servers.len() {
                tasks.spawn_local(look_after(Rc::clone(&prober), index));
            }
        }
        tasks
    }

    /// Asks a server for this proof that it is well.
    ///
    /// # Errors
    /// What keeps it from giving one.
    async fn probe(&self, server: &Endpoint, proof: Proof) -> Result<(), Error> {
        let upstream = &self.upstream;
        let _spent = self.descriptors.spend();
        let Self { resolver, descriptors, handshakes, .. } = self;
        let queue = &QueueTime::default();
        let with = Opener { resolver, descriptors, handshakes, queue };
        let remote = Remote::of_server(upstream, server, self.socket_buffer);
        let mut times = OpeningTimes::default();
        let (stream, _) = Box::pin(connector::open(with, remote, |_, _| true, &mut times)).await?;
        if proof == Proof::Connection {
            return Ok(());
        }
        let status = ask(stream, server, &upstream.host_header).await?;
        let is_reason = upstream.ejection.statuses.contains(&status);
        if proof == Proof::OtherStatus && is_reason { Err(Error::UpstreamClosed) } else { Ok(()) }
    }
}

/// Waits until a server is taken out, tells that, and probes it until it is back; then anew.
async fn look_after(prober: Rc<Prober>, index: usize) {
    let Some(server) = prober.upstream.endpoints.get(index) else { return };
    let url = &server.shown;
    loop {
        let absence = prober.servers.taken_out(index).await;
        let since = Instant::now();
        tracing::warn!(
            server = %url,
            reason = %absence.reason,
            "a server is out; requests go to the others until probes find it well"
        );
        sleep_until(Instant::from_std(absence.first_probe)).await;
        loop {
            let probed = timeout(TIMEOUT, prober.probe(server, absence.proof)).await;
            let fault = probed.unwrap_or(Err(Error::ResponseTimeout)).err();
            let Some(next) = prober.servers.probed(index, fault.is_none()) else { break };
            if let Some(fault) = fault {
                tracing::debug!(server = %url, reason = %fault, "a probe failed");
            }
            // Of many proxies not all should ask at once; none later than it is due.
            sleep(next.mul_f64(0.8 + 0.2 * fastrand::f64())).await;
        }
        let out_for = since.elapsed().as_secs_f64();
        tracing::info!(server = %url, seconds = format_args!("{out_for:.1}"), "a server is back");
    }
}

/// Asks a server for nothing in particular (RFC 9110 §9.3.7); returns the status of the first head that it answers
/// with.
async fn ask(mut stream: Stream, server: &Endpoint, host_header: &HostHeader) -> Result<u16, Error> {
    let host = host_header.of(server).unwrap_or(&server.authority);
    let request = format!(
        "OPTIONS * HTTP/1.1\r\nHost: {host}\r\nUser-Agent: corsair/{}\r\nConnection: close\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    );
    stream.write_all(request.as_bytes()).await.map_err(|_| Error::UpstreamClosed)?;
    stream.flush().await.map_err(|_| Error::UpstreamClosed)?;
    let mut head = Vec::new();
    loop {
        let mut piece = [0; 1024];
        let size = stream.read(&mut piece).await.map_err(|_| Error::UpstreamClosed)?;
        if size == 0 {
            return Err(Error::UpstreamClosed);
        }
        head.extend_from_slice(&piece[..size]);
        if let Some(status) = status(&mut head)? {
            return Ok(status);
        }
        if head.len() > MAX_HEAD {
            return Err(Error::ResponseHeadTooLarge);
        }
    }
}

/// The status of the response head at the start of `bytes`, once it is complete.
fn status(bytes: &mut [u8]) -> Result<Option<u16>, Error> {
    let mut end = HeadEnd::default();
    let Some(len) = end.find_response(bytes).map_err(HeadFault::in_response)? else { return Ok(None) };
    parse_response(bytes, &end, len, MAX_FIELDS, Fields::default()).map(|head| Some(head.status))
}
