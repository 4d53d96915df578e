//! Taking an input apart: a few bytes that choose, then parts that are used as they are.
//!
//! Choices stand at the front and parts are text, so that a seed can be written by hand and a dictionary
//! works on it: `3` chooses like the byte it is, and a line `%%` ends a part.

use arbitrary::Unstructured;

/// What stands between two parts.
const SEPARATOR: &[u8] = b"\n%%\n";

/// An input: choices at its front, parts behind them.
#[derive(Debug)]
pub struct Input<'a>(Unstructured<'a>);

impl<'a> Input<'a> {
    /// An input of these bytes.
    #[must_use]
    pub fn new(data: &'a [u8]) -> Self {
        Self(Unstructured::new(data))
    }

    /// The next byte; 0 when the input has ended.
    pub fn byte(&mut self) -> u8 {
        self.0.arbitrary().unwrap_or(0)
    }

    /// One of several choices: the digit `0` is the first, `1` the second.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        let at = usize::from(self.byte().wrapping_sub(b'0')) % choices.len();
        choices[at]
    }

    /// Whether the next byte is odd, as `1` is.
    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Everything else as one part.
    #[must_use]
    pub fn rest(self) -> &'a [u8] {
        self.0.take_rest()
    }

    /// Everything else in parts.
    #[must_use]
    pub fn parts(self) -> Parts<'a> {
        Parts { rest: Some(self.rest()) }
    }
}

/// The parts of an input; none after the last.
#[derive(Debug)]
pub struct Parts<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        match rest.windows(SEPARATOR.len()).position(|window| window == SEPARATOR) {
            Some(at) => {
                self.rest = Some(&rest[at + SEPARATOR.len()..]);
                Some(&rest[..at])
            }
            None => Some(rest),
        }
    }
}

/// Sizes of the pieces in which something arrives, made of one byte.
#[derive(Clone, Debug)]
pub struct Pieces {
    state: u64,
    /// Whether no piece is longer than a few bytes.
    small: bool,
}

impl Pieces {
    /// A sequence of sizes; the same for the same `seed`. From `a` upwards all of them are small.
    #[must_use]
    pub fn new(seed: u8) -> Self {
        Self { state: u64::from(seed), small: seed >= b'a' }
    }

    /// The next size: mostly very small, now and then large, never 0.
    pub fn size(&mut self) -> usize {
        // Knuth's multiplicative generator; its upper bits are the better ones.
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let random = self.state >> 33;
        match random % if self.small { 6 } else { 8 } {
            0..=3 => 1,
            4 | 5 => 1 + (random >> 3) as usize % 7,
            6 => 1 + (random >> 3) as usize % 64,
            _ => 1 + (random >> 3) as usize % 2048,
        }
    }
}

/// Bytes as they are shown when a property does not hold.
#[must_use]
pub fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
