use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use proptest::prelude::*;

use super::{
    super::{KEYS, LINE_MAX, Server, Times},
    *,
};
use crate::{config::SecretNames, error::Error, http1::head::Version, net::Peer};

const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)), 50_412);

fn format(typed: &str) -> Arc<LogFormat> {
    Arc::new(typed.parse().unwrap())
}

fn line(typed: &str, record: &Record<'_>) -> String {
    let mut out = Vec::with_capacity(LINE_MAX);
    Renderer::new(format(typed), false).render(record, &mut out);
    assert!(out.capacity() == LINE_MAX, "it has allocated");
    let line = String::from_utf8(out).expect("a line is UTF-8");
    line.strip_suffix('\n').expect("a line ends").to_owned()
}

fn json(record: &Record<'_>) -> serde_json::Map<String, serde_json::Value> {
    let line = line("json", record);
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn time() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_772_368_496_007)
}

fn plain() -> Record<'static> {
    Record {
        client: Some(CLIENT),
        listener: "http://127.0.0.1:3000",
        method: b"GET",
        host: Some(b"app.example.com"),
        target: b"/a?b=c",
        version: Some(Version::Http11),
        bytes_in: 120,
        bytes_out: 512,
        times: Times { total: Some(Duration::from_micros(80_300)), ..Times::default() },
        ..Record::nothing(time(), 200, SecretNames::NONE)
    }
}

fn everything() -> Record<'static> {
    let micros = |micros| Some(Duration::from_micros(micros));
    Record {
        secure: true,
        error: Some(Error::ResponseIncomplete),
        status: 502,
        times: Times {
            head: micros(213),
            queue: micros(0),
            dns: micros(1_400),
            connect: micros(12_000),
            tls: micros(25_100),
            first_byte: micros(40_250),
            total: micros(80_300),
        },
        service: "routes",
        route: "api",
        upstream: "app",
        server: Server::Url("https://10.0.0.1:8443"),
        attempts: 2,
        hops: Some(1),
        reused: Some(false),
        cors: "refused",
        cors_reason: "origin_not_allowed",
        policy: "default",
        origin: Some(b"https://evil.example"),
        access: "staff",
        limit: "api",
        client_certificate: Some(b"CN=a"),
        referer: Some(b"https://app.example.com/?token=s3cret&a=b"),
        user_agent: Some(b"Mozilla/5.0 (X11; Linux)"),
        request_id: Some(b"7f9c"),
        trace_id: Some(b"4bf92f3577b34da6a3ce929d0e0e4736"),
        ..plain()
    }
}

#[test]
fn json_has_the_keys_of_the_table_in_their_order() {
    let line = line("json", &everything());
    assert_eq!(
        line,
        "{\"time\":\"2026-03-01T12:34:56.007Z\",\"client\":\"203.0.113.7:50412\",\
         \"listener\":\"http://127.0.0.1:3000\",\"method\":\"GET\",\"scheme\":\"https\",\
         \"host\":\"app.example.com\",\"target\":\"/a?b=c\",\"version\":\"1.1\",\"status\":502,\
         \"cause\":\"http_response_incomplete\",\"bytes_in\":120,\"bytes_out\":512,\"head_ms\":0.213,\
         \"queue_ms\":0.000,\"dns_ms\":1.400,\"connect_ms\":12.000,\"tls_ms\":25.100,\"first_byte_ms\":40.250,\
         \"total_ms\":80.300,\"service\":\"routes\",\"route\":\"api\",\"upstream\":\"app\",\
         \"server\":\"https://10.0.0.1:8443\",\"attempts\":2,\"hops\":1,\"reused\":false,\"cors\":\"refused\",\
         \"cors_reason\":\"origin_not_allowed\",\"policy\":\"default\",\"origin\":\"https://evil.example\",\
         \"access\":\"staff\",\"limit\":\"api\",\"client_certificate\":\"CN=a\",\"user_agent\":\"Mozilla/5.0 (X11; Linux)\",\"request_id\":\"7f9c\",\
         \"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\"}"
    );
    let mut at = 0;
    for (key, _) in KEYS {
        at += line[at..]
            .find(&format!("\"{key}\":"))
            .unwrap_or_else(|| panic!("{key} is missing or misplaced"));
    }
    assert_eq!(json(&everything()).len(), KEYS.len());
}

#[test]
fn json_leaves_out_what_is_not_known() {
    let record = Record::nothing(time(), 400, SecretNames::NONE);
    assert_eq!(
        line("json", &record),
        "{\"time\":\"2026-03-01T12:34:56.007Z\",\"client\":\"unix:\",\"scheme\":\"http\",\"status\":400,\
         \"bytes_in\":0,\"bytes_out\":0}"
    );
}

#[test]
fn text_tells_what_is_asked_first_and_then_only_what_is_unusual() {
    let peer = Peer::Ip("[2001:db8::7]:443".parse().unwrap());
    for (record, expected) in [
        (plain(), "2026-03-01T12:34:56.007Z 200 GET app.example.com/a?b=c 80.300ms -"),
        (
            Record {
                server: Server::Url("http://10.0.0.1"),
                upstream: "app",
                attempts: 1,
                hops: Some(0),
                ..plain()
            },
            "2026-03-01T12:34:56.007Z 200 GET app.example.com/a?b=c 80.300ms app",
        ),
        (
            Record { target: b"http://x.example/", server: Server::Peer(&peer), ..plain() },
            "2026-03-01T12:34:56.007Z 200 GET http://x.example/ 80.300ms [2001:db8::7]:443",
        ),
        (
            everything(),
            "2026-03-01T12:34:56.007Z 502 GET app.example.com/a?b=c 80.300ms app cause=http_response_incomplete \
             access=staff limit=api attempts=2 hops=1 cors=refused cors_reason=origin_not_allowed origin=https://evil.example",
        ),
        (Record::nothing(time(), 400, SecretNames::NONE), "2026-03-01T12:34:56.007Z 400 - - - -"),
    ] {
        assert_eq!(line("text", &record), expected);
    }
}

#[test]
fn text_has_colours_where_eyes_see_them() {
    for (status, colour) in [(200, "32"), (304, "36"), (404, "33"), (502, "31")] {
        let mut out = Vec::new();
        Renderer::new(format("text"), true).render(&Record { status, ..plain() }, &mut out);
        let line = String::from_utf8(out).unwrap();
        assert!(line.contains(&format!("\x1b[{colour}m{status}\x1b[0m ")), "{line}");
    }
    let mut out = Vec::new();
    Renderer::new(format("json"), true).render(&everything(), &mut out);
    assert!(!out.contains(&0x1b));
}

#[test]
fn combined_is_that_of_apache() {
    for (record, expected) in [
        (
            everything(),
            "203.0.113.7 - - [01/Mar/2026:12:34:56 +0000] \"GET /a?b=c HTTP/1.1\" 502 512 \
             \"https://app.example.com/?token=***&a=b\" \"Mozilla/5.0 (X11; Linux)\"",
        ),
        (
            Record::nothing(time(), 400, SecretNames::NONE),
            "unix: - - [01/Mar/2026:12:34:56 +0000] \"- - -\" 400 - \"-\" \"-\"",
        ),
    ] {
        assert_eq!(line("combined", &record), expected);
    }
}

#[test]
fn a_template_shows_what_it_names() {
    for (template, expected) in [
        ("{time} {client} {status}", "2026-03-01T12:34:56.007Z 203.0.113.7:50412 502"),
        ("{{{route}}} {reused} {total_ms}", "{api} false 80.300"),
        (
            "\"{method} {target} HTTP/{version}\" \"{user_agent}\"",
            "\"GET /a?b=c HTTP/1.1\" \"Mozilla/5.0 (X11; Linux)\"",
        ),
    ] {
        assert_eq!(line(template, &everything()), expected);
    }
    assert_eq!(line("{cause} {dns_ms} {server} {origin}", &plain()), "- - - -");
}

#[test]
fn every_key_can_be_named_in_a_template() {
    for (key, _) in KEYS {
        let shown = line(&format!("{{{key}}}"), &everything());
        assert!(shown != "-" && !shown.is_empty(), "{key}");
    }
}

#[test]
fn secrets_are_hidden_in_every_format() {
    let names = SecretNames { redact: vec!["ssn".to_owned()], allow: vec![] };
    let record = Record {
        target: b"/?url=https://me:s3cret@example.org/a%3Ftoken=s3cret&ssn=s3cret",
        redact: &names,
        host: Some(b"me:s3cret@example.org"),
        origin: Some(b"https://me:s3cret@example.org"),
        referer: Some(b"https://example.org/?key=s3cret"),
        user_agent: Some(b"robot (+https://example.org/?key=s3cret)"),
        request_id: Some(b"?token=s3cret"),
        cors_reason: "origin_not_allowed",
        ..everything()
    };
    let all: String = KEYS.iter().map(|(key, _)| format!("{{{key}}} ")).collect();
    for typed in ["text", "json", "combined", &all] {
        let line = line(typed, &record);
        assert!(!line.contains("s3cret") && line.contains("***"), "{typed}: {line}");
    }
}

#[test]
fn the_longest_record_is_cut_to_a_line_and_still_has_all_its_keys() {
    let bytes = vec![0xff; 100_000];
    let text = "\u{fc}\"".repeat(10_000);
    let name = "x".repeat(64);
    let forever = Some(Duration::MAX);
    let record = Record {
        listener: &text,
        route: &text,
        upstream: &name,
        server: Server::Url(&text),
        policy: &name,
        method: &bytes,
        host: Some(&bytes),
        target: &bytes,
        origin: Some(&bytes),
        client_certificate: Some(&bytes),
        referer: Some(&bytes),
        user_agent: Some(&bytes),
        request_id: Some(&bytes),
        error: Some(Error::ResponseHeadTooLarge),
        bytes_in: u64::MAX,
        bytes_out: u64::MAX,
        attempts: u32::MAX,
        hops: Some(u32::MAX),
        times: Times {
            head: forever,
            queue: forever,
            dns: forever,
            connect: forever,
            tls: forever,
            first_byte: forever,
            total: forever,
        },
        ..everything()
    };
    for typed in ["text", "json", "combined"] {
        let line = line(typed, &record);
        assert!(line.len() < LINE_MAX && line.contains("..."), "{typed}: {}", line.len());
    }
    assert_eq!(json(&record).len(), KEYS.len());
    let peer = Peer::Unix(text.as_str().into());
    assert!(line("json", &Record { server: Server::Peer(&peer), ..record }).len() < LINE_MAX);
}

#[test]
fn a_template_is_cut_to_a_line() {
    let target = vec![b'a'; 4_000];
    let record = Record { target: &target, ..plain() };
    for template in
        ["{target}".repeat(4), format!("{}{{target}}", "x".repeat(8_190)), "{status} ".repeat(3_000)]
    {
        let line = line(&template, &record);
        assert!(line.len() < LINE_MAX && line.ends_with("..."), "{}", line.len());
    }
}

#[test]
fn userinfo_behind_the_cut_is_still_hidden() {
    let target = format!("/?url=https://me:{}@host/", "p".repeat(20_000));
    let line = line("json", &Record { target: target.as_bytes(), ..plain() });
    assert!(line.contains("/?url=https://***@host/\""), "{line}");
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(
        prop_oneof![4 => any::<u8>(), 1 => prop::sample::select(&b"\"\\\n?@%&= "[..])],
        0..most,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_line_of_json_is_valid_whatever_was_sent(
        method in bytes(80),
        target in bytes(5_000),
        agent in bytes(700),
        request_id in bytes(300),
    ) {
        let record = Record {
            method: &method,
            host: Some(&agent),
            target: &target,
            origin: Some(&request_id),
            user_agent: Some(&agent),
            request_id: Some(&request_id),
            ..everything()
        };
        let line = line("json", &record);
        prop_assert!(line.len() < LINE_MAX && !line.chars().any(char::is_control));
        let known = KEYS.len() - [&method, &target].iter().filter(|it| it.is_empty()).count()
            - 2 * usize::from(agent.is_empty())
            - 2 * usize::from(request_id.is_empty());
        prop_assert_eq!(json(&record).len(), known);
    }

    #[test]
    fn what_json_shows_is_what_was_sent(route in "[!-~ \u{a1}-\u{2fff}]{1,30}") {
        let shown = json(&Record { route: &route, ..plain() });
        prop_assert_eq!(shown["route"].as_str(), Some(route.as_str()));
    }

    #[test]
    fn no_value_forges_a_line_or_a_column(
        method in bytes(80),
        target in bytes(5_000),
        agent in bytes(700),
        origin in bytes(300),
    ) {
        let record = Record {
            method: &method,
            host: Some(&agent),
            target: &target,
            origin: Some(&origin),
            user_agent: Some(&agent),
            referer: Some(&origin),
            ..everything()
        };
        for (typed, words) in [("text", Some(14)), ("combined", None), ("{method}", None)] {
            let line = line(typed, &record);
            prop_assert!(line.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{}", line);
            prop_assert!(words.is_none_or(|words| line.split(' ').count() == words), "{}", line);
            let quotes = line.replace("\\\\", "").replace("\\\"", "").matches('"').count();
            prop_assert_eq!(quotes, if typed == "combined" { 6 } else { 0 });
        }
    }
}
