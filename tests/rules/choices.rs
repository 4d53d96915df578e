//! Rules 45 to 49: where the RFCs leave a choice, and what a large body costs.

use std::time::Duration;

use super::scene::Scene;
use crate::support::{Corsair, Fault, Framing, Gate, Impairment, Network, Origin, Then, latin1, noise};

/// A chunked request.
fn chunked(body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

#[test]
fn rule_45_what_could_be_repaired_is_refused() {
    let scene = Scene::new(&[]);
    let post = |fields: &str| (400, format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n0\r\n\r\n"));
    scene.assert_refused([
        post("Content-Length: 5\r\nTransfer-Encoding: chunked"),
        post("Content-Length: 5\r\nContent-Length: 5"),
        post("X-A: b\nX-B: c"),
        post("X-A: b\r\n c"),
        post("Transfer_Encoding: chunked"),
    ]);
    let fields = "api_key: k\r\nX_Request: 1\r\n";
    let message = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    scene.assert_forwarded(&message, &message);
}

#[test]
fn rule_45_a_response_is_read_as_browsers_read_it_and_leaves_in_good_form() {
    let scene = Scene::new(&[]);
    let length = "Content-Length: 2";
    for (head, expected) in [
        (format!("HTTP/1.1 200\r\n{length}\r\n\r\n"), ""),
        (format!("HTTP/1.1 200\n{length}\n\n"), ""),
        (format!("HTTP/1.1 200 OK\nX-A: a\n{length}\nX-B: b\n\n"), "X-A: a\r\nX-B: b\r\n"),
        (format!("HTTP/1.1 200 OK\r\nX-A: a\n{length}\r\n\n"), "X-A: a\r\n"),
        (format!("HTTP/1.1 200 OK\nX-A: a\n b\n{length}\n\n"), "X-A: a  b\r\n"),
        (format!("HTTP/1.1 200 OK\r\nExpires : 0\r\n{length}\r\n\r\n"), "Expires: 0\r\n"),
        ("HTTP/1.1 200 OK\r\nX-A\t :a\r\nContent-Length : 2\r\n\r\n".to_owned(), "X-A: a\r\n"),
        (format!("HTTP/1.1 200 OK\r\n{length}\r\n{length}\r\n\r\n"), ""),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n".to_owned(), ""),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2,2\r\ncontent-length:2\r\n\r\n".to_owned(), ""),
        (format!("HTTP/1.1 200 OK\r\nX-A: \x01a\x0b\x7f\r\n{length}\r\n\r\n"), "X-A: \x01a\x0b\x7f\r\n"),
        (format!("HTTP/1.1 103\nX-A : a\n\nHTTP/1.1 200\n{length}\n\n"), ""),
    ] {
        scene.say(&format!("{head}ok"), Then::KeepAlive);
        for (cut, mut client) in scene.relayed("GET", "HTTP/1.1\r\nHost: a\r\n\r\n") {
            if head.contains("103") {
                assert_eq!(latin1(&client.until(b"\r\n\r\n")), "HTTP/1.1 103 \r\nX-A: a\r\n\r\n", "{cut:?}");
            }
            let sent = latin1(&client.until(b"\r\n\r\nok"));
            let line = if head.contains("OK") { "HTTP/1.1 200 OK" } else { "HTTP/1.1 200 " };
            let start = format!("{line}\r\n{expected}Content-Length: 2\r\n");
            assert!(sent.starts_with(&start), "{head:?} {cut:?}: {sent:?}");
            assert_eq!(sent.matches("ontent-").count(), 1, "{head:?} {cut:?}: {sent:?}");
            client.send("GET /good HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(client.response().text(), "good", "{head:?} {cut:?}");
        }
    }
    // Chunked framing stays strict.
    let framed = |body: &str| format!("HTTP/1.1 200 OK\nTransfer-Encoding : chunked\n\n{body}");
    for body in ["2\nok\n0\n\n", "2\r\nok\r\n0\r\nA : b\r\n\r\n", "2\r\nok\r\n0\r\nA: b\n\r\n"] {
        for (cut, _, response) in scene.responses(&framed(body), Then::Hold) {
            match response {
                Err(Fault::Truncated { .. }) => {}
                Ok(response) if response.status == 502 => {}
                other => panic!("{body:?} {cut:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn rule_45_a_folded_field_of_a_response_is_unfolded() {
    let scene = Scene::new(&[]);
    let text = "HTTP/1.1 200 OK\r\nX-A: one\r\n two\r\n\tthree\r\nContent-Length: 2\r\n\r\nok";
    for (cut, _, response) in scene.responses(text, Then::KeepAlive) {
        let response = response.unwrap();
        let value = response.field("x-a").unwrap();
        assert_eq!(
            value.split_whitespace().collect::<Vec<_>>(),
            ["one", "two", "three"],
            "{value:?} {cut:?}"
        );
        assert_eq!(response.text(), "ok");
    }
    scene.assert_502(&["HTTP/1.1 200 OK\r\n X-A: one\r\nContent-Length: 6\r\n\r\nPOISON"]);
}

#[test]
fn rule_46_canonical_chunks_pass_as_they_are_and_all_others_become_so() {
    let data = latin1(&noise(100_000, 46));
    let canonical = format!("186a0\r\n{data}\r\n1\r\nx\r\n0\r\n\r\n");
    let scene = Scene::new(&[]);
    for body in [
        canonical.clone(),
        format!("186A0\r\n{data}\r\n1\r\nx\r\n0\r\n\r\n"),
        format!("000186a0\r\n{data}\r\n01\r\nx\r\n00\r\n\r\n"),
        format!("186a0;ext=\"1\"\r\n{data}\r\n1;a\r\nx\r\n0;b\r\n\r\n"),
    ] {
        let mut client = scene.corsair.connect();
        client.send(crate::support::bytes(&chunked(&body)));
        assert_eq!(client.response().status, 200);
        scene.assert_caused(&chunked(&canonical), 1);
    }
    let text = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{canonical}");
    scene.say(&text, Then::KeepAlive);
    let mut client = scene.corsair.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until(b"\r\n\r\n");
    assert!(client.until(b"\r\n1\r\nx\r\n0\r\n\r\n") == crate::support::bytes(&canonical));
}

#[test]
fn rule_47_a_close_delimited_response_leaves_chunked_and_the_connection_lives() {
    let scene = Scene::new(&[]);
    for (text, body) in [
        ("HTTP/1.1 200 OK\r\n\r\nsome body", "some body"),
        ("HTTP/1.0 200 OK\r\n\r\nsome body", "some body"),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", ""),
    ] {
        for (cut, mut client, response) in scene.responses(text, Then::Close) {
            let response = response.unwrap();
            assert_eq!(
                (response.framing, response.text().as_str()),
                (Framing::Chunked, body),
                "{text:?} {cut:?}"
            );
            client.send("GET /good HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(client.response().text(), "good", "{text:?} {cut:?}");
        }
    }
    let text = "HTTP/1.1 200 OK\r\n\r\npart";
    let origin = Origin::on_head(move |exchange| {
        exchange.request();
        exchange.send(text);
        Then::Hold
    });
    let network = Network::to(origin.address());
    network.download([Impairment::ResetAfter(text.len())]);
    let corsair = Corsair::reverse(network.address(), &[]);
    let mut client = corsair.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    match client.try_response("GET") {
        Err(Fault::Truncated { body, .. }) => assert_eq!(body, b"part"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn rule_48_a_response_that_has_begun_wins_over_a_413() {
    let (broken, most) = ("4\r\n1234\r\n1\r\n5\r\n0\r\n\r\n", "4\r\n1234\r\n");
    Scene::new(&["--limit-body", "4"]).assert_broken([(413, chunked(broken), chunked(most))]);
    let gate = Gate::new();
    let wait = gate.clone();
    let origin = Origin::on_head(move |exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
        wait.wait();
        exchange.send("full");
        Then::Hold
    });
    let corsair = Corsair::reverse(origin.address(), &["--limit-body", "4"]);
    let mut client = corsair.connect();
    client.send(chunked("4\r\n1234\r\n")).until(b"half");
    client.send("1\r\n5\r\n");
    assert!(client.is_quiet_for(Duration::from_millis(100)), "no second answer");
    gate.open();
    client.until(b"full");
    drop(client);
    origin.wait("a connection with half a request is not kept", |seen| seen.open == 0);
    assert!(origin.seen().requests.is_empty());
}

/// Seconds of processor time that a process has used, in hundredths.
fn processor_time(corsair: &Corsair) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", corsair.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn rule_49_data_is_never_looked_at_and_costs_no_more_in_chunks() {
    let scene = Scene::new(&[]);
    let evil = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n\x00\n\r5\r\n";
    for message in [
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{evil}", evil.len()),
        chunked(&format!("{:x}\r\n{evil}\r\n0\r\n\r\n", evil.len())),
    ] {
        scene.assert_forwarded(&message, &message);
    }
    scene.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Then::KeepAlive);
    let megabytes = 32;
    let block = vec![b'\n'; 1 << 20];
    let cost = |framing: &str, before: &str, behind: &str| {
        let begun = processor_time(&scene.corsair);
        let mut client = scene.corsair.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n"));
        for _ in 0..megabytes {
            client.send(before).send(&block).send(behind);
        }
        if !before.is_empty() {
            client.send("0\r\n\r\n");
        }
        assert_eq!(client.response().status, 200);
        processor_time(&scene.corsair) - begun
    };
    let plain = cost(&format!("Content-Length: {}", megabytes << 20), "", "");
    let chunks = cost("Transfer-Encoding: chunked", "100000\r\n", "\r\n");
    assert!(chunks < plain * 3 + 20, "{chunks} against {plain} hundredths of a second");
}
