//! A response head as the client gets it.

use super::{
    fields::{content_length, ends_here, frame, nominated},
    rename::Renaming,
    target::{GatewayAnswer, TargetFields},
};
use crate::{
    cors::{CorsDecision, CorsPolicy, Transit, Upstream, strips, write_response_fields},
    error::Error,
    gateway::{Passage, passage},
    http1::{
        edits::Edits,
        emit::{HeadWriter, ParsedFields},
        field_set::FieldSet,
        fields::{Field, FieldId},
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
    /// What the operator changes of the fields, of the upstream's and of corsair's own.
    pub edits: Option<&'a Edits>,
    /// How this process names itself.
    pub identity: &'a Identity,
    /// The value of `Date` where the upstream sent none.
    pub date: &'a Date,
}

/// The names that corsair itself adds, to be exposed to scripts.
const ADDED: &[&str] = &["Via"];

/// Writes the head of a final response; its length.
///
/// # Errors
/// [`Error::ResponseHeadTooLarge`] when it does not fit into `out`.
pub fn response(response: Response<'_>, homeward: &Homeward<'_>, out: &mut [u8]) -> Result<usize, Error> {
    let Response { bytes, head } = response;
    let mut writer = HeadWriter::new(out);
    writer.status_line(head.status, head.reason.of(bytes));
    let drops = |id: FieldId, name: &[u8]| homeward.edits.is_some_and(|edits| edits.drops(id, name));
    // What the operator sets or removes is not made here either.
    let mut date = drops(FieldId::Date, b"date");
    let mut target = homeward.gateway.map(TargetFields::of);
    let replaced = homeward.policy.replaced();
    let stays = FieldSet::HOP_BY_HOP
        .with(FieldId::ContentLength)
        .and_if(strips(homeward.cors, homeward.policy), FieldSet::NONE.with(FieldId::CorsResponse))
        .and_if(homeward.cors != CorsDecision::Exempt, replaced);
    let nominated = nominated(bytes, &head.fields);
    let mut fields = writer.parsed_fields(bytes);
    for field in head.fields.iter().filter(|field| !stays.has(field.id)) {
        if ends_here(&nominated, bytes, field)
            || homeward.edits.is_some() && drops(field.id, field.name.of(bytes))
        {
            continue;
        }
        date |= field.id == FieldId::Date;
        let is_left_alone = replaced.has(field.id);
        if target.as_mut().is_none_or(|target| is_left_alone || target.pass(bytes, field, &mut fields)) {
            copy(bytes, field, homeward.renaming.as_ref(), &mut fields);
        }
    }
    fields.finish();
    if let Some(target) = &target {
        target.finish(&mut writer);
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
    let added = target.as_ref().map_or(ADDED, TargetFields::added);
    let leaves = |field: &Field| {
        target.as_ref().is_none_or(|target| target.leaves(bytes, field))
            && !drops(field.id, field.name.of(bytes))
    };
    let all_leave = target.is_none() && homeward.edits.is_none();
    let leaves: Option<&dyn Fn(&Field) -> bool> = (!all_leave).then_some(&leaves);
    let written = homeward.edits.map(Edits::written).unwrap_or_default();
    let transit = Transit {
        leaves,
        drops_cookies: target.as_ref().is_some_and(TargetFields::drops_cookies),
        added: written,
    };
    write_response_fields(
        homeward.cors,
        homeward.policy,
        homeward.request_bytes,
        Some(Upstream { response, transit }),
        added,
        &mut writer,
    );
    writer.lines(&homeward.identity.via);
    if let Some(edits) = homeward.edits {
        writer.lines(edits.lines());
    }
    writer.finish().map_err(|_| Error::ResponseHeadTooLarge)
}

/// What goes no further of an interim response.
const STAYS_IN_INTERIM: FieldSet =
    FieldSet::HOP_BY_HOP.with(FieldId::ContentLength).with(FieldId::Trailer).with(FieldId::CorsResponse);

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
    let nominated = nominated(bytes, &head.fields);
    let mut fields = writer.parsed_fields(bytes);
    for field in head.fields.iter().filter(|field| !STAYS_IN_INTERIM.has(field.id)) {
        let stays = ends_here(&nominated, bytes, field)
            || is_gateway && passage(field.id, field.name.of(bytes)) != Passage::Leaves;
        if !stays {
            copy(bytes, field, renaming, &mut fields);
        }
    }
    fields.finish();
    if switch {
        writer.lines(b"Connection: upgrade\r\nUpgrade: websocket\r\n");
    }
    writer.finish().map_err(|_| Error::ResponseHeadTooLarge)
}

/// A field as it came, or as the client knows what it names.
fn copy(bytes: &[u8], field: &Field, renaming: Option<&Renaming<'_>>, fields: &mut ParsedFields<'_, '_>) {
    let renaming = renaming.filter(|_| Renaming::is_of(field.id));
    match renaming.and_then(|renaming| renaming.renamed(field.id, field.value.of(bytes))) {
        Some(value) => fields.writer().computed_field(field.name.of(bytes), &value),
        None => fields.push(field),
    }
}
