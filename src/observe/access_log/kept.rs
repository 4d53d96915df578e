//! A record of a request that goes on for long when what its texts were part of is gone.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use super::record::{Record, Server, Times};
use crate::{config::SecretNames, error::Error, http1::head::Version, net::Peer};

/// What is known of a request that has not ended, in no more memory than it takes.
#[derive(Debug)]
pub struct KeptRecord {
    /// One behind the other.
    texts: Box<[u8]>,
    /// Where each of them ends.
    ends: [u32; TEXTS],
    time: SystemTime,
    times: Times,
    client: Option<SocketAddr>,
    peer: Option<Peer>,
    service: &'static str,
    cors: &'static str,
    cors_reason: &'static str,
    attempts: u32,
    hops: Option<u32>,
    status: u16,
    secure: bool,
    version: Option<Version>,
    reused: Option<bool>,
}

const TEXTS: usize = 16;
/// The end of a text that there is not.
const NONE: u32 = u32::MAX;

/// What is known of it when it has ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// Why it ended, if that was no good end.
    pub error: Option<Error>,
    /// Bytes read from the client: head and body.
    pub bytes_in: u64,
    /// Bytes written to the client: heads and body.
    pub bytes_out: u64,
    /// From the first byte of the request to the end.
    pub total: Duration,
}

impl KeptRecord {
    /// What `record` says.
    #[must_use]
    pub fn of(record: &Record<'_>) -> Box<Self> {
        let (url, peer) = match record.server {
            Server::None => (None, None),
            Server::Url(url) => (Some(url.as_bytes()), None),
            Server::Peer(peer) => (None, Some(peer.clone())),
        };
        let known: [Option<&[u8]>; TEXTS] = [
            Some(record.listener.as_bytes()),
            Some(record.method),
            record.host,
            Some(record.target),
            Some(record.route.as_bytes()),
            Some(record.upstream.as_bytes()),
            url,
            Some(record.policy.as_bytes()),
            record.origin,
            Some(record.access.as_bytes()),
            Some(record.limit.as_bytes()),
            record.client_certificate,
            record.referer,
            record.user_agent,
            record.request_id,
            record.trace_id,
        ];
        let mut end = 0;
        // All of them are parts of one head and one configuration, which are shorter than that.
        let ends = known.map(|text| {
            let text = text?;
            end += text.len();
            u32::try_from(end).ok()
        });
        Box::new(Self {
            texts: known.into_iter().flatten().collect::<Vec<_>>().concat().into(),
            ends: ends.map(|end| end.unwrap_or(NONE)),
            time: record.time,
            times: record.times,
            client: record.client,
            peer,
            service: record.service,
            cors: record.cors,
            cors_reason: record.cors_reason,
            attempts: record.attempts,
            hops: record.hops,
            status: record.status,
            secure: record.secure,
            version: record.version,
            reused: record.reused,
        })
    }

    /// The record of the request that has `ended`.
    #[must_use]
    pub fn record<'a>(&'a self, ended: Ended, redact: &'a SecretNames) -> Record<'a> {
        let mut start = 0;
        let texts = self.ends.map(|end| {
            let end = usize::try_from(end).ok().filter(|_| end != NONE)?;
            let text = self.texts.get(start..end);
            start = end;
            text
        });
        let [
            listener,
            method,
            host,
            target,
            route,
            upstream,
            url,
            policy,
            origin,
            access,
            limit,
            client_certificate,
            referer,
            user_agent,
            request_id,
            trace_id,
        ] = texts;
        let name = |text: Option<&'a [u8]>| std::str::from_utf8(text.unwrap_or_default()).unwrap_or_default();
        Record {
            time: self.time,
            client: self.client,
            listener: name(listener),
            method: method.unwrap_or_default(),
            secure: self.secure,
            host,
            target: target.unwrap_or_default(),
            redact,
            version: self.version,
            status: self.status,
            error: ended.error,
            bytes_in: ended.bytes_in,
            bytes_out: ended.bytes_out,
            times: Times { total: Some(ended.total), ..self.times },
            service: self.service,
            route: name(route),
            upstream: name(upstream),
            server: match (url, &self.peer) {
                (Some(_), _) => Server::Url(name(url)),
                (None, Some(peer)) => Server::Peer(peer),
                (None, None) => Server::None,
            },
            attempts: self.attempts,
            hops: self.hops,
            reused: self.reused,
            cors: self.cors,
            cors_reason: self.cors_reason,
            policy: name(policy),
            origin,
            access: name(access),
            limit: name(limit),
            client_certificate,
            referer,
            user_agent,
            request_id,
            trace_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_was_kept_says_what_it_said_and_how_the_request_ended() {
        let peer = Peer::Ip(SocketAddr::from(([192, 0, 2, 1], 443)));
        let nothing = Record::nothing(SystemTime::UNIX_EPOCH, 101, SecretNames::NONE);
        let full = Record {
            client: Some(SocketAddr::from(([192, 0, 2, 7], 4711))),
            listener: "http://127.0.0.1:3000",
            method: b"GET",
            secure: true,
            host: Some(b"api.example"),
            target: b"/socket?\xff",
            version: Some(Version::Http11),
            times: Times { connect: Some(Duration::from_millis(2)), ..Times::default() },
            service: "routes",
            route: "/",
            upstream: "api",
            server: Server::Url("http://10.0.0.1"),
            attempts: 2,
            hops: Some(1),
            reused: Some(false),
            cors: "allow",
            cors_reason: "none",
            policy: "strict",
            origin: Some(b""),
            access: "staff",
            limit: "few",
            client_certificate: Some(b"CN=client"),
            referer: Some(b"https://app.example/"),
            user_agent: Some(b"Mozilla/5.0"),
            request_id: Some(b"7"),
            trace_id: Some(b"4bf92f3577b34da6a3ce929d0e0e4736"),
            ..nothing.clone()
        };
        let at_peer = Record { server: Server::Peer(&peer), origin: None, ..full.clone() };
        let ended = Ended {
            error: Some(Error::ClientGone),
            bytes_in: 5,
            bytes_out: 7,
            total: Duration::from_secs(3600),
        };
        for record in [nothing, full, at_peer] {
            let expected = Record {
                error: ended.error,
                bytes_in: 5,
                bytes_out: 7,
                times: Times { total: Some(ended.total), ..record.times },
                ..record.clone()
            };
            let kept = KeptRecord::of(&record);
            assert_eq!(format!("{:?}", kept.record(ended, SecretNames::NONE)), format!("{expected:?}"));
        }
    }
}
