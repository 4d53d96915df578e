//! The access log: one record per request, in the words of the interface, and never a secret.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::io::Read;

use corsair::observe::access_log::KEYS;
use serde_json::json;
use support::{Corsair, Origin, Then, answer, eventually};

const LOG: [&str; 4] = ["--access-log", "stdout", "--log-format", "json"];

#[test]
fn a_record_is_one_line_that_names_what_happened() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &LOG);
    let fields = "Origin: https://app.example.com\r\nX-Request-Id: id-1\r\nUser-Agent: test (X11; Linux)\r\n\
        traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
    assert_eq!(corsair.get("/record", fields).status, 200);
    let record = corsair.wait_for_record("/record");
    for (key, value) in [
        ("method", json!("GET")),
        ("scheme", json!("http")),
        ("listener", json!("http://127.0.0.1:0")),
        ("target", json!("/record")),
        ("version", json!("1.1")),
        ("status", json!(200)),
        ("service", json!("routes")),
        ("upstream", json!("default")),
        ("server", json!(format!("http://{}", origin.address()))),
        ("attempts", json!(1)),
        ("reused", json!(false)),
        ("cors", json!("allowed")),
        ("policy", json!("default")),
        ("origin", json!("https://app.example.com")),
        ("user_agent", json!("test (X11; Linux)")),
        ("request_id", json!("id-1")),
        ("trace_id", json!("4bf92f3577b34da6a3ce929d0e0e4736")),
    ] {
        assert_eq!(record[key], value, "{key} of {record}");
    }
    assert!(record["client"].as_str().unwrap().starts_with("127.0.0.1:"), "{record}");
    assert!(record["total_ms"].as_f64() >= record["connect_ms"].as_f64(), "{record}");
    for key in ["cause", "queue_ms", "dns_ms", "tls_ms", "hops", "cors_reason", "client_certificate"] {
        assert!(record.get(key).is_none(), "{key} of {record}");
    }
    let keys: Vec<&str> = KEYS.iter().map(|(key, _)| *key).collect();
    let line = corsair.wait_for_stdout("/record");
    let mut shown: Vec<(usize, &str)> =
        keys.iter().filter_map(|key| Some((line.find(&format!("\"{key}\":"))?, *key))).collect();
    let in_order = shown.clone();
    shown.sort_unstable();
    assert_eq!(shown, in_order, "{line}");
}

#[test]
fn a_head_that_comes_in_pieces_has_its_time() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &LOG);
    let mut client = corsair.connect();
    client.dribble("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let record = corsair.wait_for_record("/slow");
    assert!(record["head_ms"].as_f64() > Some(0.0), "{record}");
    assert!(record["total_ms"].as_f64() >= record["head_ms"].as_f64(), "{record}");
}

#[test]
fn every_request_has_exactly_one_record() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &LOG);
    let mut client = corsair.connect();
    for number in 0..10 {
        client.send(format!("GET /count-{number} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(client.response().status, 200);
    }
    corsair.wait_for_stdout("/count-9");
    for number in 0..10 {
        let path = format!("/count-{number}\"");
        assert_eq!(corsair.stdout().lines().filter(|line| line.contains(&path)).count(), 1, "{path}");
    }
}

#[test]
fn a_failure_is_logged_with_its_cause() {
    let broken = Origin::on_head(|exchange| {
        exchange.request();
        Then::Close
    });
    let corsair = Corsair::reverse(broken.address(), &LOG);
    assert_eq!(corsair.get("/lost", "").status, 502);
    let record = corsair.wait_for_record("/lost");
    assert_eq!(
        (&record["status"], &record["cause"]),
        (&502.into(), &"connection_terminated".into()),
        "{record}"
    );
    assert_eq!((&record["attempts"], record.get("hops")), (&1.into(), None), "{record}");
}

#[test]
fn a_request_of_a_client_that_left_is_logged_too() {
    let silent = Origin::on_head(|exchange| {
        exchange.request();
        Then::Hold
    });
    let corsair = Corsair::reverse(silent.address(), &LOG);
    let mut client = corsair.connect();
    client.send("GET /left HTTP/1.1\r\nHost: a\r\n\r\n");
    silent.wait("the request arrives", |seen| seen.requests.len() == 1);
    client.reset();
    let record = corsair.wait_for_record("/left");
    assert_eq!((&record["status"], &record["cause"]), (&499.into(), &"client_gone".into()), "{record}");
}

#[test]
fn secrets_never_reach_a_log() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &["--access-log", "stdout", "-v"]);
    let fields = "Authorization: Bearer s3cret-a\r\nCookie: session=s3cret-b\r\nProxy-Authorization: Basic s3cret-c\r\n";
    corsair.get("/secrets?token=s3cret-d&key=s3cret-e&plain=visible", fields);
    let line = corsair.wait_for_stdout("/secrets");
    assert!(line.contains("plain=visible"), "{line}");
    for text in [corsair.stdout(), corsair.log()] {
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[test]
fn parameters_that_are_named_like_secrets_are_hidden_unless_lifted() {
    let origin = Origin::echo();
    let more = ["--access-log", "stdout", "--redact-query", "ssn", "--allow-query", "country_code"];
    let corsair = Corsair::reverse(origin.address(), &more);
    let hidden =
        ["access_token", "password", "client_secret", "X-Amz-Signature", "token[]", "SSN", "zip_code"];
    let query: Vec<String> = hidden.iter().map(|name| format!("{name}=s3cret")).collect();
    corsair.get(&format!("/words?{}&country_code=de&monkey=visible", query.join("&")), "");
    let line = corsair.wait_for_stdout("/words");
    assert!(line.contains("&country_code=de&monkey=visible ") && !line.contains("s3cret"), "{line}");
    assert_eq!(line.matches("=***").count(), hidden.len(), "{line}");
}

#[test]
fn bytes_of_a_request_cannot_forge_a_record() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &LOG);
    corsair
        .get("/forged\"%0a{\"status\":200}\\", "X-Request-Id: a\"b\\c\r\nOrigin: https://a\"b.example\r\n");
    let record = corsair.wait_for_record("/forged");
    assert_eq!(record["target"], "/forged\"%0a{\"status\":200}\\");
    assert_eq!(record["request_id"], "a\"b\\c");
    assert_eq!(record["origin"], "https://a\"b.example");
}

#[test]
fn ten_thousand_hostile_requests_are_valid_json() {
    const REQUESTS: usize = 10_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let log = ["--allow-target=any", "--access-log", path.to_str().unwrap(), "--log-format", "json"];
    let mut corsair = Corsair::start(&log);
    let mut client = corsair.connect();
    let mut random = fastrand::Rng::with_seed(12);
    let mut hostile = |most: usize, bytes: &[u8]| -> Vec<u8> {
        (0..random.usize(1..most)).map(|_| bytes[random.usize(..bytes.len())]).collect()
    };
    // What a target and a field may hold: more is refused before it is a request.
    let in_target: Vec<u8> = (b'!'..=b'~').filter(|byte| *byte != b'#').collect();
    let in_field: Vec<u8> = (b' '..=b'~').chain(0x80..=0xff).chain(*b"\"\\\"\\\t").collect();
    for number in 0..REQUESTS {
        let mut request = format!("GET /healthcheck?{number}&").into_bytes();
        request.extend(hostile(60, &in_target));
        request.extend_from_slice(b" HTTP/1.1\r\nHost: localhost\r\nUser-Agent: a");
        request.extend(hostile(40, &in_field));
        request.extend_from_slice(b"\r\nOrigin: o");
        request.extend(hostile(20, &in_field));
        request.extend_from_slice(b"\r\nX-Request-Id: i");
        request.extend(hostile(20, &in_field));
        request.extend_from_slice(b"\r\n\r\n");
        client.send(request);
        if client.response().field("connection") == Some("close") {
            client = corsair.connect();
        }
    }
    corsair.terminate();
    assert_eq!(corsair.wait_exit().code(), Some(0));
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), REQUESTS);
    for (line, number) in text.lines().zip(0..) {
        let record: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let target = record["target"].as_str().unwrap();
        assert!(target.starts_with(&format!("/healthcheck?{number}&")), "{line}");
        assert!(record["user_agent"].is_string(), "{line}");
    }
}

#[test]
fn the_other_formats_tell_the_same_to_others() {
    let origin = Origin::echo();
    let fields = "Referer: https://a.example/?token=s3cret\r\nUser-Agent: t (X; Y)\r\n";
    for (format, begins, contains) in [
        ("text", "20", " 200 GET localhost/shown?token=*** ".to_owned()),
        ("combined", "127.0.0.1 - - [", "] \"GET /shown?token=*** HTTP/1.1\" 200 ".to_owned()),
        ("combined", "127.0.0.1 - - [", "\"https://a.example/?token=***\" \"t (X; Y)\"".to_owned()),
        ("{status}|{method}|{route}|{cause}|{target}", "200|GET|/|-|/shown?token=***", String::new()),
    ] {
        let corsair = Corsair::reverse(origin.address(), &["--access-log", "stdout", "--log-format", format]);
        assert_eq!(corsair.get("/shown?token=s3cret", fields).status, 200);
        let line = corsair.wait_for_stdout("/shown");
        assert!(line.starts_with(begins) && line.contains(&contains), "{format}: {line}");
        assert!(!line.contains("s3cret") && !line.contains('\x1b'), "{format}: {line}");
    }
}

#[test]
fn retries_are_told_from_redirects_that_were_followed() {
    let target = Origin::start(|request| match request.target.as_str() {
        "/from" => answer("302 Found", "Location: /to\r\n", "").into(),
        _ => answer("200 OK", "", "there").into(),
    });
    let corsair = Corsair::start(&[&LOG[..], &["--allow-target=any"]].concat());
    for (path, hops) in [("from", 1), ("to", 0)] {
        let response = corsair
            .get(&format!("/?url=http://{}/{path}", target.address()), "Origin: https://a.example\r\n");
        assert_eq!(response.status, 200);
        let record = corsair.wait_for_record(path);
        assert_eq!((&record["attempts"], &record["hops"]), (&1.into(), &hops.into()), "{record}");
        assert_eq!(
            (&record["service"], &record["route"]),
            (&"gateway".into(), &"gateway".into()),
            "{record}"
        );
        assert_eq!(record["server"], target.address().to_string(), "{record}");
    }
}

#[test]
fn a_log_file_is_written_and_reopened_on_usr1() {
    let origin = Origin::echo();
    let directory = tempfile::tempdir().unwrap();
    let (path, moved) = (directory.path().join("access.log"), directory.path().join("access.log.1"));
    let corsair = Corsair::reverse(origin.address(), &["--access-log", path.to_str().unwrap()]);
    let contains = |file: &std::path::Path, text: &str| {
        let mut content = String::new();
        std::fs::File::open(file).is_ok_and(|mut file| file.read_to_string(&mut content).is_ok())
            && content.contains(text)
    };
    corsair.get("/before", "");
    eventually("the first record is in the file", || contains(&path, "/before"));
    std::fs::rename(&path, &moved).unwrap();
    corsair.signal(rustix::process::Signal::USR1);
    eventually("the file exists again", || path.exists());
    corsair.get("/after", "");
    eventually("the next record is in the new file", || contains(&path, "/after"));
    assert!(!contains(&moved, "/after"));
}

/// Whatever becomes of the log, requests are served, and all signals are obeyed.
fn serves_and_obeys(mut corsair: Corsair, what: &str) {
    use rustix::process::Signal;
    for _ in 0..2 {
        let mut client = corsair.connect();
        for _ in 0..1_500 {
            client.send(format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(300)));
            assert_eq!(client.response().status, 200, "{what}");
        }
        corsair.signal(Signal::HUP);
        corsair.wait_for_log("reloaded");
        corsair.signal(Signal::USR1);
    }
    corsair.terminate();
    assert_eq!(corsair.wait_exit().code(), Some(0), "{what}");
}

#[test]
fn a_log_that_nothing_can_be_written_to_stops_neither_requests_nor_signals() {
    let origin = Origin::echo();
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    for target in ["/dev/full", fifo.to_str().unwrap()] {
        for format in ["text", "json"] {
            let log = ["--access-log", target, "--log-format", format];
            serves_and_obeys(Corsair::reverse(origin.address(), &log), target);
        }
    }
}

#[test]
fn a_full_disk_fails_no_request_and_no_drain() {
    let origin = Origin::echo();
    let mut corsair = Corsair::reverse(origin.address(), &["--access-log", "/dev/full"]);
    for _ in 0..100 {
        assert_eq!(corsair.get("/", "").status, 200);
    }
    corsair.terminate();
    assert_eq!(corsair.wait_exit().code(), Some(0));
}

#[test]
fn the_log_can_be_switched_off() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &["--access-log", "off"]);
    assert_eq!(corsair.get("/unlogged", "").status, 200);
    assert!(!corsair.stdout().contains("/unlogged"));
    assert!(!corsair.log().contains("/unlogged"));
}
