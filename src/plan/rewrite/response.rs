//! A response head as the client gets it.

use super::{
    fields::{content_length, end_to_end, frame},
    rename::Renaming,
};
use crate::{
    cors::{CorsDecision, CorsPolicy, Transit, Upstream, strips, write_response_fields},
    error::Error,
    gateway::{Passage, RENAMED_CHALLENGE, passage},
    http1::{
        emit::HeadWriter,
        fields::{self, Field, FieldId},
        framing::Framing,
        head::Response,
    },
    plan::{date::Date, identity::Identity},
};

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
    /// What an application's answer names by other names than the client, where that is renamed.
    pub renaming: Option<Renaming<'a>>,
    /// How this process names itself.
    pub identity: &'a Identity,
    /// The value of `Date` where the upstream sent none.
    pub date: &'a Date,
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

const ADDED_WITH_CHALLENGE: &[&str] = &["Via", "X-Final-URL", RENAMED_CHALLENGE];

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
    let (mut nosniff, mut challenged) = (false, false);
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
            id if homeward.gateway.is_some() => match passage(id, field.name.of(bytes)) {
                Passage::Leaves if is_nosniff(field, bytes) => {
                    nosniff = true;
                    false
                }
                Passage::Leaves => true,
                Passage::Renamed => {
                    challenged = true;
                    writer.field(RENAMED_CHALLENGE.as_bytes(), field.value.of(bytes));
                    false
                }
                Passage::Stays => false,
            },
            _ => true,
        };
        if keep {
            copy(bytes, field, homeward.renaming.as_ref(), &mut writer);
        }
    }
    if let Some(gateway) = homeward.gateway {
        writer.computed_field(b"X-Final-URL", gateway.final_url.as_bytes());
        // Without a media type browsers guess one.
        if inert != Some(true) {
            writer.lines(b"Content-Security-Policy: sandbox\r\n");
        }
        if inert == Some(true) || nosniff {
            writer.lines(b"X-Content-Type-Options: nosniff\r\n");
        }
    }
    match (homeward.framing, homeward.declared) {
        (Framing::None, Some(length)) => content_length(&mut writer, length),
        (framing, _) => frame(&mut writer, framing),
    }
    if let Some(connection) = homeward.connection {
        writer.field(b"Connection", connection);
    }
    if !date {
        homeward.date.write(&mut writer);
    }
    let added = match homeward.gateway {
        None => ADDED,
        Some(_) if challenged => ADDED_WITH_CHALLENGE,
        Some(_) => ADDED_BY_GATEWAY,
    };
    let leaves = |field: &Field| homeward.gateway.is_none_or(|gateway| leaves(&gateway, field, bytes));
    let leaves: Option<&dyn Fn(&Field) -> bool> = homeward.gateway.is_some().then_some(&leaves);
    let transit = Transit { leaves, drops_cookies: homeward.gateway.is_some() };
    write_response_fields(
        homeward.cors,
        homeward.policy,
        homeward.request_bytes,
        Some(Upstream { response, transit }),
        added,
        &mut writer,
    );
    writer.lines(&homeward.identity.via);
    writer.finish().map_err(|_| Error::ResponseHeadTooLarge)
}

/// Whether a field of a target leaves under its own name, so that it may be named to scripts.
fn leaves(gateway: &GatewayAnswer<'_>, field: &Field, bytes: &[u8]) -> bool {
    let is_dropped = field.id == FieldId::Location && gateway.location == Location::Dropped;
    !is_dropped && passage(field.id, field.name.of(bytes)) == Passage::Leaves
}

/// Whether this is `X-Content-Type-Options`, which is written once.
fn is_nosniff(field: &Field, bytes: &[u8]) -> bool {
    field.id == FieldId::Other && field.name.of(bytes).eq_ignore_ascii_case(b"x-content-type-options")
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
    renaming: Option<&Renaming<'_>>,
    out: &mut [u8],
) -> Result<usize, Error> {
    let Response { bytes, head } = response;
    let mut writer = HeadWriter::new(out);
    writer.status_line(head.status, head.reason.of(bytes));
    for field in end_to_end(bytes, &head.fields) {
        let stays = matches!(field.id, FieldId::ContentLength | FieldId::Trailer | FieldId::CorsResponse)
            || is_gateway && passage(field.id, field.name.of(bytes)) != Passage::Leaves;
        if !stays {
            copy(bytes, field, renaming, &mut writer);
        }
    }
    if switch {
        writer.lines(b"Connection: upgrade\r\nUpgrade: websocket\r\n");
    }
    writer.finish().map_err(|_| Error::ResponseHeadTooLarge)
}

/// A field as it came, or as the client knows what it names.
fn copy(bytes: &[u8], field: &Field, renaming: Option<&Renaming<'_>>, writer: &mut HeadWriter<'_>) {
    match renaming.and_then(|renaming| renaming.renamed(field.id, field.value.of(bytes))) {
        Some(value) => writer.computed_field(field.name.of(bytes), &value),
        None => writer.parsed_field(bytes, field),
    }
}

/// Media types that are no documents, and the one whose viewer shows nothing in a sandbox.
const INERT: &[&str] = &[
    "application/json",
    "application/octet-stream",
    "application/pdf",
    "text/css",
    "text/event-stream",
    "text/plain",
];

/// Media types that a browser cannot take for a document of our origin; whatever else comes is sandboxed (rule 4 of
/// [`gateway`](crate::gateway)).
fn is_inert(content_type: &[u8]) -> bool {
    // Of a list browsers take the last that they can read (Fetch, "extract a MIME type").
    if memchr::memchr(b',', content_type).is_some() {
        return false;
    }
    let essence = fields::trim(content_type.split(|byte| *byte == b';').next().unwrap_or_default());
    let is_xml = essence.len() >= 4 && essence[essence.len() - 4..].eq_ignore_ascii_case(b"+xml");
    INERT.iter().any(|inert| essence.eq_ignore_ascii_case(inert.as_bytes()))
        || !is_xml
            && ["image/", "font/", "audio/", "video/"].iter().any(|prefix| {
                // What is no media type is guessed at.
                fields::starts_with_ignore_case(essence, prefix.as_bytes())
                    && fields::is_token(&essence[prefix.len()..])
            })
}
