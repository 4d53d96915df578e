//! PURE. A request head as the upstream gets it, a response head as the client gets it.
//!
//! Fields are copied one by one from the parsed head, and only a line that is spelled as we would spell it goes
//! over in one piece. Whatever belongs to one hop is left
//! out first; what corsair adds comes after, so that no peer can strip it.

use std::{fmt::Write as _, net::IpAddr};

use super::{
    identity::{Identity, RequestId, hexadecimal},
    plan::{Client, Exchange},
};
use crate::{
    cors::{CorsDecision, CorsPolicy, strips, write_response_fields},
    error::Error,
    http1::{
        connection::Nominated,
        emit::HeadWriter,
        fields::{self, Field, FieldId},
        framing::Framing,
        head::{Fields, Request, Response, Version},
    },
};

/// What every request of a client says of it, rendered once for all of them.
#[derive(Debug)]
pub struct Forwarding {
    /// What stands before the host, and what stands between it and where it is named again.
    rendered: String,
    /// Bytes of the former.
    before_host: usize,
    /// What ends the lines.
    behind_host: &'static str,
}

/// Room for the lines of any client, so that they are rendered in one piece of memory.
const FORWARDING_ROOM: usize = 192;

impl Forwarding {
    /// The lines that tell of `client`.
    #[must_use]
    pub fn of(client: &Client) -> Self {
        let address = client.address.ip().to_canonical();
        let (protocol, behind_host) = if client.secure {
            ("\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: ", "\";proto=https\r\n")
        } else {
            ("\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: ", "\";proto=http\r\n")
        };
        // RFC 7239 §4: values that are no token are quoted; a host was checked to hold neither quote nor
        // backslash.
        let (before_address, behind_address) =
            if address.is_ipv4() { ("", ";host=\"") } else { ("\"[", "]\";host=\"") };
        let mut rendered = String::with_capacity(FORWARDING_ROOM);
        rendered.push_str("X-Forwarded-For: ");
        push_address(&mut rendered, address);
        rendered.push_str(protocol);
        let before_host = rendered.len();
        rendered.push_str("\r\nForwarded: for=");
        rendered.push_str(before_address);
        push_address(&mut rendered, address);
        rendered.push_str(behind_address);
        Self { rendered, before_host, behind_host }
    }

    /// Who the client is and how it reached us: what it said of that itself was dropped, for it is not trusted.
    fn write(&self, writer: &mut HeadWriter<'_>, host: &[u8]) {
        let (before, between) = self.rendered.as_bytes().split_at(self.before_host);
        writer.lines_in_parts([before, host, between, host, self.behind_host.as_bytes()]);
    }
}

/// Adds an address as it is written; the formatter takes its time for the short ones.
fn push_address(text: &mut String, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    text.push('.');
                }
                text.push_str(itoa::Buffer::new().format(octet));
            }
        }
        // Writing to a string cannot fail.
        IpAddr::V6(address) => _ = write!(text, "{address}"),
    }
}

/// The fields of a head that travel beyond this hop.
fn end_to_end<'a>(bytes: &'a [u8], fields: &'a Fields) -> impl Iterator<Item = &'a Field> {
    let nominated =
        Nominated::of(|| fields.all(FieldId::Connection).map(|connection| connection.value.of(bytes)));
    let ends_here =
        move |field: &Field| !field.id.survives_nomination() && nominated.contains(field.name.of(bytes));
    fields.iter().filter(move |field| !(field.id.is_hop_by_hop() || ends_here(field)))
}

/// Where an upstream request goes, as far as its head shows it.
#[derive(Clone, Copy, Debug)]
pub struct Onward<'a> {
    /// A method other than the client's, after a redirect.
    pub method: Option<&'a [u8]>,
    /// The request target, in parts.
    pub target: [&'a [u8]; 3],
    /// The value of `Host`.
    pub host: &'a [u8],
    /// How the body is framed.
    pub framing: Framing,
    /// The browser's `Cookie`, `Origin` and `Referer` stay here (cors.md §4).
    pub is_gateway: bool,
    /// A redirect has led to another origin: no credentials go there.
    pub without_credentials: bool,
    /// A redirect has dropped the body, and the fields that describe it.
    pub without_body: bool,
}

/// What corsair says of the client and of itself.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// Who sends the request.
    pub forwarding: &'a Forwarding,
    /// How this process names itself.
    pub identity: &'a Identity,
    /// How the request is called where the client gave it no name.
    pub request_id: RequestId,
}

/// Writes the head of the upstream request; its length.
///
/// # Errors
/// [`Error::RequestHeadTooLarge`] when it does not fit into `out`.
pub fn request(
    request: Request<'_>,
    exchange: &Exchange,
    onward: &Onward<'_>,
    sender: &Sender<'_>,
    out: &mut [u8],
) -> Result<usize, Error> {
    let Request { bytes, head } = request;
    let mut writer = HeadWriter::new(out);
    writer.request_line(onward.method.unwrap_or_else(|| request.method_name()), &onward.target);
    writer.field(b"Host", onward.host);
    let (mut request_id, mut traceparent, mut trailers) = (false, false, false);
    for field in end_to_end(bytes, &head.fields) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "a field that no rule names travels")]
        let keep = match field.id {
            FieldId::Host
            | FieldId::ContentLength
            | FieldId::Forwarded
            | FieldId::XForwardedFor
            | FieldId::XForwardedHost
            | FieldId::XForwardedProto => false,
            FieldId::Expect => head.version == Version::Http11 && !onward.without_body,
            FieldId::Cookie | FieldId::Origin | FieldId::Referer => !onward.is_gateway,
            FieldId::Authorization => !onward.without_credentials,
            FieldId::ContentType
            | FieldId::ContentEncoding
            | FieldId::ContentLanguage
            | FieldId::ContentLocation
            | FieldId::ContentRange
            | FieldId::Trailer => !onward.without_body,
            FieldId::MaxForwards => match exchange.max_forwards {
                Some(forwards) => {
                    writer.field(b"Max-Forwards", itoa::Buffer::new().format(forwards).as_bytes());
                    false
                }
                None => true,
            },
            FieldId::XRequestId => {
                request_id = true;
                true
            }
            FieldId::Traceparent => {
                traceparent = true;
                true
            }
            _ => true,
        };
        if keep {
            writer.parsed_field(bytes, field);
        }
    }
    trailers |=
        request.values(FieldId::Te).flat_map(fields::list).any(|te| te.eq_ignore_ascii_case(b"trailers"));
    if exchange.upgrade {
        writer.lines(b"Connection: upgrade\r\nUpgrade: websocket\r\n");
    } else if trailers {
        writer.lines(b"TE: trailers\r\nConnection: TE\r\n");
    }
    if onward.framing == Framing::None && !onward.without_body && head.fields.has(FieldId::ContentLength) {
        // Some servers want a length with every POST, be it 0 (RFC 9110 §8.6).
        frame_declared(&mut writer, 0);
    } else {
        frame(&mut writer, onward.framing);
    }
    let host = exchange.authority.map_or(onward.host, |authority| authority.of(bytes));
    sender.forwarding.write(&mut writer, host);
    writer.lines(&sender.identity.via);
    if !request_id {
        writer.field(b"X-Request-Id", &sender.request_id.text());
    }
    if !traceparent {
        let (trace, span) =
            (hexadecimal::<32>(fastrand::u128(1..)), hexadecimal::<16>(fastrand::u64(1..).into()));
        writer.lines_in_parts([b"traceparent: 00-", &trace, b"-", &span, b"-00\r\n"]);
    }
    writer.finish().map_err(|_| Error::RequestHeadTooLarge)
}

/// The one framing field, if any.
fn frame(writer: &mut HeadWriter<'_>, framing: Framing) {
    match framing {
        Framing::None | Framing::UntilClose => {}
        Framing::Length(length) => {
            writer.field(b"Content-Length", itoa::Buffer::new().format(length).as_bytes())
        }
        Framing::Chunked => writer.lines(b"Transfer-Encoding: chunked\r\n"),
    }
}

/// What the head of a response to the client is made of, beside the upstream's own.
pub struct Homeward<'a> {
    /// What CORS says.
    pub cors: CorsDecision,
    /// By which policy.
    pub policy: &'a CorsPolicy,
    /// The request's bytes, for the origin in them.
    pub request_bytes: &'a [u8],
    /// How the client gets the body.
    pub framing: Framing,
    /// The length declared where there is no body (HEAD, 304), or 0.
    pub declared: Option<u64>,
    /// `Connection: close` or `keep-alive`, if it must be said.
    pub connection: Option<&'static [u8]>,
    /// The URL that a gateway's answer came from.
    pub gateway: Option<GatewayAnswer<'a>>,
    /// How this process names itself.
    pub identity: &'a Identity,
    /// The value of `Date` where the upstream sent none.
    pub date: &'a dyn Fn(&mut HeadWriter<'_>),
}

/// What becomes of the `Location` of a gateway's target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location<'a> {
    /// It goes on as it is.
    Kept,
    /// This takes its place.
    Rewritten(&'a str),
    /// It goes no further: we cannot read it, but a browser might, and leave the gateway.
    Dropped,
}

/// What a gateway adds to and changes in its target's response.
#[derive(Clone, Copy, Debug)]
pub struct GatewayAnswer<'a> {
    /// Where the answer came from in the end.
    pub final_url: &'a str,
    /// What becomes of `Location`.
    pub location: Location<'a>,
}

/// The names that corsair itself adds, to be exposed to scripts.
const ADDED: &[&str] = &["Via"];
const ADDED_BY_GATEWAY: &[&str] = &["Via", "X-Final-URL"];

/// Writes the head of a final response; its length.
///
/// # Errors
/// [`Error::ResponseHeadTooLarge`] when it does not fit into `out`.
pub fn response(response: Response<'_>, homeward: &Homeward<'_>, out: &mut [u8]) -> Result<usize, Error> {
    let Response { bytes, head } = response;
    let mut writer = HeadWriter::new(out);
    writer.status_line(head.status, head.reason.of(bytes));
    let strips_cors = strips(homeward.cors, homeward.policy);
    let mut date = false;
    let mut inert = None;
    for field in end_to_end(bytes, &head.fields) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "a field that no rule names travels")]
        let keep = match field.id {
            FieldId::ContentLength => false,
            FieldId::CorsResponse => !strips_cors,
            id if homeward.policy.replaces(id) => false,
            FieldId::XFinalUrl => homeward.gateway.is_none(),
            FieldId::Date => {
                date = true;
                true
            }
            FieldId::Location => match homeward.gateway.map_or(Location::Kept, |gateway| gateway.location) {
                Location::Kept => true,
                Location::Rewritten(location) => {
                    writer.computed_field(b"Location", location.as_bytes());
                    false
                }
                Location::Dropped => false,
            },
            FieldId::ContentType if homeward.gateway.is_some() => {
                inert = Some(inert.unwrap_or(true) && is_inert(field.value.of(bytes)));
                true
            }
            id if acts_on_origin(id) => homeward.gateway.is_none(),
            _ => true,
        };
        if keep {
            writer.parsed_field(bytes, field);
        }
    }
    if let Some(gateway) = homeward.gateway {
        writer.computed_field(b"X-Final-URL", gateway.final_url.as_bytes());
        // Without a media type browsers guess one.
        if inert != Some(true) {
            writer.lines(b"Content-Security-Policy: sandbox\r\n");
        }
    }
    match (homeward.framing, homeward.declared) {
        (Framing::None, Some(length)) => frame_declared(&mut writer, length),
        (framing, _) => frame(&mut writer, framing),
    }
    if let Some(connection) = homeward.connection {
        writer.field(b"Connection", connection);
    }
    if !date {
        (homeward.date)(&mut writer);
    }
    let added = if homeward.gateway.is_some() { ADDED_BY_GATEWAY } else { ADDED };
    write_response_fields(
        homeward.cors,
        homeward.policy,
        homeward.request_bytes,
        Some(response),
        added,
        &mut writer,
    );
    writer.lines(&homeward.identity.via);
    writer.finish().map_err(|_| Error::ResponseHeadTooLarge)
}

fn frame_declared(writer: &mut HeadWriter<'_>, length: u64) {
    writer.field(b"Content-Length", itoa::Buffer::new().format(length).as_bytes());
}

/// Fields of a target that would act on the gateway's own origin, which all targets share (cors.md §4).
const fn acts_on_origin(id: FieldId) -> bool {
    matches!(
        id,
        FieldId::SetCookie
            | FieldId::ContentSecurityPolicy
            | FieldId::XFrameOptions
            | FieldId::CrossOriginOpenerPolicy
            | FieldId::ClearSiteData
            | FieldId::StrictTransportSecurity
            | FieldId::ServiceWorkerAllowed
    )
}

/// Media types that a browser cannot take for a document of our origin; whatever else comes is sandboxed.
fn is_inert(content_type: &[u8]) -> bool {
    // Of a list browsers take the last that they can read (Fetch, "extract a MIME type").
    if memchr::memchr(b',', content_type).is_some() {
        return false;
    }
    let essence = fields::trim(content_type.split(|byte| *byte == b';').next().unwrap_or_default());
    let is_xml = essence.len() >= 4 && essence[essence.len() - 4..].eq_ignore_ascii_case(b"+xml");
    ["application/json", "application/octet-stream", "text/css", "text/event-stream", "text/plain"]
        .iter()
        .any(|inert| essence.eq_ignore_ascii_case(inert.as_bytes()))
        || !is_xml
            && ["image/", "font/", "audio/", "video/"].iter().any(|prefix| {
                // What is no media type is guessed at.
                fields::starts_with_ignore_case(essence, prefix.as_bytes())
                    && fields::is_token(&essence[prefix.len()..])
            })
}

/// Writes the head of an interim response, or of a 101 with the fields that `switch` adds; its length
/// (RFC 9110 §15.2). A gateway's target may not act on our origin in these either.
///
/// # Errors
/// [`Error::ResponseHeadTooLarge`] when it does not fit into `out`.
pub fn interim(
    response: Response<'_>,
    switch: bool,
    is_gateway: bool,
    out: &mut [u8],
) -> Result<usize, Error> {
    let Response { bytes, head } = response;
    let mut writer = HeadWriter::new(out);
    writer.status_line(head.status, head.reason.of(bytes));
    for field in end_to_end(bytes, &head.fields) {
        let stays = matches!(field.id, FieldId::ContentLength | FieldId::Trailer | FieldId::CorsResponse)
            || is_gateway && acts_on_origin(field.id);
        if !stays {
            writer.parsed_field(bytes, field);
        }
    }
    if switch {
        writer.lines(b"Connection: upgrade\r\nUpgrade: websocket\r\n");
    }
    writer.finish().map_err(|_| Error::ResponseHeadTooLarge)
}

#[cfg(test)]
mod tests;
