//! From a name to an open connection: resolve, admit, connect, shake hands.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{io::AsyncWriteExt, net::UnixStream, time::Instant};

use super::{discovery, parent::Through};
use crate::{
    config::{Endpoint, Limits, Place, Upstream},
    error::Error,
    net::{
        Descriptors, Peer, Places, QueueTime, connect, dns::Resolver, handshake, socket::Socket,
        stream::Stream,
    },
    trust::{Source, write_proxy_header},
    uri::TargetHost,
};

/// How long each part of opening a connection took.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpeningTimes {
    /// The first address that was tried.
    pub tried: Option<SocketAddr>,
    /// Waiting for a place: to look the name up, to shake hands, for a descriptor; `None` where none was waited for.
    pub queue: Option<Duration>,
    /// Resolving the name; `None` for a literal address.
    pub dns: Option<Duration>,
    /// The race of addresses.
    pub connect: Option<Duration>,
    /// The TLS handshake.
    pub tls: Option<Duration>,
}

/// What a worker opens connections with.
#[derive(Clone, Copy, Debug)]
pub struct Opener<'a> {
    /// Names.
    pub resolver: &'a Resolver,
    /// What connections may take.
    pub descriptors: &'a Arc<Descriptors>,
    /// Where TLS handshakes take place.
    pub handshakes: &'a Places,
    /// How long places were waited for.
    pub queue: &'a QueueTime,
}

/// What to connect to.
#[derive(Clone, Debug)]
pub struct Remote<'a> {
    /// Where it is.
    pub place: Place<'a>,
    /// How it is asked through a parent proxy; `None` where it is asked directly.
    pub through: Option<Through<'a>>,
    /// How TLS is spoken, and what name the certificate must bear; `None` for plain TCP.
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// Bounds of what a parent answers, and of the kernel's buffers.
    pub limits: &'a Limits,
    /// What a connection begins with, before TLS; empty where with nothing.
    pub header: Box<[u8]>,
    /// Lines that a parent gets with CONNECT.
    pub said: &'a [u8],
}

impl<'a> Remote<'a> {
    /// One of the servers of an upstream, asked in this way for a client that has come to an address of ours.
    #[must_use]
    pub fn of_server(
        upstream: &'a Upstream,
        server: &'a Endpoint,
        through: Option<Through<'a>>,
        (source, destination): (Source, Option<SocketAddr>),
        limits: &'a Limits,
    ) -> Self {
        let tls = server.tls_server_name.clone().map(|name| (Arc::clone(upstream.tls.config()), name));
        let header = upstream.proxy_protocol.map(|version| write_proxy_header(version, source, destination));
        Self {
            place: server.place(),
            through,
            tls,
            limits,
            header: header.unwrap_or_default().into(),
            said: &[],
        }
    }
}

/// How near an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nearness {
    /// As its range says.
    Unknown,
    /// One of this machine's own.
    Own,
}

/// Opens a connection. Only addresses that `admits` are connected to, and no second resolution comes between
/// that question and the connection (rule 7 of [`upstream`](super)): a name that changes meanwhile leads nowhere
/// else. One that turns out to be this machine's own is judged again, before a byte is sent (rule 18). By way of a parent
/// proxy its address is the one that is connected to. No deadline here: the caller drops the future.
///
/// # Errors
/// Those of resolving, connecting, a parent and the handshake; [`Error::TargetAddressProhibited`] when no address of
/// the name is admitted.
pub async fn open(
    with: Opener<'_>,
    remote: Remote<'_>,
    admits: impl Fn(IpAddr, Nearness) -> bool,
    times: &mut OpeningTimes,
) -> Result<(Stream, Peer), Error> {
    let place = match remote.through {
        None => remote.place,
        Some(through) => Place::Port(through.parent().host(), through.parent().port()),
    };
    let reached = reach(with, place, remote.limits.socket_buffer, admits, times).await;
    let (mut socket, peer) = match remote.through {
        None => reached?,
        Some(through) => {
            // The addresses of a parent are none of the destination's.
            times.tried = None;
            reached.map_err(|error| through.unreachable(error))?
        }
    };
    socket.write_all(&remote.header).await.map_err(|_| Error::ConnectFailed)?;
    if let (Some(through), Place::Port(host, port)) = (remote.through, remote.place) {
        let begun = Instant::now();
        let connected = through.connect(&mut socket, (host, port), remote.said, remote.limits).await;
        times.connect = times.connect.map(|connect| connect + begun.elapsed());
        connected?;
    }
    match (remote.tls, socket) {
        (Some((config, name)), Socket::Tcp(tcp)) => {
            let begun = Instant::now();
            let stream = handshake::connect_in((with.handshakes, with.queue), config, name, tcp).await?;
            times.tls = Some(begun.elapsed());
            Ok((stream, peer))
        }
        (_, socket) => Ok((socket.into(), peer)),
    }
}

/// Resolves, admits and connects.
async fn reach(
    with: Opener<'_>,
    place: Place<'_>,
    socket_buffer: Option<usize>,
    admits: impl Fn(IpAddr, Nearness) -> bool,
    times: &mut OpeningTimes,
) -> Result<(Socket, Peer), Error> {
    let begun = Instant::now();
    let mut addresses: Vec<SocketAddr> = Vec::new();
    match place {
        Place::Unix(name) => {
            let stream = UnixStream::connect(name.system_name()).await.map_err(|error| unix_fault(&error))?;
            times.connect = Some(begun.elapsed());
            let socket = Socket::Unix(stream);
            socket.bound_unix_buffer(socket_buffer);
            return Ok((socket, Peer::Unix(Arc::clone(name.text()))));
        }
        Place::Port(TargetHost::Ip(ip), port) => addresses.push(SocketAddr::new(ip, port)),
        Place::Port(TargetHost::Name(name), port) => {
            let resolved = with.resolver.resolve(name, with.queue).await;
            times.dns = Some(begun.elapsed());
            addresses.extend(resolved?.iter().map(|ip| SocketAddr::new(*ip, port)));
        }
        Place::Service(name) => {
            let (servers, _) = discovery::service(name, with.resolver, with.queue).await;
            times.dns = Some(begun.elapsed());
            addresses.extend(servers?.into_iter().map(|(_, address)| address));
        }
    }
    addresses.retain(|address| admits(address.ip(), Nearness::Unknown));
    if addresses.is_empty() {
        return Err(Error::TargetAddressProhibited);
    }
    times.tried = addresses.first().copied();
    let begun = Instant::now();
    let connected = connect::connect(&addresses, socket_buffer, with.descriptors).await;
    times.connect = Some(begun.elapsed());
    let (tcp, peer) = connected?;
    // Asked of the kernel only where it makes a difference.
    if !admits(peer.ip(), Nearness::Own) && is_own(tcp.local_addr().ok(), peer.ip()) {
        return Err(Error::TargetAddressProhibited);
    }
    Ok((tcp.into(), Peer::Ip(peer)))
}

/// Whether an address is one of this machine's: connected to from itself, or one that can be bound. Where the system
/// lets everything be bound (`ip_nonlocal_bind`) that says nothing.
fn is_own(local: Option<SocketAddr>, peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    let binds = |ip: IpAddr| UdpSocket::bind((ip, 0)).is_ok();
    let foreign: IpAddr = match peer {
        IpAddr::V4(_) => Ipv4Addr::new(192, 0, 2, 1).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
    };
    local.is_some_and(|local| local.ip().to_canonical() == peer) || binds(peer) && !binds(foreign)
}

/// A missing socket is told from one that nobody listens on: the one is a path to correct, or an application that never
/// ran, the other one that has ended.
fn unix_fault(error: &io::Error) -> Error {
    let kind = error.kind();
    if matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
        Error::SocketMissing
    } else if kind == io::ErrorKind::ConnectionRefused {
        Error::ConnectRefused
    } else {
        Error::ConnectFailed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_address_is_known_by_the_kernel() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let from = |text: &str| Some(SocketAddr::new(ip(text), 40_000));
        for (local, peer, expected) in [
            (from("9.9.9.9"), "9.9.9.9", true),
            (from("9.9.9.9"), "::ffff:9.9.9.9", true),
            (from("2606:4700::1"), "2606:4700::1", true),
            // From the first address of the machine to its second.
            (from("127.0.0.1"), "127.0.0.5", true),
            (None, "127.0.0.5", true),
            (from("10.0.0.1"), "192.0.2.77", false),
            (from("10.0.0.1"), "9.9.9.9", false),
            (from("2001:db8::7"), "2606:4700::1", false),
            (None, "9.9.9.9", false),
        ] {
            assert_eq!(is_own(local, ip(peer)), expected, "{local:?} to {peer}");
        }
    }
}
