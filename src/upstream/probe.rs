//! Servers are asked whether they are well, all of them or those that are out, and those that a request doubts: one task for each
//! server, on the thread of the process.

use std::{rc::Rc, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    select,
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    connector::{self, Opener, OpeningTimes, Remote},
    health::{Proof, Reason, SOON},
    parent::Through,
    servers::Servers,
};
use crate::{
    config::{Endpoint, HostHeader, Limits, Upstream},
    error::Error,
    http1::head::{Fields, HeadEnd, HeadFault, MAX_FIELDS, parse_response},
    net::{Descriptors, Places, QueueTime, dns::Resolver, stream::Stream},
    trust::Source,
};

/// The longest that the first probe of a server waits: of many proxies that start not all should ask at once.
const FIRST_WITHIN: Duration = Duration::from_secs(1);
/// The largest response head that is looked at, in bytes.
const MAX_HEAD: usize = 16 << 10;

/// What probes are made with.
pub struct Prober {
    /// Where the servers are.
    pub upstream: Upstream,
    /// Bounds of each connection.
    pub limits: Limits,
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
    /// Starts to look after the servers, on the local runtime that this is called on, until what is returned is dropped.
    #[must_use]
    pub fn start(self) -> JoinSet<()> {
        let prober = Rc::new(self);
        let mut tasks = JoinSet::new();
        // An only server is never taken out by requests.
        if prober.servers.len() > 1 || prober.servers.check().probes_all {
            for index in 0..prober.servers.len() {
                tasks.spawn_local(look_after(Rc::clone(&prober), index));
            }
        }
        tasks
    }

    /// Asks a server for a proof that it is well; what keeps it from giving one.
    async fn probe(&self, index: usize, server: &Endpoint, proof: Proof) -> Result<(), Reason> {
        let found = timeout(self.servers.check().timeout, self.ask(index, server, proof)).await;
        let found = found.unwrap_or(Err(Reason::ProbeFailed(Error::ResponseTimeout)));
        if let Err(reason) = found {
            tracing::debug!(server = %server.shown, %reason, "a probe failed");
        }
        found
    }

    async fn ask(&self, index: usize, server: &Endpoint, proof: Proof) -> Result<(), Reason> {
        let (upstream, check) = (&self.upstream, self.servers.check());
        let _spent = self.descriptors.spend();
        let Self { resolver, descriptors, handshakes, .. } = self;
        let queue = &QueueTime::default();
        let with = Opener { resolver, descriptors, handshakes, queue };
        let through = Through::to_server(upstream, server, false);
        let remote = Remote::of_server(upstream, server, through, (Source::Proxy, None), &self.limits);
        let mut times = OpeningTimes::default();
        let opened = Box::pin(connector::open(with, remote, |_, _| true, &mut times)).await;
        let (stream, _) = opened.map_err(Reason::ProbeFailed)?;
        // A parent that gets the request shows nothing of the server by being there.
        let by_parent = through.filter(|through| through.is_absolute());
        if check.path.is_none() && proof == Proof::Connection && by_parent.is_none() {
            return Ok(());
        }
        let question = question(server, &upstream.host_header, check.path.as_deref(), by_parent);
        let status = ask(stream, &question).await.map_err(Reason::ProbeFailed)?;
        match (by_parent, status) {
            (Some(through), 407) => {
                through.tell_refusal(status);
                return Err(Reason::ProbeFailed(Error::ParentUnauthorized));
            }
            // Without a path any answer will do, but that of a parent which got none.
            (Some(_), 502..=504) if check.path.is_none() => return Err(Reason::ProbeAnswered(status)),
            _ => {}
        }
        self.servers.proved(index);
        let is_well = match check.path {
            Some(_) => check.statuses.iter().any(|statuses| statuses.contains(&status)),
            None => proof != Proof::OtherStatus || !upstream.ejection.statuses.contains(&status),
        };
        if is_well { Ok(()) } else { Err(Reason::ProbeAnswered(status)) }
    }

    /// Asks a server that a request doubts for any answer.
    async fn ask_for_proof(&self, index: usize, server: &Endpoint) {
        if let Err(Reason::ProbeFailed(_)) = self.probe(index, server, Proof::Answer).await {
            // However many requests doubt it.
            sleep(SOON).await;
        }
    }
}

/// Probes a server: time and again where all servers are, else while it is out. Tells each change.
async fn look_after(prober: Rc<Prober>, index: usize) {
    let servers = &prober.servers;
    let Some(server) = servers.endpoints().get(index) else { return };
    let (check, url) = (servers.check(), &server.shown);
    // One that was out before it was looked after from here has been told.
    let mut is_told = servers.absence(index).is_some();
    let mut due = Instant::now() + FIRST_WITHIN.min(check.interval).mul_f64(fastrand::f64());
    // Of many proxies not all should ask at once.
    let after = |next: Duration| Instant::now() + next.mul_f64(0.9 + 0.2 * fastrand::f64());
    loop {
        let Some(absence) = servers.absence(index) else {
            select! {
                () = servers.taken_out(index) => {}
                () = async {
                    servers.doubted(index).await;
                    prober.ask_for_proof(index, server).await;
                } => {}
                () = sleep_until(due), if check.probes_all => {
                    let found = prober.probe(index, server, Proof::Connection).await;
                    due = after(servers.probed(index, found));
                }
            }
            continue;
        };
        if !std::mem::take(&mut is_told) {
            tracing::warn!(
                server = %url,
                reason = %absence.reason,
                "a server is out; requests go to the others until probes find it well"
            );
        }
        sleep_until(Instant::from_std(absence.first_probe)).await;
        loop {
            let found = prober.probe(index, server, absence.proof).await;
            let next = servers.probed(index, found);
            due = after(next);
            if servers.absence(index).is_none() {
                break;
            }
            // None later than it is due.
            sleep(next.mul_f64(0.8 + 0.2 * fastrand::f64())).await;
        }
        let out_for = absence.since.elapsed().as_secs_f64();
        tracing::info!(server = %url, seconds = format_args!("{out_for:.1}"), "a server is back");
    }
}

/// The head that a server is asked with: for a path, or for nothing in particular (RFC 9110 §9.3.7). A parent gets it in
/// absolute-form, where no path stands for `*` (RFC 9112 §3.2.4).
fn question(
    server: &Endpoint,
    host_header: &HostHeader,
    path: Option<&str>,
    by_parent: Option<Through<'_>>,
) -> String {
    let (method, target) = path.map_or(("OPTIONS", "*"), |path| ("GET", path));
    let authority = &server.authority;
    let (target, host, credentials) = match by_parent {
        None => (target.to_owned(), host_header.of(server).unwrap_or(authority), String::new()),
        Some(through) => (
            format!("http://{authority}{}", path.unwrap_or_default()),
            &**authority,
            through
                .parent()
                .authorization()
                .map_or(String::new(), |value| format!("Proxy-Authorization: {value}\r\n")),
        ),
    };
    format!(
        "{method} {target} HTTP/1.1\r\nHost: {host}\r\n{credentials}User-Agent: corsair/{}\r\nConnection: close\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// Sends the head of a request without a body; returns the status of the first head that it is answered with.
async fn ask(mut stream: Stream, request: &str) -> Result<u16, Error> {
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
