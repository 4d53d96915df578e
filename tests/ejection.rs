//! Several servers: one that fails gets nothing while another is usable, and comes back by probes.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use support::{Corsair, Exchange, Origin, Then, answer, eventually, nobody};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";

/// A corsair in front of these servers.
fn in_front_of(servers: &[SocketAddr], more: &[&str]) -> Corsair {
    let mut arguments: Vec<String> =
        servers.iter().flat_map(|server| ["-u".to_owned(), format!("http://{server}")]).collect();
    arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
    Corsair::start(&arguments)
}

fn statuses(corsair: &Corsair, request: &str, count: usize) -> Vec<u16> {
    (0..count).map(|_| corsair.ask(request).status).collect()
}

/// Requests that were no probes.
fn asked(origin: &Origin) -> usize {
    origin.lines().iter().filter(|line| *line != "OPTIONS *").count()
}

/// Lines about a change of state.
fn changes(corsair: &Corsair) -> Vec<String> {
    let log = corsair.log();
    log.lines()
        .filter(|line| line.contains("a server is out") || line.contains("a server is back"))
        .map(str::to_owned)
        .collect()
}

/// A server that does as `badly` says while it is ill, and is well from a moment on.
fn patient(badly: impl Fn(&mut Exchange<'_>) -> Then + Send + Sync + 'static) -> (Origin, Arc<AtomicBool>) {
    let recovered = Arc::new(AtomicBool::new(false));
    let is_well = Arc::clone(&recovered);
    let origin = Origin::on_head(move |exchange| {
        if !is_well.load(Ordering::SeqCst) {
            return badly(exchange);
        }
        exchange.request();
        exchange.send(answer("200 OK", "", "well"));
        Then::KeepAlive
    });
    (origin, recovered)
}

/// It comes back, tells so in one line, and is asked again.
fn comes_back(corsair: &Corsair, server: &Origin, recovered: &AtomicBool) {
    recovered.store(true, Ordering::SeqCst);
    let line = corsair.wait_for_log("a server is back");
    assert!(line.contains("INFO") && line.contains(&server.address().to_string()), "{line}");
    let before = asked(server);
    assert_eq!(statuses(corsair, POST, 10), [200; 10]);
    assert_eq!(asked(server) - before, 5, "its turns are its own again");
    assert_eq!(changes(corsair).len(), 2, "{:?}", changes(corsair));
}

#[test]
fn a_dead_server_gets_nothing_until_a_probe_can_connect() {
    let (dead, other) = (nobody(), Origin::echo());
    let corsair = in_front_of(&[dead, other.address()], &[]);
    for request in [GET, POST] {
        assert_eq!(statuses(&corsair, request, 20), [200; 20], "a refused connect costs nobody an answer");
    }
    let line = corsair.wait_for_log("a server is out");
    for part in ["WARN", &format!("http://{dead}"), "the upstream refused the connection"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert_eq!(changes(&corsair).len(), 1);
    let revived = Origin::at(dead, |exchange| {
        exchange.request();
        exchange.send(answer("200 OK", "", "alive"));
        Then::KeepAlive
    });
    comes_back(&corsair, &revived, &AtomicBool::new(false));
}

#[test]
fn a_get_that_a_server_swallowed_is_answered_by_another() {
    for then in [Then::Reset, Then::Close] {
        let ((ill, recovered), other) = (patient(move |_| then), Origin::echo());
        let corsair = in_front_of(&[ill.address(), other.address()], &[]);
        assert_eq!(statuses(&corsair, GET, 20), [200; 20], "{then:?}");
        let line = corsair.wait_for_log("a server is out");
        assert!(line.contains("closed the connection without an answer"), "{line}");
        comes_back(&corsair, &ill, &recovered);
    }
}

#[test]
fn what_cannot_be_sent_twice_is_lost_once() {
    let ((ill, recovered), other) = (patient(|_| Then::Reset), Origin::echo());
    let corsair = in_front_of(&[ill.address(), other.address()], &[]);
    let mut expected = [200; 20];
    expected[0] = 502;
    assert_eq!(statuses(&corsair, POST, 20), expected);
    comes_back(&corsair, &ill, &recovered);
}

#[test]
fn whatever_is_no_answer_takes_a_server_out() {
    let silent = |exchange: &mut Exchange<'_>| {
        exchange.peer_closes();
        Then::Close
    };
    let garbled = |exchange: &mut Exchange<'_>| {
        exchange.send("SSH-2.0-OpenSSH_9.2\r\n");
        Then::Close
    };
    // What is safe and has no body, another server is asked in time.
    for ((ill, recovered), request, status) in
        [(patient(silent), GET, 200), (patient(silent), POST, 504), (patient(garbled), GET, 502)]
    {
        let other = Origin::echo();
        let corsair = in_front_of(&[ill.address(), other.address()], &["--timeout-response", "300ms"]);
        let mut expected = [200; 10];
        expected[0] = status;
        assert_eq!(statuses(&corsair, request, 10), expected);
        corsair.wait_for_log("a server is out");
        // It still takes connections; what it has to show is an answer.
        ill.wait("two probes", |seen| seen.heads >= 3);
        assert_eq!(changes(&corsair).len(), 1, "{:?}", changes(&corsair));
        comes_back(&corsair, &ill, &recovered);
    }
}

#[test]
fn what_waits_at_a_server_that_is_out_goes_to_another_at_no_cost() {
    // Half of them are at the silent one, twice as many as the budget pays for.
    const CLIENTS: usize = 40;
    let (ill, _recovered) = patient(|exchange| {
        exchange.peer_closes();
        Then::Close
    });
    let other = Origin::echo();
    let corsair = in_front_of(&[ill.address(), other.address()], &["--timeout-response", "1s"]);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| corsair.connect()).collect();
    clients.iter_mut().for_each(|client| {
        client.send(GET);
    });
    let seen: Vec<u16> = clients.iter_mut().map(|client| client.response().status).collect();
    assert_eq!(seen, [200; CLIENTS]);
    assert_eq!(asked(&other), CLIENTS);
    assert_eq!(changes(&corsair).len(), 1, "{:?}", changes(&corsair));
}

#[test]
fn a_server_that_answers_503_three_times_in_a_row_is_out() {
    let ((ill, recovered), other) = (
        patient(|exchange| {
            exchange.request();
            exchange.send(answer("503 Service Unavailable", "", "later"));
            Then::KeepAlive
        }),
        Origin::echo(),
    );
    let corsair = in_front_of(&[ill.address(), other.address()], &[]);
    let refused = statuses(&corsair, GET, 20).into_iter().filter(|status| *status == 503).count();
    assert_eq!(refused, 3, "and the other seven of its turns went to the other one");
    assert!(corsair.wait_for_log("a server is out").contains("answered 503"));
    ill.wait("probes that get 503", |seen| {
        seen.requests.iter().filter(|request| request.method == "OPTIONS").count() >= 2
    });
    assert_eq!(changes(&corsair).len(), 1, "a probe that gets 503 brings nothing back");
    comes_back(&corsair, &ill, &recovered);
}

#[test]
fn which_statuses_take_a_server_out_and_whether_anything_does_is_the_operators() {
    let answers = |status: &'static str| {
        Origin::start(move |request| {
            answer(status, "", if request.method == "HEAD" { "" } else { "x" }).into()
        })
    };
    for (status, more, count) in [
        ("503 Service Unavailable", &["--eject-status", "none"][..], 10),
        ("502 Bad Gateway", &["--eject-status", "502,504"], 3),
        ("502 Bad Gateway", &["--eject-status", "502", "--eject-failures", "5"], 5),
        ("502 Bad Gateway", &[], 10),
        ("404 Not Found", &[], 10),
    ] {
        let (ill, other) = (answers(status), Origin::echo());
        let corsair = in_front_of(&[ill.address(), other.address()], more);
        let got = statuses(&corsair, GET, 20).into_iter().filter(|status| *status != 200).count();
        assert_eq!(got, count, "{status} with {more:?}");
    }
    let other = Origin::echo();
    let corsair = in_front_of(&[nobody(), other.address()], &["--eject-failures", "0"]);
    assert_eq!(statuses(&corsair, GET, 10), [200; 10]);
    assert_eq!(changes(&corsair), [""; 0]);
}

#[test]
fn the_last_usable_server_stays_and_the_others_are_tried_rather_than_to_refuse() {
    let (first, second) = (patient(|_| Then::Reset), patient(|_| Then::Reset));
    let corsair = in_front_of(&[first.0.address(), second.0.address()], &[]);
    assert_eq!(statuses(&corsair, POST, 6), [502; 6]);
    corsair.wait_for_log("a server is out");
    assert_eq!(changes(&corsair).len(), 1, "{:?}", changes(&corsair));
    assert_eq!(second.0.seen().heads, 5, "the last one is asked every time");

    let (gone, later) = (nobody(), nobody());
    let corsair = in_front_of(&[gone, later], &[]);
    assert_eq!(statuses(&corsair, GET, 4), [502; 4]);
    assert!(corsair.wait_for_log("a server is out").contains(&gone.to_string()));
    // Nobody has told that the first one is back: it answers all the same.
    let origin = Origin::at(gone, |exchange| {
        exchange.request();
        exchange.send(answer("200 OK", "", "alive"));
        Then::KeepAlive
    });
    assert_eq!(corsair.ask(GET).status, 200);
    drop(origin);
}

#[test]
fn a_slow_url_takes_no_server_out_while_others_are_answered() {
    let server = || {
        Origin::on_head(|exchange| {
            if exchange.target == "/slow" {
                exchange.peer_closes();
                return Then::Close;
            }
            exchange.request();
            exchange.send(answer("200 OK", "", "x"));
            Then::KeepAlive
        })
    };
    let (one, two) = (server(), server());
    let corsair = in_front_of(&[one.address(), two.address()], &["--timeout-response", "500ms"]);
    for _ in 0..4 {
        let before = one.seen().heads + two.seen().heads;
        let mut slow = corsair.connect();
        slow.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
        eventually("the slow request is at one of them", || one.seen().heads + two.seen().heads > before);
        assert_eq!(statuses(&corsair, GET, 4), [200; 4]);
        assert_eq!(slow.response().status, 504);
        assert_eq!(statuses(&corsair, GET, 4), [200; 4]);
    }
    assert_eq!(changes(&corsair), [""; 0]);
    assert!(one.seen().heads >= 16 && two.seen().heads >= 16, "both have had their turns");
}

#[test]
fn a_client_that_leaves_takes_no_server_out() {
    let hung = || {
        Origin::on_head(|exchange| {
            exchange.peer_closes();
            Then::Close
        })
    };
    let (one, two) = (hung(), hung());
    let corsair = in_front_of(&[one.address(), two.address()], &[]);
    for count in 1..=6 {
        let mut client = corsair.connect();
        client.send(GET);
        eventually("the request is at one of them", || one.seen().heads + two.seen().heads == count);
        client.reset();
    }
    eventually("corsair has let go of all", || one.seen().open + two.seen().open == 0);
    assert_eq!((one.seen().heads, two.seen().heads), (3, 3), "each had its turns");
    assert_eq!(changes(&corsair), [""; 0]);
}

#[test]
fn a_probe_asks_as_requests_do() {
    let ((ill, _recovered), other) = (patient(|_| Then::Reset), Origin::echo());
    let corsair = in_front_of(&[ill.address(), other.address()], &["--host-header", "app.test"]);
    assert_eq!(statuses(&corsair, GET, 2), [200; 2]);
    ill.wait("a probe", |seen| seen.heads >= 2);
    let received = ill.take_received();
    let probe = String::from_utf8(received[1].clone()).unwrap();
    let expected = format!(
        "OPTIONS * HTTP/1.1\r\nHost: app.test\r\nUser-Agent: corsair/{}\r\nConnection: close\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(probe, expected);
}
