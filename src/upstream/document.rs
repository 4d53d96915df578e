//! A small document that a service has, fetched beside traffic.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::connector::{self, Opener, OpeningTimes, Remote};
use crate::{
    config::{KeySource, Limits},
    error::Error,
    http1::{
        body::{BodyFault, BodyLimits, BodyReader, Recode},
        fields,
        framing::Framing,
        head::{Fields, HeadEnd, HeadFault, MAX_FIELDS, Method, Response, parse_response},
    },
    net::{Descriptors, Places, QueueTime, dns::Resolver, stream::Stream},
    plan::response_body_limits,
    trust::Source,
};

/// The longest document, in bytes.
pub const MAX_DOCUMENT: usize = 256 << 10;

/// How long it may take to fetch one.
const DEADLINE: Duration = Duration::from_secs(10);
/// The largest response head that is looked at, in bytes.
const MAX_HEAD: usize = 16 << 10;

/// Fetches one document.
pub struct Fetcher {
    /// Where it is.
    pub source: KeySource,
    /// Bounds of each connection.
    pub limits: Limits,
    /// Names.
    pub resolver: Resolver,
    /// What connections may take.
    pub descriptors: Arc<Descriptors>,
    /// Where TLS handshakes take place.
    pub handshakes: Places,
}

/// A document, and how long it stays as it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Document {
    /// What it holds.
    pub content: Vec<u8>,
    /// `max-age` of its `Cache-Control`, 0 where that forbids to keep it; `None` where it says nothing.
    pub max_age: Option<Duration>,
}

impl Fetcher {
    /// Fetches it.
    ///
    /// # Errors
    /// Why it could not be.
    pub async fn fetch(&self) -> Result<Document, String> {
        match timeout(DEADLINE, Box::pin(self.ask())).await {
            Ok(fetched) => fetched,
            Err(_) => Err(format!("it took longer than {} s", DEADLINE.as_secs())),
        }
    }

    async fn ask(&self) -> Result<Document, String> {
        let Self { source, limits, resolver, descriptors, handshakes } = self;
        let server = source.upstream.endpoints.first().ok_or("it has no server")?;
        let _spent = descriptors.spend();
        let with = Opener { resolver, descriptors, handshakes, queue: &QueueTime::default() };
        let remote = Remote::of_server(&source.upstream, server, None, (Source::Proxy, None), limits);
        let mut times = OpeningTimes::default();
        let opened = Box::pin(connector::open(with, remote, |_, _| true, &mut times)).await;
        let (mut stream, _) = opened.map_err(|error| error.to_string())?;
        let question = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\nUser-Agent: corsair/{}\r\nConnection: close\r\n\r\n",
            source.target,
            server.authority,
            env!("CARGO_PKG_VERSION")
        );
        let closed = |_| Error::UpstreamClosed.to_string();
        stream.write_all(question.as_bytes()).await.map_err(closed)?;
        stream.flush().await.map_err(closed)?;
        answer(&mut stream, limits).await
    }
}

async fn answer(stream: &mut Stream, limits: &Limits) -> Result<Document, String> {
    let mut bytes = Vec::new();
    loop {
        let mut end = HeadEnd::default();
        if let Some(len) =
            end.find_response(&bytes).map_err(|fault| HeadFault::in_response(fault).to_string())?
        {
            let head = parse_response(&mut bytes, &end, len, MAX_FIELDS, Fields::default());
            let head = head.map_err(|error| error.to_string())?;
            match head.status {
                100..=199 => {
                    bytes.drain(..len);
                    continue;
                }
                200 => {}
                status => return Err(format!("it is answered {status}")),
            }
            let response = Response { bytes: &bytes, head: &head };
            let (framing, _) =
                Framing::of_response(response, Method::Get).map_err(|error| error.to_string())?;
            let max_age = max_age(response);
            let content = body(stream, framing, bytes.split_off(len), limits).await?;
            return Ok(Document { content, max_age });
        }
        if bytes.len() > MAX_HEAD {
            return Err(Error::ResponseHeadTooLarge.to_string());
        }
        if read(stream, &mut bytes).await? == 0 {
            return Err(Error::UpstreamClosed.to_string());
        }
    }
}

/// The payload of a body, of which `begun` has come.
async fn body(
    stream: &mut Stream,
    framing: Framing,
    begun: Vec<u8>,
    limits: &Limits,
) -> Result<Vec<u8>, String> {
    let fault = |fault| match fault {
        BodyFault::TooLarge => format!("it is longer than {MAX_DOCUMENT} bytes"),
        BodyFault::Malformed(_) | BodyFault::Incomplete => BodyFault::in_response(fault).to_string(),
    };
    let bounds = BodyLimits { payload: MAX_DOCUMENT as u64, ..response_body_limits(limits) };
    let recode = if framing == Framing::Chunked { Recode::Dechunk } else { Recode::Verbatim };
    let mut reader = BodyReader::new(framing, recode, bounds);
    let (mut content, mut piece) = (Vec::new(), begun);
    while !reader.is_done() {
        if piece.is_empty() && read(stream, &mut piece).await? == 0 {
            reader.end_of_input().map_err(fault)?;
            continue;
        }
        let size = piece.len();
        let fed = reader.feed(&mut piece, 0..size).map_err(fault)?;
        content.extend_from_slice(piece.get(..fed.output).unwrap_or_default());
        piece.clear();
    }
    Ok(content)
}

async fn read(stream: &mut Stream, into: &mut Vec<u8>) -> Result<usize, String> {
    let mut piece = [0; 4096];
    let size = stream.read(&mut piece).await.map_err(|_| Error::UpstreamClosed.to_string())?;
    into.extend_from_slice(piece.get(..size).unwrap_or_default());
    Ok(size)
}

/// RFC 9111 §5.2.2.
fn max_age(response: Response<'_>) -> Option<Duration> {
    let named = || {
        response
            .head
            .fields
            .iter()
            .filter(|field| field.name.of(response.bytes).eq_ignore_ascii_case(b"cache-control"))
    };
    let directives = || named().flat_map(|field| fields::list(field.value.of(response.bytes)));
    let forbids = |directive: &[u8]| {
        directive.eq_ignore_ascii_case(b"no-store") || directive.eq_ignore_ascii_case(b"no-cache")
    };
    if directives().any(forbids) {
        return Some(Duration::ZERO);
    }
    directives().find_map(|directive| {
        let (name, value) = directive.split_at_checked(b"max-age=".len())?;
        let seconds = str::from_utf8(value).ok()?.trim_matches('"');
        name.eq_ignore_ascii_case(b"max-age=").then(|| seconds.parse().ok().map(Duration::from_secs))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::sample;

    #[test]
    fn how_long_it_may_be_kept_is_what_cache_control_says() {
        for (fields, expected) in [
            ("", None),
            ("Cache-Control: max-age=600\r\n", Some(600)),
            ("Cache-Control: public, Max-Age=\"60\", must-revalidate\r\n", Some(60)),
            ("Cache-Control: public\r\nCache-Control: max-age=1\r\n", Some(1)),
            ("Cache-Control: max-age=600, no-store\r\n", Some(0)),
            ("Cache-Control: No-Cache\r\n", Some(0)),
            ("Cache-Control: max-age=x\r\n", None),
            ("Cache-Control: s-maxage=5\r\n", None),
        ] {
            let response = sample::response(format!("HTTP/1.1 200 OK\r\n{fields}\r\n"));
            assert_eq!(max_age(response.response()), expected.map(Duration::from_secs), "{fields}");
        }
    }
}
