//! The access log: one record per request, in the words of the interface, and never a secret.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::io::Read;

use serde_json::Value;
use support::{Corsair, Origin, Then, eventually};

const JSON: [&str; 4] = ["--access-log", "stdout", "--log-format", "json"];

/// The record of the request to `path`.
fn record(corsair: &Corsair, path: &str) -> Value {
    let line = corsair.wait_for_stdout(path);
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn a_json_record_names_what_happened() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &JSON);
    let response = corsair.get("/json-record", "Origin: https://app.example.com\r\nX-Request-Id: id-1\r\n");
    assert_eq!(response.status, 200);
    let record = record(&corsair, "/json-record");
    assert_eq!((&record["method"], &record["status"]), (&Value::from("GET"), &Value::from(200)));
    assert!(record["client"].as_str().unwrap().starts_with("127.0.0.1"));
    assert_eq!(record["origin"], "https://app.example.com");
    assert!(record["upstream"].as_str().unwrap().contains(&origin.address().to_string()));
    for key in ["time", "target", "version", "cause", "attempts", "cors"] {
        assert!(!record[key].is_null(), "{key} is missing in {record}");
    }
    assert!(record.to_string().contains("id-1"), "the request id is missing in {record}");
}

#[test]
fn a_text_record_is_one_line_with_the_same_facts() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &["--access-log", "stdout"]);
    corsair.get("/text-record", "");
    let line = corsair.wait_for_stdout("/text-record");
    for word in ["GET", "200", "127.0.0.1"] {
        assert!(line.contains(word), "{word} is missing in {line}");
    }
}

#[test]
fn every_request_has_exactly_one_record() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &JSON);
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
    let corsair = Corsair::reverse(broken.address(), &JSON);
    assert_eq!(corsair.get("/lost", "").status, 502);
    let record = record(&corsair, "/lost");
    assert_eq!(
        (&record["status"], &record["cause"]),
        (&Value::from(502), &Value::from("connection_terminated"))
    );
}

#[test]
fn a_request_of_a_client_that_left_is_logged_too() {
    let silent = Origin::on_head(|exchange| {
        exchange.request();
        Then::Hold
    });
    let corsair = Corsair::reverse(silent.address(), &JSON);
    let mut client = corsair.connect();
    client.send("GET /left HTTP/1.1\r\nHost: a\r\n\r\n");
    silent.wait("the request arrives", |seen| seen.requests.len() == 1);
    client.reset();
    assert_eq!(record(&corsair, "/left")["status"], 499);
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
fn bytes_of_a_request_cannot_forge_a_record() {
    let origin = Origin::echo();
    for format in ["json", "text"] {
        let corsair = Corsair::reverse(origin.address(), &["--access-log", "stdout", "--log-format", format]);
        let target = "/forged\"%0a{\"status\":200}\\";
        corsair.get(target, "X-Request-Id: a\"b\\c\r\nOrigin: https://a\"b.example\r\n");
        let line = corsair.wait_for_stdout("/forged");
        if format == "json" {
            let record: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(record["target"], target);
        }
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
