//! The field lines that a decision or an answer looks at.

use crate::http1::{
    fields::{Field, FieldId},
    head::Fields,
};

/// The field lines of a head together with its bytes.
#[derive(Clone, Copy)]
pub(super) struct Lines<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) fields: &'a Fields,
}

impl<'a> Lines<'a> {
    pub(super) fn iter(self) -> impl Iterator<Item = &'a Field> {
        self.fields.iter()
    }

    pub(super) fn all(self, id: FieldId) -> impl Iterator<Item = &'a Field> {
        self.fields.all(id)
    }

    pub(super) fn values(self, id: FieldId) -> impl Iterator<Item = &'a [u8]> {
        self.all(id).map(move |field| field.value.of(self.bytes))
    }

    /// The one field of a name; nothing when there are several.
    pub(super) fn only(self, id: FieldId) -> Option<&'a Field> {
        let mut fields = self.all(id);
        fields.next().filter(|_| fields.next().is_none())
    }
}
