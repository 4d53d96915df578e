//! The tests' own tools, tried against each other without a proxy between them.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use support::{
    Client, Fault, Origin, Then, answer, certificates::Authority, chunked, hyper_origin::HyperOrigin, noise,
    sha256,
};

#[test]
fn client_and_origin_agree_on_bodies_of_either_framing() {
    let origin = Origin::echo();
    let mut client = Client::connect(origin.address());
    let data = noise(70_000, 1);
    let mut random = fastrand::Rng::with_seed(1);
    client.send(format!("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", data.len())).send(&data);
    assert!(client.response().text().contains(&sha256(&data)));
    client
        .send("POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        .send(chunked(&data, &mut random));
    assert!(client.response().text().contains(&sha256(&data)));
    client.dribble("GET /c HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().status, 200);
    assert_eq!((origin.connections(), origin.lines().len()), (1, 3));
}

#[test]
fn the_reader_sees_every_way_in_which_a_response_is_cut() {
    for (text, then, reset) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", Then::Close, false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", Then::Reset, true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", Then::Close, false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", Then::Close, false),
    ] {
        let origin = Origin::on_head(move |exchange| {
            exchange.request();
            exchange.send(text);
            support::pause(std::time::Duration::from_millis(20));
            then
        });
        let mut client = Client::connect(origin.address());
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        match client.try_response("GET") {
            Err(Fault::Truncated { reset: seen, .. }) => assert_eq!(seen, reset, "{text:?}"),
            other => panic!("{text:?}: {other:?}"),
        }
    }
}

#[test]
fn the_reader_refuses_what_is_not_canonical() {
    for text in [
        "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 00\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX : 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n01\r\na\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
    ] {
        let origin = Origin::always(text);
        let mut client = Client::connect(origin.address());
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let result = client.try_response("GET");
        assert!(matches!(result, Err(Fault::Malformed(_))), "{text:?}: {result:?}");
    }
}

#[test]
#[should_panic(expected = "not strict HTTP/1")]
fn an_origin_that_was_sent_garbage_fails_its_test() {
    let origin = Origin::echo();
    Client::connect(origin.address()).send("GET / HTTP/1.0\r\n\r\n").0.read_to_end().unwrap();
    origin.wait("the fault is recorded", |seen| !seen.faults.is_empty());
}

#[test]
fn the_tls_ends_trust_each_other() {
    let authority = Authority::new();
    let origin = Origin::start_tls(authority.leaf(&["localhost"]).server(), |_| {
        answer("200 OK", "", "x").into_bytes()
    });
    let mut client = Client::connect_tls(origin.address(), "localhost", authority.client(&[]));
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().text(), "x");
    let expired = Origin::start_tls(authority.expired_leaf(&["localhost"]).server(), |_| Vec::new());
    let mut client = Client::connect_tls(expired.address(), "localhost", authority.client(&[]));
    assert!(!client.offer("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
}

#[test]
fn the_hyper_origin_serves_its_routes() {
    let origin = HyperOrigin::start();
    let mut client = Client::connect(origin.address());
    for (path, length) in
        [("/plain", 5), ("/big/100000", 100_000), ("/sse", 27), ("/status/418", 10), ("/nothing", 12)]
    {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(client.response().body.len(), length, "{path}");
    }
    client.send("GET /redirect?to=/plain&status=307 HTTP/1.1\r\nHost: a\r\n\r\n");
    let response = client.response();
    assert_eq!((response.status, response.field("location")), (307, Some("/plain")));
    assert_eq!(origin.requests(), 6);
}
