//! Heads as values: spans into the bytes that they were parsed from.

use crate::http1::{
    field_set::FieldSet,
    fields::{Field, FieldId},
    span::Span,
};

/// The minor version of HTTP/1; a higher one counts as 1.1 (RFC 9110 §2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// Methods that a proxy treats apart; names are case-sensitive (RFC 9110 §9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// HEAD
    Head,
    /// OPTIONS
    Options,
    /// TRACE
    Trace,
    /// POST
    Post,
    /// CONNECT
    Connect,
    /// Any other token.
    Other,
}

impl Method {
    /// The method of this name.
    #[must_use]
    pub const fn of(name: &[u8]) -> Self {
        match name {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"POST" => Self::Post,
            b"CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }

    /// Whether a request may be sent again when nothing came back (RFC 9110 §9.2.1).
    #[must_use]
    pub const fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options | Self::Trace)
    }
}

/// The field lines of a head, in order, duplicates and case preserved.
///
/// Once parsed, the storage can be handed to the next head: [`Fields`] is cleared, not freed.
#[derive(Debug, Default)]
pub struct Fields {
    list: Vec<Field>,
    /// Names that occur, so that most questions cost no look at the list.
    present: FieldSet,
    /// Whether one of them is spelled as we would not write it.
    is_odd: bool,
    /// Whether there is a name that is not listed, which may have an underscore.
    may_have_underscores: bool,
}

impl Fields {
    /// Those of a head that has none.
    pub const NONE: &Self =
        &Self { list: Vec::new(), present: FieldSet::NONE, is_odd: false, may_have_underscores: false };

    /// Empty, with the storage kept.
    #[must_use]
    pub fn recycled(self) -> Self {
        self.refilled(b"", std::iter::empty())
    }

    /// The fields with these names and values, which are parts of `head`, in the storage of those before.
    pub(super) fn refilled<'b>(self, head: &[u8], lines: impl Iterator<Item = (&'b [u8], &'b [u8])>) -> Self {
        let Self { mut list, .. } = self;
        let (mut present, mut is_odd, mut may_have_underscores) = (FieldSet::NONE, false, false);
        list.clear();
        list.extend(lines.map(|(name, value)| {
            let id = FieldId::listed(name).unwrap_or_else(|| {
                may_have_underscores = true;
                FieldId::of_unlisted(name)
            });
            let field = Field::new(head, Span::within(head, name), Span::within(head, value), id);
            present = present.with(id);
            is_odd |= !field.is_canonical();
            field
        }));
        Self { list, present, is_odd, may_have_underscores }
    }

    /// Those of a head that was read.
    pub(crate) fn of(list: Vec<Field>) -> Self {
        let present = list.iter().fold(FieldSet::NONE, |present, field| present.with(field.id));
        Self { list, present, is_odd: true, may_have_underscores: true }
    }

    /// Whether one of them may be spelled as we would not write it.
    pub(super) const fn may_be_odd(&self) -> bool {
        self.is_odd
    }

    /// Whether there may be a name with an underscore.
    pub(super) const fn may_have_underscores(&self) -> bool {
        self.may_have_underscores
    }

    /// Moves them to storage that they fill; the one that they had, empty.
    #[must_use]
    pub fn shrink(&mut self) -> Self {
        let small = Self { list: self.list.as_slice().into(), ..*self };
        std::mem::replace(self, small).recycled()
    }

    /// All fields in the order they came in.
    pub fn iter(&self) -> impl Iterator<Item = &Field> + '_ {
        self.list.iter()
    }

    /// The fields of one name.
    pub fn all(&self, id: FieldId) -> impl DoubleEndedIterator<Item = &Field> + '_ {
        let list = if self.has(id) { &self.list[..] } else { &[] };
        list.iter().filter(move |field| field.id == id)
    }

    /// The first field of a name.
    #[must_use]
    pub fn first(&self, id: FieldId) -> Option<&Field> {
        self.all(id).next()
    }

    /// Whether there is a field of this name.
    #[must_use]
    pub const fn has(&self, id: FieldId) -> bool {
        self.present.has(id)
    }

    /// How many fields there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// A parsed request head. Its spans are offsets into the bytes it was parsed from.
#[derive(Debug)]
pub struct RequestHead {
    /// The method, classified.
    pub method: Method,
    /// The method as it was spelled.
    pub method_name: Span,
    /// The request target, not yet taken apart.
    pub target: Span,
    /// The version, as far as it makes a difference.
    pub version: Version,
    /// The field lines.
    pub fields: Fields,
    /// Bytes from the start of the buffer to the end of the head, leading empty lines included.
    pub len: usize,
}

/// A parsed response head. Its spans are offsets into the bytes it was parsed from.
#[derive(Debug)]
pub struct ResponseHead {
    /// 100 to 999.
    pub status: u16,
    /// The reason phrase; often empty.
    pub reason: Span,
    /// The version, as far as it makes a difference.
    pub version: Version,
    /// The field lines.
    pub fields: Fields,
    /// Bytes of the head.
    pub len: usize,
}

/// A request head together with its bytes: what the pure floors look at.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The bytes the head was parsed from.
    pub bytes: &'a [u8],
    /// The parsed head.
    pub head: &'a RequestHead,
}

/// A response head together with its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// The bytes the head was parsed from.
    pub bytes: &'a [u8],
    /// The parsed head.
    pub head: &'a ResponseHead,
}

impl<'a> Request<'a> {
    /// The values of all fields of one name.
    pub fn values(self, id: FieldId) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.head.fields.all(id).map(move |field| field.value.of(self.bytes))
    }

    /// The value of the first field of a name.
    #[must_use]
    pub fn value(self, id: FieldId) -> Option<&'a [u8]> {
        self.head.fields.first(id).map(|field| field.value.of(self.bytes))
    }

    /// The method as it was spelled.
    #[must_use]
    pub fn method_name(self) -> &'a [u8] {
        self.head.method_name.of(self.bytes)
    }

    /// The request target, byte for byte.
    #[must_use]
    pub fn target(self) -> &'a [u8] {
        self.head.target.of(self.bytes)
    }
}

impl<'a> Response<'a> {
    /// The values of all fields of one name.
    pub fn values(self, id: FieldId) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.head.fields.all(id).map(move |field| field.value.of(self.bytes))
    }

    /// The value of the first field of a name.
    #[must_use]
    pub fn value(self, id: FieldId) -> Option<&'a [u8]> {
        self.head.fields.first(id).map(|field| field.value.of(self.bytes))
    }
}
