//! Texts that operators have typed, and what stands under each: filled once, and asked with every request.

use std::collections::BTreeSet;

/// Values by texts, all of which are known from the start. The hash needs no seed, for clients put nothing in; so it can
/// be a cheap one, and a look-up costs the same in every run.
#[derive(Clone, Debug)]
pub(super) struct Index<T> {
    /// By their buckets.
    rows: Box<[(Box<[u8]>, T)]>,
    /// Where the rows of each bucket begin, and where the last ones end.
    starts: Box<[usize]>,
    /// How far a hash is shifted, for the bucket to remain.
    shift: u32,
    /// How long the texts are, the longest first.
    lengths: Box<[usize]>,
}

impl<T> Index<T> {
    /// An index of these rows, no two of which have the same text.
    pub(super) fn new(mut rows: Vec<(Box<[u8]>, T)>) -> Self {
        // With two buckets for each row at least, most texts that nobody has typed meet none.
        let bits = (rows.len() * 2).next_power_of_two().ilog2().max(1);
        let shift = u64::BITS - bits;
        rows.sort_by_cached_key(|(text, _)| bucket(text, shift));
        let mut starts = vec![0; (1 << bits) + 1];
        rows.iter().for_each(|(text, _)| starts[bucket(text, shift) + 1] += 1);
        let mut before = 0;
        for start in &mut starts {
            before += *start;
            *start = before;
        }
        let lengths: BTreeSet<usize> = rows.iter().map(|(text, _)| text.len()).collect();
        let lengths = lengths.into_iter().rev().collect();
        Self { rows: rows.into(), starts: starts.into(), shift, lengths }
    }

    /// What stands under a text.
    pub(super) fn get(&self, text: &[u8]) -> Option<&T> {
        let bucket = bucket(text, self.shift);
        let [start, end] = self.starts.get(bucket..)?.first_chunk()?;
        let rows = self.rows.get(*start..*end)?;
        rows.iter().find(|(known, _)| **known == *text).map(|(_, value)| value)
    }

    /// How long texts must be to be found, the longest first, each once.
    pub(super) const fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

fn bucket(text: &[u8], shift: u32) -> usize {
    usize::try_from(hash(text) >> shift).unwrap_or(usize::MAX)
}

/// A hash whose upper bits depend on every byte, eight of which are taken at a time.
fn hash(text: &[u8]) -> u64 {
    // An odd number without a pattern in its bits: that of the golden ratio.
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let add = |hash: u64, word: u64| (hash.rotate_left(29) ^ word).wrapping_mul(FACTOR);
    let hash = add(0, text.len() as u64);
    match text.last_chunk() {
        Some(last) => {
            let words = text.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word));
            // What is left over is taken with what stands before it.
            add(words.fold(hash, add), u64::from_le_bytes(*last))
        }
        None => add(hash, text.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(texts: &[String]) -> Index<usize> {
        let rows = texts.iter().enumerate().map(|(place, text)| (text.as_bytes().into(), place));
        Index::new(rows.collect())
    }

    #[test]
    fn what_was_put_in_is_found_and_nothing_else() {
        let long = |length| "abcdefgh".repeat(9)[..length].to_owned();
        for count in [0, 1, 2, 3, 72] {
            let texts: Vec<String> = (0..count).map(long).collect();
            let index = index(&texts);
            assert_eq!(index.is_empty(), count == 0);
            assert_eq!(*index.lengths(), *(0..count).rev().collect::<Vec<usize>>());
            for length in 0..=72 {
                let text = long(length);
                let expected = texts.iter().position(|known| *known == text);
                assert_eq!(index.get(text.as_bytes()).copied(), expected, "{text} of {count}");
                let other = format!("{text}i");
                assert_eq!(index.get(other.as_bytes()), None, "{other} of {count}");
            }
        }
    }

    #[test]
    fn few_texts_share_a_bucket_however_alike_they_are() {
        for of in [
            |number| format!("host-{number}.example"),
            |number| format!("{number}.a-name-that-is-long.example.com"),
            |number| format!("/service-{number}/v1"),
            |number| format!("/api/v{number}"),
            |number| format!("/{number:08}"),
            |number| format!("/{number:016}/{number:x}"),
            |number| "/a".repeat(number % 50) + &format!("/{number}"),
        ] as [fn(usize) -> String; 7]
        {
            let index = index(&(0..5_000).map(of).collect::<Vec<String>>());
            let fullest = index.starts.windows(2).map(|ends| ends[1] - ends[0]).max();
            assert!(fullest <= Some(8), "{} share a bucket of {}", fullest.unwrap(), of(1));
        }
    }
}
