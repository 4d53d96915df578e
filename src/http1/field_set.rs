//! Sets of field names, for rules that speak of many.

use super::fields::FieldId;

/// A set of field names, as far as they are classified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FieldSet(u64);

impl FieldSet {
    /// No name.
    pub const NONE: Self = Self(0);

    /// Those that belong to one connection ([`FieldId::is_hop_by_hop`]).
    pub const HOP_BY_HOP: Self = {
        let (mut set, mut ids) = (Self::NONE, FieldId::ALL);
        while let [id, rest @ ..] = ids {
            set = set.and_if(id.is_hop_by_hop(), Self::NONE.with(*id));
            ids = rest;
        }
        set
    };

    /// Those by which a proxy tells of a client ([`FieldId::is_forwarding`]).
    pub const FORWARDING: Self = {
        let (mut set, mut ids) = (Self::NONE, FieldId::ALL);
        while let [id, rest @ ..] = ids {
            set = set.and_if(id.is_forwarding(), Self::NONE.with(*id));
            ids = rest;
        }
        set
    };

    /// These names.
    #[must_use]
    pub const fn of(mut ids: &[FieldId]) -> Self {
        let mut set = Self::NONE;
        while let [id, rest @ ..] = ids {
            set = set.with(*id);
            ids = rest;
        }
        set
    }

    /// Whether a name is among them.
    #[must_use]
    pub const fn has(self, id: FieldId) -> bool {
        self.0 & Self::NONE.with(id).0 != 0
    }

    /// These and one more.
    #[must_use]
    #[expect(clippy::as_conversions, reason = "a discriminant, below the number of names")]
    pub const fn with(self, id: FieldId) -> Self {
        const { assert!((FieldId::Other as u32) < u64::BITS) };
        Self(self.0 | 1 << id as u32)
    }

    /// These and others.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// All but these.
    #[must_use]
    pub const fn complement(self) -> Self {
        Self(!self.0)
    }

    /// These and others, if that is so.
    #[must_use]
    pub const fn and_if(self, condition: bool, others: Self) -> Self {
        if condition { self.and(others) } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_into_it() {
        let set = FieldSet::of(&[FieldId::Accept, FieldId::Other]);
        assert!(set.has(FieldId::Accept) && set.has(FieldId::Other) && !set.has(FieldId::Host));
        let more = set.and_if(true, FieldSet::of(&[FieldId::Host]));
        assert!(more.has(FieldId::Host) && more.has(FieldId::Accept));
        assert_eq!(set.and_if(false, more), set);
        assert_eq!(FieldSet::default(), FieldSet::of(&[]));
    }

    #[test]
    fn sets_and_questions_say_the_same() {
        for id in FieldId::ALL {
            assert_eq!(FieldSet::HOP_BY_HOP.has(*id), id.is_hop_by_hop(), "{id:?}");
            assert_eq!(FieldSet::FORWARDING.has(*id), id.is_forwarding(), "{id:?}");
        }
    }
}
