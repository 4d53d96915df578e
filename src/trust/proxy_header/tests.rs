//! Headers as proxies send them, and as nobody should.

use proptest::prelude::*;

use super::*;

fn client(address: &str) -> Source {
    Source::Client(address.parse().unwrap())
}

/// A header of version 2.
fn binary(version: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[version, family], &len, rest].concat()
}

const V4: [u8; 12] = [203, 0, 113, 7, 10, 0, 0, 1, 0x12, 0x67, 1, 187];

fn v6() -> Vec<u8> {
    let addresses: [Ipv6Addr; 2] = ["2001:db8::7".parse().unwrap(), "::1".parse().unwrap()];
    [&addresses[0].octets()[..], &addresses[1].octets(), &[0x12, 0x67, 1, 187]].concat()
}

/// Headers that are right, and for whom they are.
fn right() -> Vec<(Vec<u8>, Source)> {
    let line = |text: &str, source| (format!("PROXY {text}\r\n").into_bytes(), source);
    let long = format!("UNKNOWN {}", "f".repeat(LINE_MAX - 2 - 6 - 8));
    let additions = |size: usize| [&V4[..], &vec![0xee; size]].concat();
    vec![
        line("TCP4 203.0.113.7 10.0.0.1 4711 443", client("203.0.113.7:4711")),
        line("TCP4 203.0.113.7 10.0.0.1 0 65535", client("203.0.113.7:0")),
        line("TCP6 2001:db8::7 ::1 4711 443", client("[2001:db8::7]:4711")),
        line("TCP6 ::ffff:203.0.113.7 ::1 4711 443", client("203.0.113.7:4711")),
        line(
            "TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
            client("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
        ),
        line("UNKNOWN", Source::Unnamed),
        line("UNKNOWN whatever \u{f6}", Source::Unnamed),
        line(&long, Source::Unnamed),
        (binary(0x21, 0x11, &V4), client("203.0.113.7:4711")),
        (binary(0x21, 0x11, &additions(PROXY_HEADER_MAX - FIXED - 12)), client("203.0.113.7:4711")),
        (binary(0x21, 0x21, &v6()), client("[2001:db8::7]:4711")),
        (binary(0x21, 0x31, &[b'a'; 216]), Source::Unnamed),
        (binary(0x21, 0x00, &[]), Source::Unnamed),
        (binary(0x21, 0x00, &[1; 9]), Source::Unnamed),
        (binary(0x20, 0x00, &[]), Source::Proxy),
        (binary(0x20, 0x11, &V4), Source::Proxy),
        (binary(0x20, 0xff, &[1, 2, 3]), Source::Proxy),
    ]
}

#[test]
fn a_header_says_for_whom_the_connection_is() {
    for (bytes, source) in right() {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let header = ProxyHeader { len: bytes.len(), source };
        assert_eq!(proxy_header(&bytes), Ok(Some(header)), "{shown:?}");
        assert!(begins_proxy_header(&bytes), "{shown:?}");
        for len in 0..bytes.len() {
            assert_eq!(proxy_header(&bytes[..len]), Ok(None), "{shown:?} up to {len}");
        }
        let followed = [&bytes[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
        assert_eq!(proxy_header(&followed), Ok(Some(header)), "{shown:?} and a request");
    }
}

#[test]
fn what_is_no_header_is_refused_as_soon_as_it_can_be_known() {
    for bytes in [
        "G",
        "GET / HTTP/1.1\r\n",
        "PROXYX",
        "proxy TCP4",
        "PROXY\t",
        "\r\n\r\nG",
        "\r\n\r\n\0\r\nQUIZ",
        "\n",
        "\x16\x03\x01",
    ] {
        assert_eq!(proxy_header(bytes.as_bytes()), Err(ProxyHeaderFault::Missing), "{bytes:?}");
        assert!(!begins_proxy_header(bytes.as_bytes()), "{bytes:?}");
    }
    for line in [
        "",
        "TCP",
        "TCP4",
        "TCP5 203.0.113.7 10.0.0.1 1 2",
        "tcp4 203.0.113.7 10.0.0.1 1 2",
        "UNKNOWNX",
        "TCP4 203.0.113.7 10.0.0.1 1",
        "TCP4 203.0.113.7 10.0.0.1 1 2 3",
        "TCP4 203.0.113.7 10.0.0.1 1 2 ",
        "TCP4  203.0.113.7 10.0.0.1 1 2",
        "TCP4 203.0.113.07 10.0.0.1 1 2",
        "TCP4 203.0.113 10.0.0.1 1 2",
        "TCP4 2001:db8::7 ::1 1 2",
        "TCP6 203.0.113.7 10.0.0.1 1 2",
        "TCP6 [2001:db8::7] ::1 1 2",
        "TCP4 203.0.113.7 10.0.0.256 1 2",
        "TCP4 203.0.113.7 10.0.0.1 +1 2",
        "TCP4 203.0.113.7 10.0.0.1 01 2",
        "TCP4 203.0.113.7 10.0.0.1 65536 2",
        "TCP4 203.0.113.7 10.0.0.1  2",
        "TCP4 203.0.113.7 10.0.0.1 1 x",
        "TCP4\t203.0.113.7 10.0.0.1 1 2",
    ] {
        let found = proxy_header(format!("PROXY {line}\r\n").as_bytes());
        assert!(matches!(found, Err(ProxyHeaderFault::Malformed(_))), "{line:?}: {found:?}");
    }
    for bytes in
        ["PROXY TCP4 203.0.113.7 10.0.0.1 1 2\n", "PROXY UNKNOWN\rX", "PROXY UNKNOWN\r\r\n", "PROXY \n"]
    {
        let found = proxy_header(bytes.as_bytes());
        assert!(matches!(found, Err(ProxyHeaderFault::Malformed(_))), "{bytes:?}: {found:?}");
    }
    for (version, family, rest) in [
        (0x11, 0x11, &V4[..]),
        (0x31, 0x11, &V4),
        (0x22, 0x11, &V4),
        (0x2f, 0x11, &V4),
        (0x21, 0x11, &V4[..11]),
        (0x21, 0x21, &V4),
        (0x21, 0x31, &V4),
        (0x21, 0x12, &V4),
        (0x21, 0x01, &V4),
        (0x21, 0x10, &V4),
        (0x21, 0x41, &V4),
        (0x21, 0xff, &V4),
    ] {
        let found = proxy_header(&binary(version, family, rest));
        assert!(matches!(found, Err(ProxyHeaderFault::Malformed(_))), "{version:x} {family:x}: {found:?}");
    }
    assert!(proxy_header(&[&SIGNATURE[..], &[0x11]].concat()).is_err(), "nothing more is waited for");
}

#[test]
fn a_header_is_bounded() {
    let line = |size: usize| format!("PROXY UNKNOWN {}", "x".repeat(size - 14));
    let longest = line(LINE_MAX - 2);
    assert_eq!(proxy_header(longest.as_bytes()), Ok(None));
    assert!(proxy_header(format!("{longest}\r\n").as_bytes()).unwrap().is_some());
    for text in [line(LINE_MAX - 1), format!("{}\r\n", line(LINE_MAX - 1))] {
        assert_eq!(proxy_header(text.as_bytes()), Err(ProxyHeaderFault::TooLong), "{text}");
    }
    for (rest, expected) in [
        (PROXY_HEADER_MAX - FIXED, Ok(None)),
        (PROXY_HEADER_MAX - FIXED + 1, Err(ProxyHeaderFault::TooLong)),
        (65_535, Err(ProxyHeaderFault::TooLong)),
    ] {
        for version in [0x20, 0x21] {
            let head = &binary(version, 0x11, &vec![0; rest])[..FIXED];
            assert_eq!(proxy_header(head), expected, "{rest}");
        }
    }
}

#[test]
fn what_is_written_reads_back_as_what_was_meant() {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    for version in [ProxyVersion::V1, ProxyVersion::V2] {
        for (client, own) in [
            ("203.0.113.7:4711", Some("10.0.0.1:443")),
            ("203.0.113.7:4711", Some("[::ffff:10.0.0.1]:443")),
            ("203.0.113.7:0", Some("[2001:db8::1]:443")),
            ("203.0.113.7:4711", None),
            ("[2001:db8::7]:4711", Some("[2001:db8::1]:443")),
            ("[2001:db8::7]:4711", Some("10.0.0.1:443")),
            ("[::ffff:203.0.113.7]:4711", None),
        ] {
            let client = address(client);
            let written = write_proxy_header(version, Source::Client(client), own.map(address));
            let canonical = SocketAddr::new(client.ip().to_canonical(), client.port());
            let expected = ProxyHeader { len: written.len(), source: Source::Client(canonical) };
            assert_eq!(proxy_header(&written), Ok(Some(expected)), "{version:?} {client} {own:?}");
        }
        let unnamed = write_proxy_header(version, Source::Unnamed, None);
        let itself = write_proxy_header(version, Source::Proxy, None);
        let source = |written: &[u8]| proxy_header(written).unwrap().unwrap().source;
        assert_eq!(source(&unnamed), Source::Unnamed);
        // The older version has no word for it.
        let expected = if version == ProxyVersion::V1 { Source::Unnamed } else { Source::Proxy };
        assert_eq!(source(&itself), expected);
    }
    let line = write_proxy_header(
        ProxyVersion::V1,
        Source::Client(address("203.0.113.7:4711")),
        Some(address("10.0.0.1:443")),
    );
    assert_eq!(line, b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 443\r\n");
}

proptest! {
    #[test]
    fn whatever_begins_a_connection_is_judged_alike_in_pieces_and_as_a_whole(
        chosen in 0_usize..17,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = right().swap_remove(chosen).0;
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let whole = proxy_header(&bytes);
        let part = proxy_header(&bytes[..cut.index(bytes.len() + 1)]);
        match part {
            Ok(None) => {}
            // What is certain stays so.
            decided => prop_assert_eq!(decided, whole),
        }
        if let Ok(Some(header)) = whole {
            prop_assert!(header.len <= bytes.len() && header.len <= PROXY_HEADER_MAX);
        } else if bytes.len() >= PROXY_HEADER_MAX {
            prop_assert!(whole.is_err(), "nothing is waited for for ever");
        }
    }

    #[test]
    fn bytes_that_nobody_wrote_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        for start in [&b""[..], &WORD[..], &SIGNATURE[..]] {
            let all = [start, &bytes].concat();
            let found = proxy_header(&all);
            prop_assert!(found.is_err() || all.len() < PROXY_HEADER_MAX || matches!(found, Ok(Some(_))));
        }
    }
}
