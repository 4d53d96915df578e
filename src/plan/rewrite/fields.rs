//! What both directions share: which fields travel beyond this hop, and the one that frames a body.

use crate::http1::{
    connection::Nominated,
    emit::HeadWriter,
    fields::{Field, FieldId},
    framing::Framing,
    head::Fields,
};

/// The fields of a head that travel beyond this hop.
pub(super) fn end_to_end<'a>(bytes: &'a [u8], fields: &'a Fields) -> impl Iterator<Item = &'a Field> {
    let nominated =
        Nominated::of(|| fields.all(FieldId::Connection).map(|connection| connection.value.of(bytes)));
    let ends_here =
        move |field: &Field| !field.id.survives_nomination() && nominated.contains(field.name.of(bytes));
    fields.iter().filter(move |field| !(field.id.is_hop_by_hop() || ends_here(field)))
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
