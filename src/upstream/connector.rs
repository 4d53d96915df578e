//! From a name to an open connection: resolve, admit, connect, shake hands.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::time::Instant;

use crate::{
    error::Error,
    gateway::TargetHost,
    net::{connect, handshake, resolve::Resolver, stream::Stream},
};

/// How long each part of opening a connection took.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpeningTimes {
    /// Resolving the name; `None` for a literal address.
    pub dns: Option<Duration>,
    /// The race of addresses.
    pub connect: Option<Duration>,
    /// The TLS handshake.
    pub tls: Option<Duration>,
}

/// What to connect to.
#[derive(Debug)]
pub struct Door<'a> {
    /// A name or an address.
    pub host: TargetHost<'a>,
    /// The port.
    pub port: u16,
    /// How TLS is spoken, and what name the certificate must bear; `None` for plain TCP.
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// Bound of the kernel's buffers.
    pub socket_buffer: Option<usize>,
}

/// Opens a connection. Only addresses that `admits` are connected to, and no second resolution comes between
/// that question and the connection (reliability.md R29). No deadline here: the caller drops the future.
///
/// # Errors
/// Those of resolving, connecting and the handshake; [`Error::TargetAddressProhibited`] when no address of
/// the name is admitted.
pub async fn open(
    resolver: &Resolver,
    door: Door<'_>,
    admits: impl Fn(IpAddr) -> bool,
    times: &mut OpeningTimes,
) -> Result<(Stream, SocketAddr), Error> {
    let begun = Instant::now();
    let mut addresses: Vec<SocketAddr> = Vec::new();
    match door.host {
        TargetHost::Ip(ip) => addresses.push(SocketAddr::new(ip, door.port)),
        TargetHost::Name(name) => {
            let resolved = resolver.resolve(name).await;
            times.dns = Some(begun.elapsed());
            addresses.extend(resolved?.iter().map(|ip| SocketAddr::new(*ip, door.port)));
        }
    }
    addresses.retain(|address| admits(address.ip()));
    if addresses.is_empty() {
        return Err(Error::TargetAddressProhibited);
    }
    let begun = Instant::now();
    let (tcp, peer) = connect::connect(&addresses, door.socket_buffer).await?;
    times.connect = Some(begun.elapsed());
    let Some((config, name)) = door.tls else { return Ok((Stream::Tcp(tcp), peer)) };
    let begun = Instant::now();
    let stream = handshake::connect(config, name, tcp).await?;
    times.tls = Some(begun.elapsed());
    Ok((stream, peer))
}
