//! The access log: one record per request, in the words of the interface, and never a secret.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::io::Read;

use support::{Corsair, Origin, Then, eventually};

const LOG: [&str; 2] = ["--access-log", "stdout"];

#[test]
fn a_record_is_one_line_that_names_what_happened() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &LOG);
    let fields = "Origin: https://app.example.com\r\nX-Request-Id: id-1\r\n";
    assert_eq!(corsair.get("/record", fields).status, 200);
    let line = corsair.wait_for_stdout("/record");
    let upstream = format!("upstream={}", origin.address());
    for part in [
        " 127.0.0.1:",
        "\"GET /record HTTP/1.1\" 200 cause=- ",
        "attempts=1 connection=new cors=allowed",
        "origin=\"https://app.example.com\"",
        "request_id=\"id-1\"",
        &upstream,
    ] {
        assert!(line.contains(part), "{part} is missing in {line}");
    }
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
        let path = format!("/count-{number} ");
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
    let line = corsair.wait_for_stdout("/lost");
    assert!(line.contains(" 502 cause=connection_terminated "), "{line}");
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
    let line = corsair.wait_for_stdout("/left");
    assert!(line.contains("\" 499 cause=connection_terminated "), "{line}");
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
    let line = corsair.wait_for_stdout("/forged");
    assert!(line.contains("/forged\\x22%0a{\\x22status\\x22:200}\\x5C HTTP/1.1\""), "{line}");
    assert!(line.contains("request_id=\"a\\x22b\\x5Cc\""), "{line}");
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
