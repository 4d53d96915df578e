//! The tests' own tools, tried against each other without a proxy between them.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{io::Write, net::TcpListener, thread, time::Duration};

use support::{
    Client, Connection, Fault, Gate,
    Impairment::{CutAfter, Narrow, ResetAfter, SplitAt, SplitEvery, StallAfter, TakeSlowly},
    Network, Origin, Turns, answer,
    certificates::Authority,
    chunked,
    connection::Wire,
    eventually,
    hyper_origin::HyperOrigin,
    noise, sha256,
    taken::is_taken,
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
    for (text, reset) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", false),
    ] {
        let origin = Origin::always(text);
        let network = Network::to(origin.address());
        network.download([if reset { ResetAfter(text.len()) } else { CutAfter(text.len()) }]);
        let mut client = network.connect();
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

/// Takes one connection, and what a test does with it.
fn through(network: &Network, far: &TcpListener) -> (Client, Connection) {
    let client = network.connect();
    let (socket, _) = far.accept().unwrap();
    (client, Connection::new(Wire::Plain(socket)))
}

fn listener_behind_a_network() -> (TcpListener, Network) {
    let far = TcpListener::bind("127.0.0.1:0").unwrap();
    let network = Network::to(far.local_addr().unwrap());
    (far, network)
}

#[test]
fn a_good_network_passes_bytes_and_half_closes_and_resets() {
    let (far, network) = listener_behind_a_network();
    let (mut near, mut other) = through(&network, &far);
    let data = noise(3_000_000, 1);
    let mut writer = near.writer();
    let copy = data.clone();
    let upload = thread::spawn(move || writer.write_all(&copy));
    assert!(other.exactly(data.len()).unwrap() == data);
    upload.join().unwrap().unwrap();
    near.shutdown_write();
    assert_eq!(other.read_to_end().unwrap(), b"");
    network.wait("the end is seen", |seen| seen.upload.closed == 1);
    other.write(b"answer").unwrap();
    near.until(b"answer");
    drop(other);
    near.expect_fin();
    network.wait("the connection has ended", |seen| seen.open == 0);
    assert_eq!((network.seen().upload.bytes, network.seen().download.bytes), (data.len(), 6));
    assert_eq!((network.seen().upload.reset, network.seen().download.reset), (0, 0));

    let (near, mut other) = through(&network, &far);
    near.reset();
    assert!(matches!(other.some(), Err(Fault::Reset)));
    network.wait("the reset is seen", |seen| seen.upload.reset == 1 && seen.open == 0);
    let (mut near, other) = through(&network, &far);
    other.reset();
    assert!(matches!(near.0.some(), Err(Fault::Reset)));
    network.wait("the reset is seen", |seen| seen.download.reset == 1 && seen.open == 0);
}

#[test]
fn a_reader_sees_each_piece_of_a_split_alone() {
    let (far, network) = listener_behind_a_network();
    let data = noise(100, 2);
    for size in [1, 2, 33, 100] {
        network.upload([SplitEvery(size)]).download([SplitEvery(size)]);
        let (mut near, mut other) = through(&network, &far);
        near.send(&data);
        other.write(&data).unwrap();
        for piece in data.chunks(size) {
            assert!(other.some().unwrap() == piece && near.piece() == piece, "{size}");
        }
    }
    for at in 1..100 {
        network.upload([SplitAt(at)]).download([]);
        let (mut near, mut other) = through(&network, &far);
        near.send(&data);
        assert!(other.some().unwrap() == data[..at], "{at}");
        assert!(other.some().unwrap() == data[at..], "{at}");
    }
}

#[test]
fn what_is_written_in_pieces_is_read_in_pieces() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = Client::connect(listener.local_addr().unwrap());
    let mut other = Connection::new(Wire::Plain(listener.accept().unwrap().0));
    let reader = thread::spawn(move || [(); 9].map(|()| other.some().unwrap()));
    client.dribble("0123456").0.write_split([&b"78"[..], b"9"]);
    let pieces = reader.join().unwrap();
    assert_eq!(pieces[..7], ["0", "1", "2", "3", "4", "5", "6"].map(|piece| piece.as_bytes().to_vec()));
    assert_eq!(pieces[7..], [b"78".to_vec(), b"9".to_vec()]);
}

#[test]
fn a_cut_ends_one_direction_at_its_offset() {
    let (far, network) = listener_behind_a_network();
    for at in [0, 1, 99, 100] {
        network.upload([CutAfter(at)]);
        let (mut near, mut other) = through(&network, &far);
        near.send(noise(100, 3));
        assert!(other.read_to_end().unwrap() == noise(100, 3)[..at], "{at}");
        other.write(b"answer").unwrap();
        near.until(b"answer");
        near.send("this is swallowed");
        drop(other);
        near.expect_fin();
    }
    assert_eq!(network.seen().upload.bytes, 200);
}

#[test]
fn a_reset_comes_to_both_ends_behind_the_bytes_before_it() {
    let (far, network) = listener_behind_a_network();
    for at in [1, 50_000, 100_000] {
        network.download([ResetAfter(at)]);
        let (mut near, mut other) = through(&network, &far);
        other.write(&noise(100_000, 4)).unwrap();
        assert!(near.0.exactly(at).unwrap() == noise(100_000, 4)[..at], "{at}");
        assert!(matches!(near.0.some(), Err(Fault::Reset)), "{at}");
        assert!(matches!(other.some(), Err(Fault::Reset)), "{at}");
    }
    network.wait("every connection has ended", |seen| seen.open == 0);
    assert_eq!(network.seen().download.bytes, 150_001);
    assert_eq!((network.seen().upload.reset, network.seen().download.reset), (0, 0), "neither end did it");
}

#[test]
fn a_stall_lasts_until_its_gate_opens() {
    let (far, network) = listener_behind_a_network();
    let gate = Gate::new();
    network.upload([StallAfter(3, gate.clone())]);
    let (mut near, mut other) = through(&network, &far);
    near.send("foobar");
    assert_eq!(other.exactly(3).unwrap(), b"foo");
    other.write(b"the other direction passes").unwrap();
    near.until(b"passes");
    assert!(!network.happens(Duration::from_millis(50), |seen| seen.upload.bytes > 3));
    gate.open();
    assert_eq!(other.exactly(3).unwrap(), b"bar");

    // What stalls for good ends all the same when an end is reset.
    network.upload([StallAfter(3, Gate::new())]);
    let (mut near, mut other) = through(&network, &far);
    near.send("foobar");
    assert_eq!(other.exactly(3).unwrap(), b"foo");
    near.reset();
    assert!(matches!(other.some(), Err(Fault::Reset)));
}

#[test]
fn what_is_taken_slowly_is_taken_when_the_test_allows() {
    let (far, network) = listener_behind_a_network();
    let turns = Turns::new();
    network.upload([TakeSlowly(3, turns.clone())]);
    let (mut near, mut other) = through(&network, &far);
    near.send("foobarbaz");
    assert!(!network.happens(Duration::from_millis(50), |seen| seen.upload.bytes > 0));
    turns.allow(2);
    assert_eq!(other.exactly(6).unwrap(), b"foobar");
    assert!(!network.happens(Duration::from_millis(50), |seen| seen.upload.bytes > 6));
    turns.allow(1);
    assert_eq!(other.exactly(3).unwrap(), b"baz");
}

#[test]
fn a_narrow_network_takes_little_before_it_stalls() {
    let (far, network) = listener_behind_a_network();
    network.download([Narrow(16 << 10), StallAfter(0, Gate::new())]);
    let (_near, other) = through(&network, &far);
    other.tcp().set_nonblocking(true).unwrap();
    socket2::SockRef::from(other.tcp()).set_send_buffer_size(16 << 10).unwrap();
    let mut sent = 0;
    eventually("nothing more is taken", || {
        let before = sent;
        while let Ok(count) = other.tcp().write(&[0; 4096]) {
            sent += count;
        }
        sent == before && !is_taken(other.tcp())
    });
    assert!(sent < 256 << 10, "{sent} bytes are held");
}
