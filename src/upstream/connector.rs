//! From a name to an open connection: resolve, admit, connect, shake hands.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{net::UnixStream, time::Instant};

use crate::{
    config::Place,
    error::Error,
    net::{Descriptors, Peer, connect, dns::Resolver, handshake, stream::Stream},
    uri::TargetHost,
};

/// How long each part of opening a connection took.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpeningTimes {
    /// The first address that was tried.
    pub tried: Option<SocketAddr>,
    /// Resolving the name; `None` for a literal address.
    pub dns: Option<Duration>,
    /// The race of addresses.
    pub connect: Option<Duration>,
    /// The TLS handshake.
    pub tls: Option<Duration>,
}

/// What to connect to.
#[derive(Clone, Debug)]
pub struct Remote<'a> {
    /// Where it is.
    pub place: Place<'a>,
    /// How TLS is spoken, and what name the certificate must bear; `None` for plain TCP.
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// Bound of the kernel's buffers.
    pub socket_buffer: Option<usize>,
}

/// Opens a connection. Only addresses that `admits` are connected to, and no second resolution comes between
/// that question and the connection (rule 7 of [`upstream`](super)): a name that changes meanwhile leads nowhere
/// else. No deadline here: the caller drops the future.
///
/// # Errors
/// Those of resolving, connecting and the handshake; [`Error::TargetAddressProhibited`] when no address of
/// the name is admitted.
pub async fn open(
    (resolver, descriptors): (&Resolver, &Arc<Descriptors>),
    remote: Remote<'_>,
    admits: impl Fn(IpAddr) -> bool,
    times: &mut OpeningTimes,
) -> Result<(Stream, Peer), Error> {
    let begun = Instant::now();
    let mut addresses: Vec<SocketAddr> = Vec::new();
    match remote.place {
        Place::Unix(path) => {
            let stream = UnixStream::connect(&**path).await.map_err(|error| unix_fault(&error))?;
            times.connect = Some(begun.elapsed());
            return Ok((Stream::Unix(stream), Peer::Unix(Arc::clone(path))));
        }
        Place::Port(TargetHost::Ip(ip), port) => addresses.push(SocketAddr::new(ip, port)),
        Place::Port(TargetHost::Name(name), port) => {
            let resolved = resolver.resolve(name).await;
            times.dns = Some(begun.elapsed());
            addresses.extend(resolved?.iter().map(|ip| SocketAddr::new(*ip, port)));
        }
    }
    addresses.retain(|address| admits(address.ip()));
    if addresses.is_empty() {
        return Err(Error::TargetAddressProhibited);
    }
    times.tried = addresses.first().copied();
    let begun = Instant::now();
    let connected = connect::connect(&addresses, remote.socket_buffer, descriptors).await;
    times.connect = Some(begun.elapsed());
    let (tcp, peer) = connected?;
    let Some((config, name)) = remote.tls else { return Ok((Stream::Tcp(tcp), Peer::Ip(peer))) };
    let begun = Instant::now();
    let stream = handshake::connect(config, name, tcp).await?;
    times.tls = Some(begun.elapsed());
    Ok((stream, Peer::Ip(peer)))
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
