//! A place in the bytes of a head.

/// A range of bytes in a head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// A range of no bytes.
    pub const EMPTY: Self = Self { start: 0, end: 0 };

    /// The range `start..end`; a head is far shorter than 4 GiB.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        match (u32::try_from(start), u32::try_from(end)) {
            (Ok(start), Ok(end)) => Self { start, end },
            _ => Self::default(),
        }
    }

    /// The bytes of this range in the head it was made for.
    #[must_use]
    pub fn of(self, head: &[u8]) -> &[u8] {
        head.get(self.range()).unwrap_or_default()
    }

    /// The range as indices.
    #[must_use]
    pub fn range(self) -> std::ops::Range<usize> {
        usize::try_from(self.start).unwrap_or(0)..usize::try_from(self.end).unwrap_or(0)
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// Where `part`, a slice of `whole`, stands in it.
    #[expect(clippy::as_conversions, reason = "a head is far shorter than 4 GiB")]
    pub(super) fn within(whole: &[u8], part: &[u8]) -> Self {
        let start = (part.as_ptr().addr()).wrapping_sub(whole.as_ptr().addr()) as u32;
        Self { start, end: start.wrapping_add(part.len() as u32) }
    }
}
