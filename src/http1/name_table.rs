//! Names that are known beforehand, found by one look at a table, without regard to case.

/// A name, made of lower-case letters, digits and `-`, and what it stands for.
pub(super) struct Name<T> {
    name: &'static [u8],
    end: u64,
    meaning: T,
}

impl<T: Copy> Name<T> {
    pub(super) const fn new(name: &'static [u8], meaning: T) -> Self {
        Self { name, end: lower_end(name), meaning }
    }

    /// The name, and what it stands for.
    #[cfg(test)]
    pub(super) const fn parts(&self) -> (&'static [u8], T) {
        (self.name, self.meaning)
    }

    /// Whether the token `name`, which ends so, is this one but for case.
    ///
    /// Setting one bit makes letters lower-case; all bytes of a known name have it. What else it changes is no byte
    /// of a token, or becomes a byte that no known name has, so it decides as exactly as a look at every byte would,
    /// eight bytes at a time; the last eight may overlap those before.
    fn is(&self, name: &[u8], end: u64) -> bool {
        let is_same = |(name, known): (&[u8; 8], &[u8; 8])| {
            u64::from_le_bytes(*name) | LOWER == u64::from_le_bytes(*known)
        };
        self.end == end
            && self.name.len() == name.len()
            && name.as_chunks().0.iter().zip(self.name.as_chunks().0).all(is_same)
    }
}

/// The bit that makes letters lower-case, in eight bytes.
const LOWER: u64 = 0x2020_2020_2020_2020;

/// The last eight bytes of a name in lower case; of a shorter one all bytes, some of them twice.
#[expect(clippy::as_conversions, reason = "a const function; no number becomes smaller")]
const fn lower_end(name: &[u8]) -> u64 {
    let end = match (name.last_chunk(), name.first_chunk(), name.last_chunk()) {
        (Some(end), ..) => u64::from_le_bytes(*end),
        (None, Some(start), Some(end)) => {
            u32::from_le_bytes(*start) as u64 | (u32::from_le_bytes(*end) as u64) << 32
        }
        _ => match *name {
            [a, b, c] => u32::from_le_bytes([a, b, c, 0]) as u64,
            [a, b] => u16::from_le_bytes([a, b]) as u64,
            _ => 0,
        },
    };
    end | LOWER
}

/// Slots of the hash table: so many more than names that a multiplier without collisions is found at once.
const SLOTS: usize = 1024;

/// A hash table without collisions.
pub(super) struct NameTable<T: 'static> {
    names: &'static [Name<T>],
    /// Places in `names`; those that are too high stand for none.
    slots: [u8; SLOTS],
    multiplier: u64,
}

impl<T: Copy> NameTable<T> {
    /// The table of these names, which are fewer than 255 and have two bytes at least.
    #[expect(
        clippy::indexing_slicing,
        clippy::as_conversions,
        clippy::arithmetic_side_effects,
        reason = "evaluated by the compiler, where a fault is a build error"
    )]
    pub(super) const fn new(names: &'static [Name<T>]) -> Self {
        assert!(names.len() < u8::MAX as usize);
        let mut multiplier = 1_u64;
        'search: loop {
            let mut slots = [u8::MAX; SLOTS];
            let mut place = 0;
            while place < names.len() {
                let Name { name, end, .. } = &names[place];
                let slot = slot(name.len(), *end, multiplier);
                if slots[slot] != u8::MAX {
                    // An even step, whose multiples are spread over all numbers.
                    multiplier = multiplier.wrapping_add(0x9e37_79b9_7f4a_7c16);
                    continue 'search;
                }
                slots[slot] = place as u8;
                place += 1;
            }
            break Self { names, slots, multiplier };
        }
    }

    /// What a token stands for, if it is one of the names.
    #[inline(always)]
    pub(super) fn find(&self, name: &[u8]) -> Option<T> {
        let end = lower_end(name);
        let place = self.slots.get(slot(name.len(), end, self.multiplier)).copied().unwrap_or(u8::MAX);
        self.names.get(usize::from(place)).filter(|known| known.is(name, end)).map(|known| known.meaning)
    }
}

/// The slot of a name of this length with this end.
#[expect(clippy::as_conversions, reason = "a const function; ten bits of a product")]
const fn slot(len: usize, end: u64, multiplier: u64) -> usize {
    ((end ^ len as u64).wrapping_mul(multiplier) >> 54) as usize % SLOTS
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a panic fails the test")]
mod tests {
    use super::*;

    const NAMES: &[Name<u8>] = &[
        Name::new(b"te", 0),
        Name::new(b"via", 1),
        Name::new(b"host", 2),
        Name::new(b"range", 3),
        Name::new(b"cookie", 4),
        Name::new(b"x-total", 5),
        Name::new(b"location", 6),
        Name::new(b"keep-alive", 7),
        Name::new(b"sec-websocket-accept", 8),
    ];

    static TABLE: NameTable<u8> = NameTable::new(NAMES);

    #[test]
    fn a_name_of_any_length_is_found_in_any_case_and_nothing_close_to_it() {
        for (name, place) in NAMES.iter().map(Name::parts) {
            let text = str::from_utf8(name).unwrap();
            assert_eq!(TABLE.find(name), Some(place), "{text}");
            assert_eq!(TABLE.find(&name.to_ascii_uppercase()), Some(place), "{text}");
            for at in 0..name.len() {
                for byte in (0..=u8::MAX).filter(|byte| is_tchar(*byte)) {
                    let mut close = name.to_vec();
                    close[at] = byte;
                    let expected = close.eq_ignore_ascii_case(name).then_some(place);
                    assert_eq!(TABLE.find(&close), expected, "{:?}", close.escape_ascii().to_string());
                }
                assert_eq!(TABLE.find(&name[..at]), None, "{text}");
            }
            assert_eq!(TABLE.find(&[name, name].concat()), None, "{text}");
        }
    }

    /// `tchar` of RFC 9110 §5.6.2.
    fn is_tchar(byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
    }
}
