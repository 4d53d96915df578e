//! A bounded ring of lines between one worker and the writer thread.
//!
//! One thread pushes, one other thread pops; neither ever waits for the other and nothing is allocated. The
//! bytes travel in atomic words, which is what lets two threads share them without a lock and without
//! `unsafe`: the positions order the words (release on the way in, acquire on the way out).

use std::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

/// Words of a ring, a power of two: 256 KiB, some 800 lines of ordinary length.
const WORDS: usize = 1 << 15;

/// Bytes of a word.
const WORD: usize = size_of::<u64>();

/// Bytes of a ring.
pub(super) const MEMORY: usize = WORDS * WORD;

/// A position on a cache line of its own, so that the two threads do not slow each other.
#[repr(align(64))]
#[derive(Debug, Default)]
struct Position(AtomicUsize);

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Push {
    /// It is in the ring.
    Stored,
    /// It is in the ring, and with it the ring became half full: time to empty it.
    HalfFull,
    /// There was no room for it.
    Full,
}

/// A bounded queue of lines with one producer and one consumer.
#[derive(Debug)]
pub(super) struct Ring {
    words: Box<[AtomicU64]>,
    /// Words ever popped, modulo 2^64; only the consumer moves it.
    head: Position,
    /// Words ever pushed, modulo 2^64; only the producer moves it.
    tail: Position,
    closed: AtomicBool,
}

impl Ring {
    /// An empty ring.
    pub(super) fn new() -> Self {
        Self {
            words: (0..WORDS).map(|_| AtomicU64::new(0)).collect(),
            head: Position::default(),
            tail: Position::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// Appends one line; only ever called by the producer.
    pub(super) fn push(&self, line: &[u8]) -> Push {
        let tail = self.tail.0.load(Relaxed);
        let used = tail.wrapping_sub(self.head.0.load(Acquire));
        let need = 1 + line.len().div_ceil(WORD);
        let Some(left) = (WORDS - used).checked_sub(need) else {
            return Push::Full;
        };
        // A `usize` is at most 64 bits wide on every platform there is.
        self.word(tail).store(u64::try_from(line.len()).unwrap_or(u64::MAX), Relaxed);
        let (whole, rest) = line.as_chunks::<WORD>();
        let [first, second] = self.words(tail.wrapping_add(1), whole.len());
        for (word, bytes) in first.iter().zip(whole) {
            word.store(u64::from_le_bytes(*bytes), Relaxed);
        }
        for (word, bytes) in second.iter().zip(whole.get(first.len()..).unwrap_or_default()) {
            word.store(u64::from_le_bytes(*bytes), Relaxed);
        }
        if !rest.is_empty() {
            let mut bytes = [0; WORD];
            bytes[..rest.len()].copy_from_slice(rest);
            self.word(tail.wrapping_add(need - 1)).store(u64::from_le_bytes(bytes), Relaxed);
        }
        self.tail.0.store(tail.wrapping_add(need), Release);
        if used < WORDS / 2 && left <= WORDS / 2 { Push::HalfFull } else { Push::Stored }
    }

    /// The end of what has been pushed so far, for [`pop`](Self::pop).
    pub(super) fn end(&self) -> usize {
        self.tail.0.load(Acquire)
    }

    /// Moves the oldest line to `out`, unless all lines up to `end` are taken; only ever called by the
    /// consumer. Returns whether there was one.
    pub(super) fn pop(&self, end: usize, out: &mut Vec<u8>) -> bool {
        let head = self.head.0.load(Relaxed);
        if head == end {
            return false;
        }
        let len = usize::try_from(self.word(head).load(Relaxed)).unwrap_or(0);
        let words = len.div_ceil(WORD);
        let start = out.len();
        out.resize(start + words * WORD, 0);
        let places = out.get_mut(start..).unwrap_or_default().as_chunks_mut::<WORD>().0;
        let [first, second] = self.words(head.wrapping_add(1), words);
        let (before, behind) = places.split_at_mut(first.len());
        for (bytes, word) in before.iter_mut().zip(first) {
            *bytes = word.load(Relaxed).to_le_bytes();
        }
        for (bytes, word) in behind.iter_mut().zip(second) {
            *bytes = word.load(Relaxed).to_le_bytes();
        }
        out.truncate(start + len);
        self.head.0.store(head.wrapping_add(1 + words), Release);
        true
    }

    /// Whether nothing is waiting in it.
    pub(super) fn is_empty(&self) -> bool {
        self.head.0.load(Relaxed) == self.end()
    }

    /// The producer is gone.
    pub(super) fn close(&self) {
        self.closed.store(true, Release);
    }

    /// Whether nothing is waiting and nothing will ever come.
    pub(super) fn is_finished(&self) -> bool {
        // In this order: what was pushed before the close is seen.
        self.closed.load(Acquire) && self.is_empty()
    }

    fn word(&self, position: usize) -> &AtomicU64 {
        &self.words[position % WORDS]
    }

    /// So many words from a position on, at most all of them: those up to the end of the ring, and those behind it.
    fn words(&self, position: usize, count: usize) -> [&[AtomicU64]; 2] {
        let (behind, before) = self.words.split_at(position % WORDS);
        let (first, _) = before.split_at(count.min(before.len()));
        [first, &behind[..count - first.len()]]
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, sync::Arc, thread};

    use proptest::prelude::*;

    use super::*;

    fn pop(ring: &Ring) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        ring.pop(ring.end(), &mut out).then_some(out)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn lines_come_out_whole_and_in_order(steps in prop::collection::vec(
            (any::<bool>(), any::<u8>(), 0_usize..20_000), 1..200,
        )) {
            let ring = Ring::new();
            let mut model = VecDeque::new();
            for (push, byte, len) in steps {
                if push {
                    let line = vec![byte; len];
                    if ring.push(&line) != Push::Full {
                        model.push_back(line);
                    }
                } else {
                    prop_assert_eq!(pop(&ring), model.pop_front());
                }
            }
            for line in model {
                prop_assert_eq!(pop(&ring), Some(line));
            }
            prop_assert!(ring.is_empty());
        }
    }

    #[test]
    fn a_full_ring_takes_nothing_and_loses_nothing() {
        let ring = Ring::new();
        let line = [b'x'; 800];
        let mut stored = 0;
        let mut half = 0;
        loop {
            match ring.push(&line) {
                Push::Stored => stored += 1,
                Push::HalfFull => half += 1,
                Push::Full => break,
            }
        }
        assert_eq!(half, 1, "the half is announced once");
        assert_eq!(stored + half, WORDS / 101);
        assert_eq!(pop(&ring).as_deref(), Some(&line[..]));
        assert_eq!(ring.push(&line), Push::Stored);
    }

    #[test]
    fn a_ring_is_finished_when_closed_and_emptied() {
        let ring = Ring::new();
        ring.push(b"last");
        ring.close();
        assert!(!ring.is_finished());
        pop(&ring);
        assert!(ring.is_finished());
    }

    #[test]
    fn two_threads_never_tear_a_line() {
        let ring = Arc::new(Ring::new());
        let producer = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                for number in 0..20_000_usize {
                    let line = vec![u8::try_from(number % 251).unwrap(); number % 700];
                    while ring.push(&line) == Push::Full {
                        thread::yield_now();
                    }
                }
            })
        };
        for number in 0..20_000_usize {
            let line = loop {
                match pop(&ring) {
                    Some(line) => break line,
                    None => thread::yield_now(),
                }
            };
            assert_eq!(line.len(), number % 700);
            assert!(line.iter().all(|byte| usize::from(*byte) == number % 251));
        }
        producer.join().unwrap();
    }
}
