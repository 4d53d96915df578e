//! What trusted proxies tell of a request.

use std::net::SocketAddr;

use super::{
    element, node,
    proxies::{Trust, TrustedHeaders, TrustedProxies},
};
use crate::http1::{
    fields::{FieldId, trim},
    head::Request,
    span::Span,
    target::is_authority,
};

/// Proxies over which a chain is followed (rule 5 of [`trust`](super)).
const MOST_PROXIES: usize = 32;

/// What is believed of a request that a trusted proxy has sent; nothing of what it has not told, or not well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The client; its port is 0 where nobody knows it. Nothing where the proxy is the client itself, for all that is
    /// known.
    pub client: Option<SocketAddr>,
    /// Whether the client came over TLS.
    pub secure: Option<bool>,
    /// The authority that it asked for.
    pub host: Option<Span>,
    /// Where the chain begins in the head, of which `client` is the first link.
    begins: u32,
    /// The fields that it stands in.
    headers: TrustedHeaders,
}

impl Told {
    /// Nothing.
    pub const NOTHING: Self =
        Self { client: None, secure: None, host: None, begins: 0, headers: TrustedHeaders::XForwarded };

    /// Whether nothing is.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.client.is_none() && self.secure.is_none() && self.host.is_none()
    }
}

/// Reads what a trusted proxy tells of a request.
#[must_use]
pub fn told(request: Request<'_>, trust: &Trust) -> Told {
    match trust.headers {
        TrustedHeaders::XForwarded => x_forwarded(request, &trust.proxies),
        TrustedHeaders::Forwarded => forwarded(request, &trust.proxies),
    }
}

/// Those that a request has come by, from the client to the one before the peer of the connection.
pub fn links<'a>(request: Request<'a>, told: &Told) -> impl Iterator<Item = SocketAddr> + use<'a> {
    let (headers, begins) = (told.headers, usize::try_from(told.begins).unwrap_or(usize::MAX));
    let is_there = told.client.is_some();
    let lines = request.head.fields.all(field_of(headers)).map(|field| field.value.range());
    let kept = lines.filter(move |line| is_there && line.end > begins);
    let kept = kept.map(move |line| request.bytes.get(line.start.max(begins)..line.end).unwrap_or_default());
    kept.flat_map(move |line| Elements { line, headers }).filter_map(move |text| match headers {
        TrustedHeaders::XForwarded => node::parse(text, true),
        TrustedHeaders::Forwarded => element::parse(text)?.client,
    })
}

const fn field_of(headers: TrustedHeaders) -> FieldId {
    match headers {
        TrustedHeaders::XForwarded => FieldId::XForwardedFor,
        TrustedHeaders::Forwarded => FieldId::Forwarded,
    }
}

/// `X-Forwarded-For`, `-Proto` and `-Host`.
fn x_forwarded(request: Request<'_>, proxies: &TrustedProxies) -> Told {
    let mut told = Told { headers: TrustedHeaders::XForwarded, ..Told::NOTHING };
    from_the_right(request, told.headers, |start, text| {
        let Some(address) = node::parse(text, true) else { return false };
        told.link(address, start);
        proxies.trusts(address.ip())
    });
    told.secure =
        only(request, FieldId::XForwardedProto).and_then(|span| element::scheme(span.of(request.bytes)));
    told.host = only(request, FieldId::XForwardedHost).filter(|span| is_authority(span.of(request.bytes)));
    told
}

/// `Forwarded` (RFC 7239).
fn forwarded(request: Request<'_>, proxies: &TrustedProxies) -> Told {
    let mut told = Told { headers: TrustedHeaders::Forwarded, ..Told::NOTHING };
    from_the_right(request, told.headers, |start, text| {
        let Some(element) = element::parse(text) else { return false };
        told.secure = element.secure.or(told.secure);
        let host = element.host.map(|host| Span::new(start + host.start, start + host.end));
        told.host = host.or(told.host);
        let Some(address) = element.client else { return false };
        told.link(address, start);
        proxies.trusts(address.ip())
    });
    told
}

impl Told {
    /// One more link, before the others.
    fn link(&mut self, address: SocketAddr, start: usize) {
        self.client = Some(address);
        self.begins = u32::try_from(start).unwrap_or(u32::MAX);
    }
}

/// Shows the elements of a chain from the last to the first, each with where it stands in the head, for as long as
/// `goes_on` says so.
fn from_the_right(
    request: Request<'_>,
    headers: TrustedHeaders,
    mut goes_on: impl FnMut(usize, &[u8]) -> bool,
) {
    let mut left = MOST_PROXIES;
    for field in request.head.fields.all(field_of(headers)).rev() {
        let line = field.value.range();
        let mut rest = request.bytes.get(line.clone()).unwrap_or_default();
        loop {
            let begins = rest.iter().rposition(outside_of_quotes(headers)).map_or(0, |comma| comma + 1);
            let element = rest.get(begins..).unwrap_or_default();
            let text = trim(element);
            if !text.is_empty() {
                let start = line.start + begins + element::offset(element);
                if left == 0 || !goes_on(start, text) {
                    return;
                }
                left -= 1;
            }
            let Some(before) = begins.checked_sub(1) else { break };
            rest = rest.get(..before).unwrap_or_default();
        }
    }
}

/// Whether a byte parts two elements, asked of one after the other, from either side: an element ends outside of quotes.
/// A quote that is escaped makes its element malformed, whatever is taken for its end.
fn outside_of_quotes(headers: TrustedHeaders) -> impl FnMut(&u8) -> bool {
    let mut quoted = false;
    move |byte| {
        quoted ^= *byte == b'"' && headers == TrustedHeaders::Forwarded;
        *byte == b',' && !quoted
    }
}

/// The elements of a line, from the left.
struct Elements<'a> {
    line: &'a [u8],
    headers: TrustedHeaders,
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.line.is_empty() {
            let end = self.line.iter().position(outside_of_quotes(self.headers)).unwrap_or(self.line.len());
            let (element, rest) = self.line.split_at(end);
            self.line = rest.get(1..).unwrap_or_default();
            let element = trim(element);
            if !element.is_empty() {
                return Some(element);
            }
        }
        None
    }
}

/// Where the value of a field stands that is there once.
fn only(request: Request<'_>, id: FieldId) -> Option<Span> {
    let mut all = request.head.fields.all(id);
    match (all.next(), all.next()) {
        (Some(field), None) if !field.value.is_empty() => Some(field.value),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
