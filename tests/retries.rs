//! Requests that are tried again: which, how often, and what it may cost.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    collections::BTreeSet,
    net::{SocketAddr, TcpListener},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use support::{Corsair, Origin, Then, answer, pause};

const SLOW: &str = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n";

/// A corsair in front of these servers, of which requests take none out.
fn in_front_of(servers: &[SocketAddr], retry: &str) -> (Corsair, tempfile::TempDir) {
    with_response_in("60s", servers, retry)
}

/// The same, with this `timeouts.response`.
fn with_response_in(time: &str, servers: &[SocketAddr], retry: &str) -> (Corsair, tempfile::TempDir) {
    let urls: Vec<String> = servers.iter().map(|server| format!("\"http://{server}\"")).collect();
    let text = format!(
        "[[listen]]\naddress = \"127.0.0.1:0\"\n[[route]]\nupstream = \"a\"\n\
         [upstream.a]\nservers = [{}]\neject = {{ failures = 0 }}\nretry = {{ {retry} }}\n",
        urls.join(", ")
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("corsair.toml");
    std::fs::write(&file, text).unwrap();
    let arguments = ["-c", file.to_str().unwrap(), "--access-log", "off", "-v", "--timeout-response", time];
    (Corsair::start(&arguments), folder)
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

/// A server that takes requests and says nothing.
fn silent() -> Origin {
    Origin::on_head(|exchange| {
        exchange.request();
        exchange.peer_closes();
        Then::Close
    })
}

/// A server that answers at once, but for `/slow`, where it says `first` and the rest of the answer 1.4 s later; if that is
/// anything, it answers no probe.
fn slow(first: &'static str) -> Origin {
    Origin::on_head(move |exchange| {
        exchange.request();
        if exchange.target == "*" && !first.is_empty() {
            exchange.peer_closes();
            return Then::Close;
        }
        let answer = answer("200 OK", "", "x");
        let mut said = 0;
        if exchange.target == "/slow" {
            exchange.send(first);
            pause(Duration::from_millis(1400));
            // What is no interim response is the start of this one.
            said = if answer.starts_with(first) { first.len() } else { 0 };
        }
        exchange.send(&answer[said..]);
        Then::KeepAlive
    })
}

/// A server that answers with this status.
fn answering(status: &str) -> Origin {
    Origin::always(answer(status, "", "said so"))
}

fn total(origins: &[Origin]) -> usize {
    origins.iter().map(|origin| origin.seen().heads).sum()
}

/// Requests that were no probes.
fn asked(origins: &[Origin]) -> usize {
    origins.iter().flat_map(Origin::lines).filter(|line| line != "OPTIONS *").count()
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
fn a_get_that_a_silent_server_has_is_answered_by_another_within_the_time_for_a_response() {
    let with_body = |_| "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx".to_owned();
    let post_without_body = |_| "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".to_owned();
    for (request, retry, expected) in [
        (&get as &dyn Fn(usize) -> String, "", [200, 200]),
        (&get, "attempts = 3", [200, 200]),
        (&get, "attempts = 1", [200, 504]),
        (&post, "", [200, 504]),
        (&post_without_body, "", [200, 504]),
        (&with_body, "", [200, 504]),
    ] {
        let origins = [silent(), Origin::echo()];
        let addresses = origins.each_ref().map(Origin::address);
        let (corsair, _folder) = with_response_in("1s", &addresses, retry);
        let begun = Instant::now();
        let mut seen = statuses(&corsair, request, 2);
        seen.sort_unstable();
        assert_eq!(seen, expected, "{retry} {}", request(0));
        let again = usize::from(expected == [200; 2]);
        assert_eq!(asked(&origins), 2 + again, "{retry} {}", request(0));
        assert!(again == 0 || begun.elapsed() < Duration::from_secs(1), "{retry} {:?}", begun.elapsed());
    }
}

#[test]
fn where_all_servers_are_silent_one_more_is_asked_and_then_it_is_a_504() {
    let origins = [silent(), silent(), silent()];
    let addresses = origins.each_ref().map(Origin::address);
    let (corsair, _folder) = with_response_in("400ms", &addresses, "");
    assert_eq!(corsair.ask(get(0)).status, 504);
    assert_eq!(asked(&origins), 2);
}

#[test]
fn a_slow_url_of_a_server_that_answers_others_is_waited_for() {
    let origins = [slow(""), slow("")];
    let addresses = origins.each_ref().map(Origin::address);
    let (corsair, _folder) = with_response_in("2s", &addresses, "");
    let mut client = corsair.connect();
    client.send(SLOW);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1300) {
        assert_eq!(statuses(&corsair, get, 2), [200; 2]);
    }
    assert_eq!(client.response().status, 200);
    let lines: Vec<String> = origins.iter().flat_map(Origin::lines).collect();
    assert_eq!(lines.iter().filter(|line| *line == "GET /slow").count(), 1);
}

#[test]
fn a_slow_url_of_a_server_that_nobody_else_asks_is_waited_for_because_a_probe_is_answered() {
    let origins = [slow(""), slow("")];
    let addresses = origins.each_ref().map(Origin::address);
    let (corsair, _folder) = with_response_in("2s", &addresses, "");
    assert_eq!(corsair.ask(SLOW).status, 200);
    assert_eq!(asked(&origins), 1);
    assert!(total(&origins) > 1, "one of them was asked whether it answers");
}

#[test]
fn a_server_that_has_begun_to_answer_is_waited_for() {
    for first in ["HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 2"] {
        let origins = [slow(first), slow(first)];
        let addresses = origins.each_ref().map(Origin::address);
        let (corsair, _folder) = with_response_in("2s", &addresses, "");
        let mut client = corsair.connect();
        client.send(SLOW);
        let status = loop {
            match client.response().status {
                100..=199 => {}
                status => break status,
            }
        };
        assert_eq!((status, asked(&origins)), (200, 1), "{first}");
    }
}

#[test]
fn where_nothing_pays_for_another_attempt_a_silent_server_is_waited_for() {
    const CLIENTS: usize = 24;
    let late = Origin::on_head(|exchange| {
        exchange.request();
        pause(Duration::from_millis(750));
        exchange.send(answer("200 OK", "", "x"));
        Then::KeepAlive
    });
    for (ill, expected) in [(silent(), [(200, 22), (504, 2)]), (late, [(200, 24), (504, 0)])] {
        let origins = [ill, Origin::echo()];
        let addresses = origins.each_ref().map(Origin::address);
        let (corsair, _folder) = with_response_in("1s", &addresses, "budget = \"0%\"");
        let mut clients: Vec<_> = (0..CLIENTS).map(|_| corsair.connect()).collect();
        clients.iter_mut().for_each(|client| {
            client.send(get(0));
        });
        let seen: Vec<u16> = clients.iter_mut().map(|client| client.response().status).collect();
        for (status, count) in expected {
            assert_eq!(seen.iter().filter(|seen| **seen == status).count(), count, "{status} in {seen:?}");
        }
        assert_eq!(asked(&origins), CLIENTS + 10);
        corsair.wait_for_log("retry.budget is used up");
    }
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
