//! One finished request, and how it becomes a line of text.

use std::{
    io::Write,
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jiff::civil::DateTime;

use super::redact::redact;
use crate::{config::SecretNames, error::Error, http1::head::Version, net::Peer};

/// The most bytes of a line, its end included.
pub const LINE_MAX: usize = 8 << 10;

/// The most bytes that a method may take up in the line; the same for every value that has a limit here.
const METHOD_MAX: usize = 64;
const TARGET_MAX: usize = 6 << 10;
const PATH_MAX: usize = 256;
const CORS_MAX: usize = 128;
const ORIGIN_MAX: usize = 512;
const REQUEST_ID_MAX: usize = 256;

/// One request, as it looks when it has ended.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// When the request began.
    pub time: SystemTime,
    /// Who sent it; `None` over a Unix socket, where nobody has an address.
    pub client: Option<SocketAddr>,
    /// The method as it was spelled; empty when the head could not be parsed.
    pub method: &'a [u8],
    /// The request target byte for byte; empty when the head could not be parsed. The line shows neither
    /// userinfo nor the values of secret parameters, in the target or in a URL within it.
    pub target: &'a [u8],
    /// What the operator says of the names of query parameters.
    pub redact: &'a SecretNames,
    /// The version, when the head could be parsed.
    pub version: Option<Version>,
    /// The status that the client got, or would have got had it stayed.
    pub status: u16,
    /// Why the exchange did not end with the upstream's own complete answer.
    pub error: Option<Error>,
    /// Bytes read from the client: head and body.
    pub bytes_in: u64,
    /// Bytes written to the client: heads and body.
    pub bytes_out: u64,
    /// How long each step took.
    pub times: Times,
    /// The peer that the last attempt went to.
    pub upstream: Option<&'a Peer>,
    /// Upstream connections that were taken from the pool or opened for it, those that failed included.
    pub attempts: u32,
    /// Whether the last of them came from the pool; `None` when there was none.
    pub reused: Option<bool>,
    /// The CORS verdict; empty when the request had nothing to do with CORS.
    pub cors: &'a str,
    /// The value of `Origin`.
    pub origin: Option<&'a [u8]>,
    /// The value of `X-Request-Id`, kept or made.
    pub request_id: Option<&'a [u8]>,
}

/// How long each step took; `None` for one that was not taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// From the first byte of the head to its end.
    pub head: Option<Duration>,
    /// Waiting for a permit or a connection of the pool.
    pub queue: Option<Duration>,
    /// Resolving the upstream's name.
    pub dns: Option<Duration>,
    /// The TCP handshake.
    pub connect: Option<Duration>,
    /// The TLS handshake with the upstream.
    pub tls: Option<Duration>,
    /// From the request sent to the first byte of the response.
    pub first_byte: Option<Duration>,
    /// From the first byte of the request to the last byte of the answer.
    pub total: Option<Duration>,
}

/// The date and time of one second, kept because most records fall into the second of the last one.
#[derive(Clone, Debug)]
pub struct SecondCache {
    unix: Option<u64>,
    text: [u8; 19],
}

impl Default for SecondCache {
    fn default() -> Self {
        Self { unix: None, text: *b"0000-00-00T00:00:00" }
    }
}

impl SecondCache {
    /// RFC 3339 in UTC with milliseconds. What lies before 1970 or after 9999 is shown as the nearest that
    /// does not.
    fn render(&mut self, time: SystemTime, out: &mut Vec<u8>) {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix = since.as_secs();
        if self.unix != Some(unix) {
            self.text = date_time(unix);
            self.unix = Some(unix);
        }
        out.extend_from_slice(&self.text);
        let [_, digits @ ..] = decimal::<4>(u64::from(since.subsec_millis()));
        out.push(b'.');
        out.extend_from_slice(&digits);
        out.push(b'Z');
    }
}

/// `YYYY-MM-DDThh:mm:ss` of a second since 1970, at most the last one of 9999.
fn date_time(unix: u64) -> [u8; 19] {
    const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    let date_time = EPOCH.saturating_add(Duration::from_secs(unix));
    let mut text = *b"0000-00-00T00:00:00";
    // Up to the year 9999 it has this length.
    let _ = write!(&mut text[..], "{date_time:.0}");
    text
}

/// The last `N` decimal digits of `value`.
fn decimal<const N: usize>(mut value: u64) -> [u8; N] {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        *digit += u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
    digits
}

/// Appends `record` to `out` as one line of the text format that [`access_log`](super) describes, at most
/// [`LINE_MAX`] bytes with its line feed.
pub fn render_text(record: &Record<'_>, second: &mut SecondCache, out: &mut Vec<u8>) {
    second.render(record.time, out);
    out.push(b' ');
    match record.client {
        Some(client) => address(client, out),
        None => out.extend_from_slice(b"unix:"),
    }
    out.extend_from_slice(b" \"");
    escaped(record.method, METHOD_MAX, out);
    out.push(b' ');
    if record.target.is_empty() {
        out.push(b'-');
    } else {
        let mut target = Escaped::new(out, TARGET_MAX);
        redact(record.target, record.redact, |piece| target.push(piece));
    }
    out.extend_from_slice(match record.version {
        Some(Version::Http11) => b" HTTP/1.1\" ",
        Some(Version::Http10) => b" HTTP/1.0\" ",
        None => b" -\" ",
    });
    number(record.status.into(), out);
    out.extend_from_slice(b" cause=");
    out.extend_from_slice(record.error.map_or("-", Error::token).as_bytes());
    out.extend_from_slice(b" bytes_in=");
    number(record.bytes_in, out);
    out.extend_from_slice(b" bytes_out=");
    number(record.bytes_out, out);
    let Times { head, queue, dns, connect, tls, first_byte, total } = record.times;
    milliseconds(b" head_ms=", head, out);
    milliseconds(b" queue_ms=", queue, out);
    milliseconds(b" dns_ms=", dns, out);
    milliseconds(b" connect_ms=", connect, out);
    milliseconds(b" tls_ms=", tls, out);
    milliseconds(b" first_byte_ms=", first_byte, out);
    milliseconds(b" total_ms=", total, out);
    out.extend_from_slice(b" upstream=");
    match record.upstream {
        Some(upstream) => peer(upstream, out),
        None => out.push(b'-'),
    }
    out.extend_from_slice(b" attempts=");
    number(record.attempts.into(), out);
    out.extend_from_slice(match record.reused {
        Some(true) => b" connection=reused cors=",
        Some(false) => b" connection=new cors=",
        None => b" connection=- cors=",
    });
    escaped(record.cors.as_bytes(), CORS_MAX, out);
    out.extend_from_slice(b" origin=");
    quoted(record.origin, record.redact, ORIGIN_MAX, out);
    out.extend_from_slice(b" request_id=");
    quoted(record.request_id, record.redact, REQUEST_ID_MAX, out);
    out.push(b'\n');
}

fn number(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Milliseconds with three decimals, or `-`.
fn milliseconds(key: &[u8], duration: Option<Duration>, out: &mut Vec<u8>) {
    out.extend_from_slice(key);
    let Some(duration) = duration else {
        return out.push(b'-');
    };
    let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    number(microseconds / 1_000, out);
    out.push(b'.');
    out.extend_from_slice(&decimal::<3>(microseconds));
}

/// Address and port, or what a Unix socket is called.
fn peer(peer: &Peer, out: &mut Vec<u8>) {
    match peer {
        Peer::Ip(ip) => address(*ip, out),
        Peer::Unix(name) => {
            out.extend_from_slice(b"unix:");
            Escaped::new(out, PATH_MAX).push(name.as_bytes());
        }
    }
}

/// Address and port. An IPv4-mapped IPv6 address is shown as IPv4.
fn address(address: SocketAddr, out: &mut Vec<u8>) {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => {
            for (index, octet) in ip.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                number(octet.into(), out);
            }
        }
        // Writing to a vector cannot fail.
        IpAddr::V6(ip) => drop(write!(out, "[{ip}]")),
    }
    out.push(b':');
    number(address.port().into(), out);
}

/// The value escaped, or `-` when there is none.
fn escaped(value: &[u8], limit: usize, out: &mut Vec<u8>) {
    if value.is_empty() {
        out.push(b'-');
    } else {
        Escaped::new(out, limit).push(value);
    }
}

/// The value in quotes, or `-` when there is none. A URL in it is redacted like a target.
fn quoted(value: Option<&[u8]>, secret: &SecretNames, limit: usize, out: &mut Vec<u8>) {
    let Some(value) = value else {
        return out.push(b'-');
    };
    out.push(b'"');
    let mut text = Escaped::new(out, limit);
    redact(value, secret, |piece| text.push(piece));
    out.push(b'"');
}

/// Writes bytes of unknown origin so that they can neither end a line nor a value: what is not visible ASCII,
/// quotes and backslashes become `\xHH`. Past its limit it writes `...` and then nothing.
struct Escaped<'o> {
    out: &'o mut Vec<u8>,
    left: usize,
    cut: bool,
}

impl<'o> Escaped<'o> {
    const ELLIPSIS: &'static [u8] = b"...";

    const fn new(out: &'o mut Vec<u8>, limit: usize) -> Self {
        Self { out, left: limit - Self::ELLIPSIS.len(), cut: false }
    }

    fn push(&mut self, mut bytes: &[u8]) {
        while !self.cut && !bytes.is_empty() {
            let plain = bytes.iter().position(|byte| !is_plain(*byte)).unwrap_or(bytes.len());
            let (now, rest) = bytes.split_at(plain.min(self.left));
            self.out.extend_from_slice(now);
            self.left -= now.len();
            bytes = rest;
            if let Some((&byte, rest)) = bytes.split_first() {
                if is_plain(byte) || self.left < 4 {
                    self.out.extend_from_slice(Self::ELLIPSIS);
                    self.cut = true;
                } else {
                    const HEX: &[u8; 16] = b"0123456789ABCDEF";
                    let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
                    self.out.extend_from_slice(&[b'\\', b'x', HEX[high], HEX[low]]);
                    self.left -= 4;
                    bytes = rest;
                }
            }
        }
    }
}

/// Visible ASCII that means nothing in a line.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\')
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn line(record: &Record<'_>) -> String {
        let mut out = Vec::new();
        render_text(record, &mut SecondCache::default(), &mut out);
        String::from_utf8(out).expect("a line is ASCII")
    }

    const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)), 50_412);

    fn plain() -> Record<'static> {
        Record {
            time: UNIX_EPOCH + Duration::from_millis(1_772_368_496_007),
            client: Some(CLIENT),
            method: b"GET",
            target: b"/a?b=c",
            redact: SecretNames::NONE,
            version: Some(Version::Http11),
            status: 200,
            error: None,
            bytes_in: 0,
            bytes_out: 0,
            times: Times::default(),
            upstream: None,
            attempts: 0,
            reused: None,
            cors: "",
            origin: None,
            request_id: None,
        }
    }

    #[test]
    fn a_record_with_nothing_known_is_a_line_of_dashes() {
        let record = Record { method: b"", target: b"", version: None, status: 400, ..plain() };
        assert_eq!(
            line(&record),
            "2026-03-01T12:34:56.007Z 203.0.113.7:50412 \"- - -\" 400 cause=- bytes_in=0 bytes_out=0 head_ms=- \
             queue_ms=- dns_ms=- connect_ms=- tls_ms=- first_byte_ms=- total_ms=- upstream=- attempts=0 \
             connection=- cors=- origin=- request_id=-\n"
        );
    }

    #[test]
    fn a_record_with_everything_known_is_the_example_of_the_module() {
        let milliseconds = |ms: f64| Some(Duration::from_secs_f64(ms / 1_000.0));
        let record = Record {
            target: b"/?url=https://me:pw@example.org/a%3Ftoken=x&b=\x80\"\n",
            redact: SecretNames::NONE,
            error: Some(Error::ResponseIncomplete),
            bytes_in: 412,
            bytes_out: 5_120,
            times: Times {
                head: milliseconds(0.213),
                queue: milliseconds(0.0),
                dns: milliseconds(1.4),
                connect: milliseconds(12.0),
                tls: milliseconds(25.1),
                first_byte: milliseconds(40.25),
                total: milliseconds(80_300.0),
            },
            upstream: Some(&Peer::Ip("[2001:db8::7]:443".parse().expect("an address"))),
            attempts: 2,
            reused: Some(false),
            cors: "refused; reason=origin",
            origin: Some(b"https://app.example.com"),
            request_id: Some(b"7f9c\r\nforged"),
            ..plain()
        };
        assert_eq!(
            line(&record),
            "2026-03-01T12:34:56.007Z 203.0.113.7:50412 \
             \"GET /?url=https://***@example.org/a%3Ftoken=***&b=\\x80\\x22\\x0A HTTP/1.1\" 200 \
             cause=http_response_incomplete bytes_in=412 bytes_out=5120 head_ms=0.213 queue_ms=0.000 \
             dns_ms=1.400 connect_ms=12.000 tls_ms=25.100 first_byte_ms=40.250 total_ms=80300.000 \
             upstream=[2001:db8::7]:443 attempts=2 connection=new cors=refused;\\x20reason=origin \
             origin=\"https://app.example.com\" request_id=\"7f9c\\x0D\\x0Aforged\"\n"
        );
    }

    #[test]
    fn addresses_are_shown_as_an_operator_writes_them() {
        let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        let mapped = Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped();
        for (shown, expected) in [
            (Peer::Ip((v6, 1).into()), "[2001:db8::1]:1"),
            (Peer::Ip((mapped, 65_535).into()), "192.0.2.1:65535"),
            (Peer::Unix("/run/a b.sock".into()), "unix:/run/a\\x20b.sock"),
            (Peer::Unix("@app".into()), "unix:@app"),
        ] {
            let mut out = Vec::new();
            peer(&shown, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }

    #[test]
    fn a_client_of_a_unix_socket_has_no_address() {
        let line = line(&Record { client: None, ..plain() });
        assert!(line.starts_with("2026-03-01T12:34:56.007Z unix: \"GET /a?b=c HTTP/1.1\" 200 "), "{line}");
    }

    #[test]
    fn times_are_utc_with_milliseconds_and_never_fail() {
        let mut cache = SecondCache::default();
        for (milliseconds, expected) in [
            (0_i64, "1970-01-01T00:00:00.000Z"),
            (999, "1970-01-01T00:00:00.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (1_709_251_199_001, "2024-02-29T23:59:59.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_000, "9999-12-31T23:59:59.000Z"),
            (253_402_300_800_000, "9999-12-31T23:59:59.000Z"),
            (-1, "1970-01-01T00:00:00.000Z"),
        ] {
            let distance = Duration::from_millis(milliseconds.unsigned_abs());
            let time = if milliseconds < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance };
            let mut out = Vec::new();
            cache.render(time, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected, "{milliseconds}");
        }
    }

    #[test]
    fn dates_are_those_of_the_http_date_library() {
        for day in 0..60_000 {
            let unix = day * 86_400 + 3_723;
            let http = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(unix));
            let text = String::from_utf8(date_time(unix).to_vec()).expect("digits");
            // Sun, 06 Nov 1994 01:02:03 GMT
            assert_eq!((&text[..4], &text[8..10], &text[11..]), (&http[12..16], &http[5..7], &http[17..25]));
        }
    }

    #[test]
    fn the_longest_record_is_cut_to_a_line_and_still_has_all_its_keys() {
        let long = vec![0xff; 100_000];
        let path = "\u{fc}".repeat(10_000);
        let forever = Some(Duration::MAX);
        let record = Record {
            upstream: Some(&Peer::Unix(path.as_str().into())),
            method: &long,
            target: &long,
            cors: &path,
            origin: Some(&long),
            request_id: Some(&long),
            error: Some(Error::ResponseHeadTooLarge),
            bytes_in: u64::MAX,
            bytes_out: u64::MAX,
            attempts: u32::MAX,
            times: Times {
                head: forever,
                queue: forever,
                dns: forever,
                connect: forever,
                tls: forever,
                first_byte: forever,
                total: forever,
            },
            ..plain()
        };
        let line = line(&record);
        assert!(line.len() <= LINE_MAX, "{}", line.len());
        assert!(line.contains("\\xFF... HTTP/1.1\" 200 cause="));
        assert!(line.ends_with("\\xFF...\"\n"));
    }

    #[test]
    fn userinfo_behind_the_cut_is_still_hidden() {
        let target = format!("/?url=https://me:{}@host/", "p".repeat(20_000));
        let line = line(&Record { target: target.as_bytes(), ..plain() });
        assert!(line.contains("/?url=https://***@host/ HTTP/1.1"), "{line}");
    }

    proptest! {
        #[test]
        fn no_value_can_forge_a_line_or_a_key(
            method in prop::collection::vec(any::<u8>(), 0..100),
            target in prop::collection::vec(any::<u8>(), 0..9_000),
            cors in ".{0,200}",
            origin in prop::option::of(prop::collection::vec(any::<u8>(), 0..700)),
            request_id in prop::option::of(prop::collection::vec(any::<u8>(), 0..700)),
        ) {
            let line = line(&Record {
                method: &method,
                target: &target,
                cors: &cors,
                origin: origin.as_deref(),
                request_id: request_id.as_deref(),
                ..plain()
            });
            prop_assert!(line.len() <= LINE_MAX);
            let body = line.strip_suffix('\n').expect("a line ends");
            prop_assert!(body.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
            let words: Vec<&str> = body.split(' ').collect();
            prop_assert_eq!(words.len(), 22);
            let keys: Vec<&str> = words[6..].iter().filter_map(|word| word.split_once('=')).map(|(key, _)| key).collect();
            prop_assert_eq!(keys, [
                "cause", "bytes_in", "bytes_out", "head_ms", "queue_ms", "dns_ms", "connect_ms", "tls_ms",
                "first_byte_ms", "total_ms", "upstream", "attempts", "connection", "cors", "origin", "request_id",
            ]);
            let quotes = 2 + 2 * usize::from(origin.is_some()) + 2 * usize::from(request_id.is_some());
            prop_assert_eq!(body.matches('"').count(), quotes);
        }
    }
}
