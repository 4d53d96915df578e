//! `[limits]`: every bound in bytes or counts.

use super::{keys::Key, reader::Reader, values};
use crate::http1::head::MAX_FIELDS;

/// Every bound in bytes or counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request head; more is 431, a request line alone 414.
    pub head: usize,
    /// Fields of a head, at most [`MAX_FIELDS`].
    pub fields: usize,
    /// Bytes of a response head; more is 502.
    pub response_head: usize,
    /// Bytes of a trailer section, both directions.
    pub trailers: usize,
    /// Bytes of chunk extensions in one message.
    pub chunk_extensions: usize,
    /// 1xx responses in one exchange.
    pub interim: usize,
    /// Bytes read and thrown away after an early answer.
    pub linger: u64,
    /// Bytes of a request body; `None` is no limit.
    pub body: Option<u64>,
    /// Bytes of a request body that are kept while it may have to be sent again; 0 keeps none.
    pub replay: usize,
    /// Bytes of the relay buffer of each direction.
    pub buffer: usize,
    /// Kernel buffer of each socket, 4 times that to receive a long body for a peer that keeps up with it; `None` leaves
    /// it to the kernel.
    pub socket_buffer: Option<usize>,
}

/// Every bound.
pub(super) fn read(reader: &mut Reader<'_>) -> Limits {
    let size = |min: u64, max: u64| move |text: &str| values::memory_within(text, min..=max);
    Limits {
        head: reader.value(Key::LimitHead, size(1 << 10, 1 << 20)),
        response_head: reader.value(Key::LimitResponseHead, size(1 << 10, 1 << 20)),
        trailers: reader.value(Key::LimitTrailers, size(0, 1 << 20)),
        chunk_extensions: reader.value(Key::LimitChunkExtensions, size(0, 1 << 20)),
        replay: reader.value(Key::LimitReplay, size(0, 16 << 20)),
        buffer: reader.value(Key::LimitBuffer, size(4 << 10, 1 << 20)),
        fields: reader.value(Key::LimitFields, |text| values::count(text, 1..=MAX_FIELDS)),
        interim: reader.value(Key::LimitInterim, |text| values::count(text, 1..=1000)),
        linger: reader.value(Key::LimitLinger, |text| values::size_within(text, 0..=1 << 30)),
        body: reader.value(Key::LimitBody, |text| values::or_word(text, "off", values::size)),
        socket_buffer: reader
            .value(Key::LimitSocketBuffer, |text| values::or_word(text, "auto", size(4 << 10, 64 << 20))),
    }
}

/// Takes heads that are larger than the buffers of the process, which hold `largest`, back to what they were `before`.
pub(super) fn keep(limits: &mut Limits, before: &Limits, largest: usize, reader: &mut Reader<'_>) {
    for (key, limit, old) in [
        (Key::LimitHead, &mut limits.head, before.head),
        (Key::LimitResponseHead, &mut limits.response_head, before.response_head),
    ] {
        if *limit > largest {
            reader.warn(
                key,
                "is more than the buffers of the process hold: restart it, or replace it with USR2",
            );
            *limit = old;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn limits_out_of_reason_hear_the_range() {
        let (default, _) = sample::faults(&[], read);
        for (key, flag, typed, expected) in [
            (Key::LimitHead, "head", "1023", "expected 1k to 1m"),
            (Key::LimitHead, "head", "2m", "expected 1k to 1m"),
            (Key::LimitFields, "fields", "0", "expected 1 to 1024"),
            (Key::LimitFields, "fields", "1025", "expected 1 to 1024"),
            (Key::LimitResponseHead, "response-head", "1b", "expected bytes or one such as"),
            (Key::LimitTrailers, "trailers", "2m", "expected 0 to 1m"),
            (Key::LimitChunkExtensions, "chunk-extensions", "1g", "expected 0 to 1m"),
            (Key::LimitInterim, "interim", "0", "expected 1 to 1000"),
            (Key::LimitLinger, "linger", "2g", "expected 0 to 1g"),
            (Key::LimitBody, "body", "none", ", or off"),
            (Key::LimitReplay, "replay", "17m", "expected 0 to 16m"),
            (Key::LimitBuffer, "buffer", "1k", "expected 4k to 1m"),
            (Key::LimitSocketBuffer, "socket-buffer", "1k", "expected 4k to 64m, or auto"),
            (Key::LimitSocketBuffer, "socket-buffer", "off", ", or auto"),
        ] {
            let (read, faults) = sample::faults(&[(key, typed)], read);
            assert_eq!(read, default, "{key:?}: the default stands in");
            assert_eq!(faults.len(), 1);
            assert!(faults[0].starts_with(&format!("--limit-{flag}: \"{typed}\" ")), "{faults:?}");
            assert!(faults[0].contains(expected), "{faults:?}");
        }
    }

    #[test]
    fn heads_that_outgrow_the_buffers_are_taken_back_and_warned_of() {
        let (before, _) = sample::faults(&[], read);
        for (head, response_head, expected, warned) in [
            ("16k", "16k", (16, 16), &[][..]),
            ("8k", "32k", (8, 32), &[]),
            ("33k", "1k", (16, 1), &["--limit-head"]),
            ("64k", "64k", (16, 16), &["--limit-head", "--limit-response-head"]),
        ] {
            let settings = [(Key::LimitHead, head), (Key::LimitResponseHead, response_head)];
            let (limits, notes) = sample::noted(&settings, |reader| {
                let mut limits = read(reader);
                keep(&mut limits, &before, 32 << 10, reader);
                limits
            });
            assert_eq!((limits.head >> 10, limits.response_head >> 10), expected, "{head} {response_head}");
            let keys: Vec<&str> = notes.warnings.iter().map(|warning| &*warning.key).collect();
            assert_eq!(keys, warned);
        }
    }

    #[test]
    fn each_limit_reaches_its_field() {
        let settings = [
            (Key::LimitHead, "1k"),
            (Key::LimitFields, "1024"),
            (Key::LimitResponseHead, "2k"),
            (Key::LimitTrailers, "0"),
            (Key::LimitChunkExtensions, "3k"),
            (Key::LimitInterim, "5"),
            (Key::LimitLinger, "6k"),
            (Key::LimitBody, "7"),
            (Key::LimitReplay, "9k"),
            (Key::LimitBuffer, "8k"),
            (Key::LimitSocketBuffer, "auto"),
        ];
        let expected = Limits {
            head: 1024,
            fields: 1024,
            response_head: 2048,
            trailers: 0,
            chunk_extensions: 3072,
            interim: 5,
            linger: 6144,
            body: Some(7),
            replay: 9216,
            buffer: 8192,
            socket_buffer: None,
        };
        assert_eq!(sample::faults(&settings, read), (expected, vec![]));
    }
}
