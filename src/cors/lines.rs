//! The field lines that a decision or an answer looks at.

use crate::http1::fields::{Field, FieldId};

/// The field lines of a head together with its bytes.
#[derive(Clone, Copy)]
pub(super) struct Lines<'a, F> {
    pub(super) bytes: &'a [u8],
    /// Begins at the first field each time it is called.
    pub(super) fields: F,
}

impl<'a, F, I> Lines<'a, F>
where
    F: Fn() -> I,
    I: Iterator<Item = &'a Field>,
{
    pub(super) fn iter(&self) -> I {
        (self.fields)()
    }

    pub(super) fn all(&self, id: FieldId) -> impl Iterator<Item = &'a Field> {
        self.iter().filter(move |field| field.id == id)
    }

    pub(super) fn values(&self, id: FieldId) -> impl Iterator<Item = &'a [u8]> {
        let bytes = self.bytes;
        self.all(id).map(move |field| field.value.of(bytes))
    }

    /// The one field of a name; nothing when there are several.
    pub(super) fn only(&self, id: FieldId) -> Option<&'a Field> {
        let mut fields = self.all(id);
        fields.next().filter(|_| fields.next().is_none())
    }
}
