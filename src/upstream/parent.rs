//! Through a parent proxy: from an open connection to it to one to the destination.
//!
//! To https destinations it connects (CONNECT), and TLS is spoken inside of that; for a request that asks for an upgrade,
//! too (RFC 6455 §4.1). Any other one for http goes to the parent itself, in absolute-form (RFC 9112 §3.2.2).

use std::{borrow::Cow, net::IpAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    config::{Endpoint, Limits, Parent, Upstream},
    error::Error,
    http1::head::{Fields, HeadEnd, HeadFault, parse_response},
    net::{Throttle, socket::Socket},
    uri::{Scheme, TargetHost},
};

/// How a destination is asked through a parent proxy.
#[derive(Clone, Copy, Debug)]
pub struct Through<'a> {
    parent: &'a Parent,
    way: Way,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The parent gets the requests.
    Absolute,
    /// It connects to the destination.
    Tunnel,
    /// It connects to the destination for one request, where it would have got any other itself.
    TunnelForOne,
}

impl<'a> Through<'a> {
    /// A destination of this scheme; `upgrade` says that the request asks for one.
    #[must_use]
    pub const fn new(parent: &'a Parent, scheme: Scheme, upgrade: bool) -> Self {
        let way = match (scheme, upgrade) {
            (Scheme::Https, _) => Way::Tunnel,
            (Scheme::Http, true) => Way::TunnelForOne,
            (Scheme::Http, false) => Way::Absolute,
        };
        Self { parent, way }
    }

    /// One of the servers of an upstream; nothing where it is asked directly.
    #[must_use]
    pub fn to_server(upstream: &'a Upstream, server: &Endpoint, upgrade: bool) -> Option<Self> {
        upstream.parent_of(server).map(|parent| Self::new(parent, server.scheme, upgrade))
    }

    /// The parent.
    #[must_use]
    pub const fn parent(self) -> &'a Parent {
        self.parent
    }

    /// Whether the parent gets requests itself.
    #[must_use]
    pub const fn is_absolute(self) -> bool {
        matches!(self.way, Way::Absolute)
    }

    /// Whether the connection is for one request alone: it is never kept, and none that was is used instead.
    #[must_use]
    pub const fn is_for_one(self) -> bool {
        matches!(self.way, Way::TunnelForOne)
    }

    /// The name that connections are kept under which would be kept under `endpoint` else.
    #[must_use]
    pub fn key(through: Option<Self>, endpoint: &str) -> Cow<'_, str> {
        through.map_or(endpoint.into(), |through| through.parent.key(endpoint).into())
    }

    /// Tells the operator what keeps the parent from being used.
    pub fn tell_failure(self, error: Error) {
        static FAILED: Throttle = Throttle::new();
        if let Some(held_back) = FAILED.admit() {
            let (parent, cause) = (self.parent.shown(), error.token());
            tracing::warn!(
                parent,
                cause,
                held_back,
                "the parent proxy cannot be reached or does not answer as it should"
            );
        }
    }

    /// What it comes to that the parent itself cannot be connected to.
    pub(super) fn unreachable(self, error: Error) -> Error {
        // Without a descriptor the fault is ours.
        if error == Error::Internal {
            return error;
        }
        self.tell_failure(error);
        Error::ParentUnreachable
    }

    /// Tells the operator that the parent has answered with a status that is none of the destination's.
    pub fn tell_refusal(self, status: u16) {
        static REFUSED: Throttle = Throttle::new();
        if let Some(held_back) = REFUSED.admit() {
            let parent = self.parent.shown();
            tracing::warn!(parent, status, held_back, "the parent proxy refuses what it is asked for");
        }
    }

    /// Has the parent at the other end of `socket` connect to a place, if that is the way, and says these lines to it; not a byte is taken of what
    /// comes behind its answer, which is the destination's. No deadline here: the caller drops the future.
    ///
    /// # Errors
    /// [`Error::ParentRefused`] for another status than 2xx, [`Error::ParentUnauthorized`] for 407,
    /// [`Error::ParentUnreachable`] when there is no answer; and what is wrong with its head, which is held to `limits`.
    ///
    /// Source: RFC 9110 §9.3.6.
    pub(super) async fn connect(
        self,
        socket: &mut Socket,
        (host, port): (TargetHost<'_>, u16),
        said: &[u8],
        limits: &Limits,
    ) -> Result<(), Error> {
        if self.is_absolute() {
            return Ok(());
        }
        let connected = async {
            socket.write_all(&self.question(host, port, said)).await.map_err(|_| Error::ParentUnreachable)?;
            status(socket, limits).await
        };
        let connected = connected.await.inspect_err(|error| self.tell_failure(*error))?;
        // Whatever a 2xx says of a body, there is none.
        match connected {
            200..=299 => Ok(()),
            status => {
                self.tell_refusal(status);
                Err(if status == 407 { Error::ParentUnauthorized } else { Error::ParentRefused })
            }
        }
    }

    fn question(self, host: TargetHost<'_>, port: u16, said: &[u8]) -> Vec<u8> {
        let authority = match host {
            TargetHost::Name(name) => format!("{name}:{port}"),
            TargetHost::Ip(IpAddr::V4(ip)) => format!("{ip}:{port}"),
            TargetHost::Ip(IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
        };
        let credentials = self.parent.authorization();
        let credentials =
            credentials.map_or(String::new(), |value| format!("Proxy-Authorization: {value}\r\n"));
        let head = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{credentials}");
        [head.as_bytes(), said, b"\r\n"].concat()
    }
}

/// The status of the first response head that is final.
async fn status(socket: &mut Socket, limits: &Limits) -> Result<u16, Error> {
    for _ in 0..=limits.interim {
        let status = head(socket, limits).await?;
        // Switching was not asked for, and would be something else.
        if !matches!(status, 100 | 102..=199) {
            return Ok(status);
        }
    }
    Err(Error::TooManyInterim)
}

/// The status of the next response head, of which all is taken, and nothing behind it.
async fn head(socket: &mut Socket, limits: &Limits) -> Result<u16, Error> {
    const PIECE: usize = 1 << 10;
    let (mut head, mut end) = (Vec::new(), HeadEnd::default());
    loop {
        let come = head.len();
        head.reserve_exact(PIECE);
        head.resize((come + PIECE).min(limits.response_head), 0);
        let piece =
            head.get_mut(come..).filter(|piece| !piece.is_empty()).ok_or(Error::ResponseHeadTooLarge)?;
        let size = socket.peek(piece).await.map_err(|_| Error::ParentUnreachable)?;
        if size == 0 {
            return Err(Error::ParentUnreachable);
        }
        head.truncate(come + size);
        let found = end.find_response(&head).map_err(HeadFault::in_response)?;
        let len = found.unwrap_or(come + size);
        let own = head.get_mut(come..len).unwrap_or_default();
        socket.read_exact(own).await.map_err(|_| Error::ParentUnreachable)?;
        if let Some(len) = found {
            let parsed = parse_response(&mut head, &end, len, limits.fields, Fields::default())?;
            return Ok(parsed.status);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::sample,
        net::testing::{in_worker, tcp_pair},
    };

    /// What comes of an answer that arrives in these pieces, and what is left behind it.
    async fn answered(pieces: &[&[u8]]) -> (Result<(), Error>, Vec<u8>) {
        let (parent, limits) = (Parent::of("http://parent.example:3128"), sample::defaults().limits);
        let (near, mut far) = tcp_pair().await;
        let mut near = Socket::from(near);
        let through = Through::new(&parent, Scheme::Https, false);
        let name = TargetHost::Name("a.example");
        let answering = async move {
            for piece in pieces {
                far.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            far.shutdown().await.unwrap();
            let mut question = Vec::new();
            far.read_to_end(&mut question).await.unwrap();
            assert_eq!(question, b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n");
        };
        let asking = async {
            let connected = through.connect(&mut near, (name, 443), &[], &limits).await;
            let mut rest = Vec::new();
            near.read_to_end(&mut rest).await.unwrap();
            drop(near);
            (connected, rest)
        };
        tokio::join!(asking, answering).0
    }

    #[test]
    fn not_a_byte_behind_the_answer_is_taken() {
        const HEAD: &[u8] = b"HTTP/1.1 103 A\r\nB: c\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
        in_worker(async {
            for cut in 0..=HEAD.len() {
                let (first, second) = HEAD.split_at(cut);
                let (connected, rest) = answered(&[first, &[second, b"next"].concat()]).await;
                assert_eq!((connected, &rest[..]), (Ok(()), &b"next"[..]), "{cut}");
            }
        });
    }

    #[test]
    fn a_head_may_be_as_long_as_it_may_and_no_longer() {
        in_worker(async {
            let most = sample::defaults().limits.response_head;
            for (length, expected) in [(most, Ok(())), (most + 1, Err(Error::ResponseHeadTooLarge))] {
                let begin = "HTTP/1.1 200 OK\r\nA: ";
                let head = format!("{begin}{}\r\n\r\n", "b".repeat(length - begin.len() - 4));
                assert_eq!(head.len(), length);
                assert_eq!(answered(&[head.as_bytes()]).await.0, expected, "{length}");
            }
        });
    }

    #[test]
    fn an_ipv6_address_is_asked_for_in_brackets() {
        let parent = Parent::of("http://u:p@parent.example:3128");
        let through = Through::new(&parent, Scheme::Https, false);
        let expected = "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\nProxy-Authorization: Basic dTpw\r\nVia: a\r\n\r\n";
        let question = through.question(TargetHost::Ip("::1".parse().unwrap()), 443, b"Via: a\r\n");
        assert_eq!(question, expected.as_bytes());
    }
}
