//! Where a message ends, looked for as cheaply as a fixed message allows.

use std::cmp::Ordering;

use memchr::memmem;

const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// How the end of a message is known, and what it has to look like.
#[derive(Debug)]
pub(crate) enum Framing {
    /// A request head without a body.
    Request,
    /// A status line that begins so, and nothing behind the head.
    Head(&'static [u8]),
    /// A status 200 and a body of so many bytes, as its `Content-Length` says. `field` is how that field ends, in small
    /// letters and in large ones where words begin.
    Length { field: Vec<u8>, size: usize },
    /// A status 200 and a body in which this occurs; it goes on afterwards.
    Stream(&'static [u8]),
    /// These bytes.
    Exactly(Vec<u8>),
    /// So many bytes.
    Bytes(usize),
    /// No message at all.
    Never,
}

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    More,
    Complete,
    /// Something else has come, or the connection has ended.
    Wrong,
}

impl Framing {
    pub(crate) fn length(size: usize) -> Self {
        Self::Length { field: format!("ength: {size}\r\n").into_bytes(), size }
    }

    /// What has been received of a message from its first byte on.
    pub(crate) fn judge(&self, got: &[u8]) -> Progress {
        match self {
            Self::Request if got.ends_with(END_OF_HEAD) => Progress::Complete,
            Self::Request => Progress::More,
            Self::Head(status) => match memmem::find(got, END_OF_HEAD) {
                Some(end) => whole(got.starts_with(status) && got.len() == end + END_OF_HEAD.len()),
                None => Progress::More,
            },
            Self::Length { field, size } => match memmem::find(got, END_OF_HEAD) {
                Some(end) if is_ok(got) && memmem::find(&got[..end + 2], field).is_some() => {
                    match got.len().cmp(&(end + END_OF_HEAD.len() + size)) {
                        Ordering::Less => Progress::More,
                        Ordering::Equal => Progress::Complete,
                        Ordering::Greater => Progress::Wrong,
                    }
                }
                Some(_) => Progress::Wrong,
                None => Progress::More,
            },
            Self::Stream(part) => match memmem::find(got, part) {
                Some(_) => whole(is_ok(got)),
                None => Progress::More,
            },
            Self::Exactly(bytes) if got.len() < bytes.len() => Progress::More,
            Self::Exactly(bytes) => whole(got == bytes),
            Self::Bytes(size) if got.len() < *size => Progress::More,
            Self::Bytes(size) => whole(got.len() == *size),
            Self::Never => Progress::Wrong,
        }
    }
}

fn whole(right: bool) -> Progress {
    if right { Progress::Complete } else { Progress::Wrong }
}

fn is_ok(got: &[u8]) -> bool {
    got.starts_with(b"HTTP/1.1 200")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_what_the_field_says_and_the_body_must_be_as_long() {
        let framing = Framing::length(2);
        for name in ["Content-Length", "content-length"] {
            let answer = format!("HTTP/1.1 200 OK\r\n{name}: 2\r\n\r\nok");
            for end in 0..answer.len() {
                assert_eq!(framing.judge(&answer.as_bytes()[..end]), Progress::More, "{name}, {end} bytes");
            }
            assert_eq!(framing.judge(answer.as_bytes()), Progress::Complete, "{name}");
            assert_eq!(framing.judge(format!("{answer}!").as_bytes()), Progress::Wrong, "{name}");
        }
    }

    #[test]
    fn another_status_or_another_framing_is_wrong() {
        let framing = Framing::length(2);
        for answer in [
            "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            assert_eq!(framing.judge(answer.as_bytes()), Progress::Wrong, "{answer}");
        }
    }

    #[test]
    fn a_head_has_nothing_behind_it() {
        let framing = Framing::Head(b"HTTP/1.1 204");
        assert_eq!(framing.judge(b"HTTP/1.1 204 No Content\r\n\r"), Progress::More);
        assert_eq!(framing.judge(b"HTTP/1.1 204 No Content\r\n\r\n"), Progress::Complete);
        assert_eq!(framing.judge(b"HTTP/1.1 204 No Content\r\n\r\nx"), Progress::Wrong);
        assert_eq!(framing.judge(b"HTTP/1.1 403 Forbidden\r\n\r\n"), Progress::Wrong);
    }
}
