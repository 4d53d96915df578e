//! The rest of a head that is too large to keep: is there an `Origin` in it, and where does it end?
//!
//! Chromium sends `Origin` behind the fields that a page set, so it may stand beyond the limit; without it a
//! script could not read our 431 or 414.

/// The longest origin worth an answer: scheme, a name of 253 bytes, port.
const MAX_ORIGIN: usize = 280;
const NAME: &[u8] = b"origin:";

/// Looks for an `Origin` line and for the empty line, however the bytes are split.
#[derive(Debug, Default)]
pub struct OriginScan {
    /// The start of the present line, as far as it can matter.
    line: Vec<u8>,
    line_len: usize,
    origin: Option<Vec<u8>>,
    ambiguous: bool,
    begun: bool,
    complete: bool,
}

impl OriginScan {
    /// Looks at the next bytes; whether the end of the head has been seen.
    pub fn feed(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            if self.complete {
                break;
            }
            if *byte == b'\n' {
                self.end_line();
            } else {
                self.line_len = self.line_len.saturating_add(1);
                if self.line.len() < MAX_ORIGIN {
                    self.line.push(*byte);
                }
            }
        }
        self.complete
    }

    /// The only `Origin` of the head so far.
    #[must_use]
    pub fn origin(&self) -> Option<&[u8]> {
        if self.ambiguous { None } else { self.origin.as_deref() }
    }

    fn end_line(&mut self) {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        if line.is_empty() {
            // Empty lines may stand before the request line.
            self.complete = self.begun;
        } else if super::fields::starts_with_ignore_case(line, NAME) {
            // One that is too long is an origin all the same: a second one is not the only one.
            self.ambiguous |= self.origin.is_some() || self.line_len >= MAX_ORIGIN;
            let value = super::fields::trim(line.get(NAME.len()..).unwrap_or_default());
            self.origin = Some(value.to_vec());
        }
        self.begun |= !line.is_empty();
        self.line.clear();
        self.line_len = 0;
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a panic fails the test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is known after `input`, fed up to each of `stops`: the origin, and whether the head has ended.
    fn scan(input: &[u8], stops: &[usize]) -> (Option<Vec<u8>>, bool) {
        let mut scan = OriginScan::default();
        let mut at = 0;
        for stop in stops.iter().copied().chain([input.len()]) {
            let stop = stop.clamp(at, input.len());
            scan.feed(&input[at..stop]);
            at = stop;
        }
        let complete = scan.feed(b"");
        (scan.origin().map(<[u8]>::to_vec), complete)
    }

    fn head(fields: &str) -> Vec<u8> {
        format!("GET / HTTP/1.1\r\n{fields}\r\n").into_bytes()
    }

    #[test]
    fn the_only_origin_is_found_wherever_it_stands() {
        let filler = format!("X-Filler: {}\r\n", "x".repeat(100_000));
        let cases = [
            ("Origin: https://a.example\r\n".to_owned(), Some("https://a.example")),
            ("ORIGIN:https://a.example\r\n".to_owned(), Some("https://a.example")),
            ("origin:\t null \r\n".to_owned(), Some("null")),
            (format!("{filler}Origin: x\r\n"), Some("x")),
            (format!("Origin: x\r\n{filler}"), Some("x")),
            ("Origin:\r\n".to_owned(), Some("")),
            ("A: b\r\n".to_owned(), None),
            ("X-Origin: x\r\n".to_owned(), None),
            ("Origin : x\r\n".to_owned(), None),
            ("Origins: x\r\n".to_owned(), None),
            (" Origin: x\r\n".to_owned(), None),
            ("Origin: a\r\nOrigin: b\r\n".to_owned(), None),
            ("Origin: a\r\nA: b\r\norigin: a\r\n".to_owned(), None),
            (format!("Origin: https://{}\r\n", "x".repeat(300)), None),
            (format!("Origin: https://{}:65535\r\n", "x".repeat(253)), Some("long")),
        ];
        for (fields, origin) in &cases {
            let (found, complete) = scan(&head(fields), &[]);
            assert!(complete);
            match origin {
                Some("long") => assert_eq!(found.map(|origin| origin.len()), Some(8 + 253 + 6)),
                origin => assert_eq!(found.as_deref(), origin.map(str::as_bytes)),
            }
        }
    }

    #[test]
    fn the_head_ends_with_its_empty_line_and_nothing_behind_it_counts() {
        for (input, complete) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], true),
            (b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", true),
            (b"GET / HTTP/1.1\n\n", true),
            (b"GET / HTTP/1.1\r\n", false),
            (b"\r\n\r\n", false),
            (b"", false),
        ] {
            assert_eq!(scan(input, &[]).1, complete, "{:?}", String::from_utf8_lossy(input));
        }
        let behind = [head("A: b\r\n"), b"Origin: x\r\n\r\n".to_vec()].concat();
        assert_eq!(scan(&behind, &[]), (None, true));
    }

    #[test]
    fn what_is_kept_of_a_line_is_bounded() {
        let mut scan = OriginScan::default();
        scan.feed(&vec![b'x'; 1 << 20]);
        assert!(scan.line.capacity() <= 2 * MAX_ORIGIN);
    }

    proptest! {
        #[test]
        fn every_split_finds_the_same(
            lines in prop::collection::vec(
                prop::sample::select(&["Origin: a", "origin:b", "A: b", "", "\r", "Origin: ", "Orig"][..]),
                0..5,
            ),
            mut stops in prop::collection::vec(0..60_usize, 0..6),
        ) {
            stops.sort_unstable();
            let input = format!("GET /\r\n{}\r\n", lines.join("\r\n")).into_bytes();
            let each: Vec<usize> = (0..input.len()).collect();
            prop_assert_eq!(scan(&input, &stops), scan(&input, &[]));
            prop_assert_eq!(scan(&input, &each), scan(&input, &[]));
        }
    }
}
