//! Requests that are tried again: which, how often, and what it may cost.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    collections::BTreeSet,
    net::{SocketAddr, TcpListener},
    sync::atomic::{AtomicUsize, Ordering},
};

use support::{Corsair, Origin, Then, answer};

/// A corsair in front of these servers, of which requests take none out.
fn in_front_of(servers: &[SocketAddr], retry: &str) -> (Corsair, tempfile::TempDir) {
    let urls: Vec<String> = servers.iter().map(|server| format!("\"http://{server}\"")).collect();
    let text = format!(
        "[[listen]]\naddress = \"127.0.0.1:0\"\n[[route]]\nupstream = \"a\"\n\
         [upstream.a]\nservers = [{}]\neject = {{ failures = 0 }}\nretry = {{ {retry} }}\n",
        urls.join(", ")
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("corsair.toml");
    std::fs::write(&file, text).unwrap();
    (Corsair::start(&["-c", file.to_str().unwrap(), "--access-log", "off", "-v"]), folder)
}

fn statuses(corsair: &Corsair, request: impl Fn(usize) -> String, count: usize) -> Vec<u16> {
    (0..count).map(|number| corsair.ask(request(number)).status).collect()
}

fn get(number: usize) -> String {
    format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn post(number: usize) -> String {
    format!("POST /post/{number} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
}

/// A server that takes requests and resets the connection instead of an answer.
fn resetting() -> Origin {
    Origin::on_head(|exchange| {
        exchange.request();
        Then::Reset
    })
}

/// A server that answers with this status.
fn answering(status: &str) -> Origin {
    Origin::always(answer(status, "", "said so"))
}

fn total(origins: &[Origin]) -> usize {
    origins.iter().map(|origin| origin.seen().heads).sum()
}

#[test]
fn where_every_server_fails_the_additional_load_stays_within_the_budget() {
    const REQUESTS: usize = 200;
    for (retry, most) in [
        ("attempts = 3", 10 + REQUESTS * 20 / 100),
        ("attempts = 2, budget = \"5%\"", 10 + REQUESTS * 5 / 100),
        ("attempts = 2, budget = \"0%\"", 10),
    ] {
        let origins = [resetting(), resetting(), resetting()];
        let addresses = origins.each_ref().map(Origin::address);
        let (corsair, _folder) = in_front_of(&addresses, retry);
        assert_eq!(statuses(&corsair, get, REQUESTS), [502; REQUESTS]);
        let more = total(&origins) - REQUESTS;
        assert!((most - 1..=most).contains(&more), "{retry}: {more} more");
        corsair.wait_for_log("retry.budget is used up");
    }
}

#[test]
fn where_one_of_three_fails_now_and_then_no_get_is_lost_and_no_post_is_sent_twice() {
    const REQUESTS: usize = 300;
    let count = AtomicUsize::new(0);
    let ill = Origin::on_head(move |exchange| {
        exchange.request();
        if count.fetch_add(1, Ordering::SeqCst) % 10 < 3 {
            return Then::Reset;
        }
        exchange.send(answer("200 OK", "", "ill"));
        Then::KeepAlive
    });
    let origins = [Origin::echo(), ill, Origin::echo()];
    let addresses = origins.each_ref().map(Origin::address);
    let (corsair, _folder) = in_front_of(&addresses, "");
    assert_eq!(statuses(&corsair, get, REQUESTS), [200; REQUESTS]);
    assert!(total(&origins) > REQUESTS, "some have failed");
    let lost = statuses(&corsair, post, REQUESTS).iter().filter(|status| **status != 200).count();
    assert!((20..=40).contains(&lost), "{lost}");
    let lines: Vec<String> =
        origins.iter().flat_map(Origin::lines).filter(|line| line.starts_with("POST")).collect();
    let distinct: BTreeSet<&String> = lines.iter().collect();
    assert_eq!((lines.len(), distinct.len()), (REQUESTS, REQUESTS));
}

#[test]
fn a_status_that_is_tried_again_reaches_no_client_while_another_server_answers_better() {
    let origins = [answering("503 Service Unavailable"), Origin::echo()];
    let addresses = origins.each_ref().map(Origin::address);
    let (corsair, _folder) = in_front_of(&addresses, "statuses = [502, 503], budget = \"100%\"");
    assert_eq!(statuses(&corsair, get, 20), [200; 20]);
    let head = |number| format!("HEAD /{number} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    for number in 0..2 {
        let mut client = corsair.connect();
        client.send(head(number));
        assert_eq!(client.try_response("HEAD").unwrap().status, 200);
    }
    let with_body = |_| "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx".to_owned();
    for request in [&post as &dyn Fn(usize) -> String, &with_body] {
        let mut seen = statuses(&corsair, request, 4);
        seen.sort_unstable();
        assert_eq!(seen, [200, 200, 503, 503], "what may not be sent twice gets what is said");
    }
    let line = corsair.wait_for_log("an answer is tried again elsewhere");
    assert!(line.contains("503") && line.contains(&addresses[0].to_string()), "{line}");
}

#[test]
fn a_status_is_given_where_no_other_server_is_left_or_nothing_pays_for_another_attempt() {
    let status = "503 Service Unavailable";
    let retry = "statuses = [503], budget = \"0%\"";
    let alone = [answering(status)];
    let both = [answering(status), answering(status)];
    let one = [answering(status), Origin::echo()];
    for (origins, retry, failed) in [
        (&alone[..], retry, 40),
        (&both[..], retry, 40),
        (&one[..], retry, 10),
        (&one[..], "statuses = [503], attempts = 1", 20),
        (&one[..], "statuses = [502]", 20),
    ] {
        let addresses: Vec<SocketAddr> = origins.iter().map(Origin::address).collect();
        let (corsair, _folder) = in_front_of(&addresses, retry);
        let seen = statuses(&corsair, get, 40);
        assert_eq!(seen.iter().filter(|status| **status == 503).count(), failed, "{retry}");
    }
}

#[test]
fn with_one_attempt_nothing_is_sent_twice() {
    let origins = [resetting(), Origin::echo()];
    let addresses = origins.each_ref().map(Origin::address);
    let (corsair, _folder) = in_front_of(&addresses, "attempts = 1");
    let mut seen = statuses(&corsair, get, 10);
    seen.sort_unstable();
    assert_eq!(seen, [[200; 5], [502; 5]].concat());
    assert_eq!(total(&origins), 10);
}

#[test]
fn a_refused_connection_costs_nothing() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let origin = Origin::echo();
    let (corsair, _folder) = in_front_of(&[nobody, origin.address()], "attempts = 1, budget = \"0%\"");
    for request in [get, post] {
        assert_eq!(statuses(&corsair, request, 30), [200; 30]);
    }
    assert_eq!(origin.seen().heads, 60);
}

#[test]
fn a_put_or_a_delete_is_tried_again_with_its_body_where_that_was_kept() {
    let origins = [answering("503 Service Unavailable"), Origin::echo()];
    let addresses = origins.each_ref().map(Origin::address);
    let (corsair, _folder) = in_front_of(&addresses, "statuses = [503], budget = \"100%\"");
    let sized = |length: usize| format!("Content-Length: {length}\r\n\r\n{}", "x".repeat(length));
    let chunked = "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_owned();
    for (method, body, tried_again) in [
        ("PUT", sized(3), true),
        ("PUT", chunked, true),
        ("PUT", sized(60_000), true),
        ("DELETE", "\r\n".to_owned(), true),
        ("DELETE", sized(3), true),
        ("PUT", sized(70_000), false),
        ("PATCH", sized(3), false),
        ("POST", sized(3), false),
        ("POST", "\r\n".to_owned(), false),
    ] {
        let ask = |_| format!("{method} / HTTP/1.1\r\nHost: a\r\n{body}");
        let mut seen = statuses(&corsair, ask, 4);
        seen.sort_unstable();
        let expected = if tried_again { [200; 4] } else { [200, 200, 503, 503] };
        assert_eq!(seen, expected, "{method} {}", body.len());
    }
    let bodies = |origin: &Origin| -> Vec<usize> {
        let seen = origin.seen();
        seen.requests
            .iter()
            .filter(|request| request.method == "PUT")
            .map(|request| request.body.len())
            .collect()
    };
    assert_eq!(bodies(&origins[1]), [vec![3; 8], vec![60_000; 4], vec![70_000; 2]].concat());
}
