//! Receiving the header of the PROXY protocol, and not a byte of what comes behind it.
//!
//! No deadline here: the caller's covers more than the header, and dropping the future closes the connection.

use std::{io, net::SocketAddr};

use tokio::io::AsyncReadExt;

use super::{socket::Socket, throttle::Throttle};
use crate::trust::{PROXY_HEADER_MAX, ProxyHeaderFault, Source, begins_proxy_header, proxy_header};

/// Receives the header that a trusted `peer` begins its connection with; nothing where the connection is to be closed: it
/// has ended, or begins otherwise, which is logged, for somebody has configured one side alone.
pub async fn receive(socket: &mut Socket, peer: Option<SocketAddr>) -> Option<Source> {
    match header(socket).await {
        Ok(source) => Some(source),
        Err(Fault::Ended) => None,
        Err(Fault::Header(fault)) => {
            static FAULTS: Throttle = Throttle::new();
            if let Some(held_back) = FAULTS.admit() {
                let peer = peer.map_or_else(|| "unix:".to_owned(), |peer| peer.to_string());
                tracing::warn!(
                    peer,
                    %fault,
                    held_back,
                    "a trusted proxy has begun a connection without a PROXY header that can be read; it was closed"
                );
            }
            None
        }
    }
}

/// Whether a connection of which something has come begins with such a header, where none is expected: its peer is not
/// trusted, or the listener asks for none. Logged, for somebody has configured one side alone.
pub async fn comes_first(socket: &Socket) -> bool {
    let mut first = [0; 12];
    let size = socket.peek(&mut first).await.unwrap_or_default();
    let comes = begins_proxy_header(first.get(..size).unwrap_or_default());
    if comes {
        static UNEXPECTED: Throttle = Throttle::new();
        if let Some(held_back) = UNEXPECTED.admit() {
            tracing::warn!(
                held_back,
                "a connection began with a PROXY header of a peer that is not trusted, or where none is asked for; it \
                 was closed"
            );
        }
    }
    comes
}

/// Why there is no header.
enum Fault {
    /// The peer has gone, as those do that look whether a port is open.
    Ended,
    Header(ProxyHeaderFault),
}

impl From<io::Error> for Fault {
    fn from(_gone: io::Error) -> Self {
        Self::Ended
    }
}

async fn header(socket: &mut Socket) -> Result<Source, Fault> {
    let mut bytes = [0; PROXY_HEADER_MAX];
    let mut come = 0;
    loop {
        let seen = come + socket.peek(bytes.get_mut(come..).unwrap_or_default()).await?;
        if seen == come {
            return Err(Fault::Ended);
        }
        let header = proxy_header(bytes.get(..seen).unwrap_or_default()).map_err(Fault::Header)?;
        // While it is not whole, all of it is the header's: it is taken, so that only more of it wakes us.
        let end = header.map_or(seen, |header| header.len);
        socket.read_exact(bytes.get_mut(come..end).unwrap_or_default()).await?;
        come = end;
        if let Some(header) = header {
            return Ok(header.source);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::net::testing::{in_worker, tcp_pair};

    const LINE: &[u8] = b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 443\r\n";

    #[test]
    fn not_a_byte_of_what_comes_behind_the_header_is_taken() {
        in_worker(async {
            for cut in [0, 1, 5, 6, LINE.len() - 1, LINE.len()] {
                let (near, mut far) = tcp_pair().await;
                let mut near = Socket::from(near);
                let (first, second) = LINE.split_at(cut);
                let sending = async {
                    far.write_all(first).await.unwrap();
                    tokio::task::yield_now().await;
                    far.write_all(&[second, b"next"].concat()).await.unwrap();
                };
                let (source, ()) = tokio::join!(receive(&mut near, None), sending);
                assert_eq!(source, Some(Source::Client("203.0.113.7:4711".parse().unwrap())), "{cut}");
                let mut next = [0; 4];
                near.read_exact(&mut next).await.unwrap();
                assert_eq!(&next, b"next");
            }
        });
    }

    #[test]
    fn an_end_and_a_fault_are_no_source() {
        in_worker(async {
            for sent in
                [&b""[..], b"PROXY TCP4 ", b"GET / HTTP/1.1\r\n\r\n", b"PROXY nonsense\r\n", &[b'\r'; 600]]
            {
                let (near, mut far) = tcp_pair().await;
                far.write_all(sent).await.unwrap();
                drop(far);
                assert_eq!(receive(&mut near.into(), None).await, None, "{sent:?}");
            }
        });
    }
}
