//! What both directions share: which fields travel beyond this hop, and the one that frames a body.

use crate::http1::{
    connection::Nominated,
    emit::HeadWriter,
    fields::{Field, FieldId},
    framing::Framing,
    head::Fields,
};

/// The fields that a head gives to its own hop, beside those that are always of one ([`FieldId::is_hop_by_hop`]).
pub(super) fn nominated<'a>(bytes: &'a [u8], fields: &'a Fields) -> Nominated<'a> {
    Nominated::of(|| fields.all(FieldId::Connection).map(|connection| connection.value.of(bytes)))
}

/// Whether a field is among those that were nominated, and may be.
pub(super) fn ends_here(nominated: &Nominated<'_>, bytes: &[u8], field: &Field) -> bool {
    !nominated.is_empty() && !field.id.survives_nomination() && nominated.contains(field.name.of(bytes))
}

/// The one framing field, if any.
pub(super) fn frame(writer: &mut HeadWriter<'_>, framing: Framing) {
    match framing {
        Framing::None | Framing::UntilClose => {}
        Framing::Length(length) => content_length(writer, length),
        Framing::Chunked => writer.lines(b"Transfer-Encoding: chunked\r\n"),
    }
}

/// A length, also that of a body that does not follow.
pub(super) fn content_length(writer: &mut HeadWriter<'_>, length: u64) {
    writer.field(b"Content-Length", itoa::Buffer::new().format(length).as_bytes());
}
