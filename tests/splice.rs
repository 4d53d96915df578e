//! Long bodies between plain connections, which move through pipes: exact, in time, and cut visibly.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{fs, io::Write, thread, time::Duration};

use support::{
    Client, Corsair, Fault, Gate,
    Impairment::{CutAfter, ResetAfter},
    Network, Origin, Then, eventually, noise, pause, sha256,
};

/// Longer than every buffer on the way together.
const LONG: usize = 6 << 20;

/// `data` in chunks of `sizes`, over and over.
fn in_chunks(data: &[u8], sizes: &[usize]) -> Vec<u8> {
    let mut message = Vec::with_capacity(data.len() + data.len() / 8);
    let mut rest = data;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, behind) = rest.split_at(rest.len().min(*size));
        write!(message, "{:x}\r\n", chunk.len()).unwrap();
        message.extend_from_slice(chunk);
        message.extend_from_slice(b"\r\n");
        rest = behind;
    }
    message.extend_from_slice(b"0\r\nX-Sum: 1\r\n\r\n");
    message
}

/// Chunks that fit a pipe, that do not, and that are not worth one.
const CHUNKS: [&[usize]; 7] = [
    &[65_536],
    &[32_768],
    &[40_000, 40_000, 40_000, 100],
    &[1 << 20],
    &[100_000, 1, 2, 3],
    &[500, 300_000],
    &[33_000, 120_000],
];

#[test]
fn chunks_of_every_size_arrive_exactly_both_ways() {
    let data = noise(LONG, 3);
    for sizes in CHUNKS {
        let message = in_chunks(&data, sizes);
        let (copy, sum) = (message.clone(), sha256(&data));
        let origin = Origin::on_head(move |exchange| {
            let Some(request) = exchange.request() else { return Then::Close };
            assert_eq!(request.trailers.all("x-sum"), ["1"]);
            let sum = sha256(&request.body);
            exchange.send(format!("HTTP/1.1 200 OK\r\nX-Sum: {sum}\r\nTransfer-Encoding: chunked\r\n\r\n"));
            exchange.send(&copy);
            Then::KeepAlive
        });
        let corsair = Corsair::reverse(origin.address(), &[]);
        let mut client = corsair.connect();
        for _ in 0..2 {
            client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
            client.send(&message);
            let response = client.response();
            assert_eq!(response.fields.all("x-sum"), [sum.as_str()], "{sizes:?} up");
            assert!(response.body == data, "{sizes:?} down");
        }
        assert_eq!(origin.seen().connections, 1, "{sizes:?}: the connection is used again");
    }
}

#[test]
fn an_answer_that_begins_during_the_upload_runs_beside_it() {
    let origin = support::hyper_origin::HyperOrigin::start();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let data = noise(LONG, 4);
    for framing in ["length", "chunked"] {
        let mut client = corsair.connect();
        let mut writer = client.writer();
        let message = match framing {
            "length" => {
                let head = format!("POST /mirror HTTP/1.1\r\nHost: a\r\nContent-Length: {LONG}\r\n\r\n");
                [head.as_bytes(), &data].concat()
            }
            _ => {
                let head = b"POST /mirror HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
                [&head[..], &in_chunks(&data, &[65_536])].concat()
            }
        };
        let upload = thread::spawn(move || writer.write_all(&message));
        let response = client.response();
        upload.join().unwrap().unwrap();
        assert!(response.body == data, "{framing}: {} bytes", response.body.len());
    }
}

#[test]
fn what_has_come_is_not_held_back_for_what_has_not() {
    let gate = Gate::new();
    let wait = gate.clone();
    let origin = Origin::on_head(move |exchange| {
        exchange.request();
        exchange.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LONG}\r\n\r\n"));
        exchange.send([vec![b'x'; 100_000], b"first".to_vec()].concat());
        wait.wait();
        exchange.send(vec![b'y'; LONG - 100_005]);
        Then::KeepAlive
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until(b"first");
    gate.open();
}

#[test]
fn a_body_cut_in_its_pipe_is_never_a_clean_end() {
    for (head, end) in [
        ("Content-Length: 6291456\r\n\r\n", "cut"),
        ("Content-Length: 6291456\r\n\r\n", "reset"),
        ("Transfer-Encoding: chunked\r\n\r\n600000\r\n", "cut"),
        ("Transfer-Encoding: chunked\r\n\r\n600000\r\n", "reset"),
    ] {
        let head = format!("HTTP/1.1 200 OK\r\n{head}");
        let middle = head.len() + LONG / 2;
        let copy = head.clone();
        let origin = Origin::on_head(move |exchange| {
            exchange.request();
            exchange.send(&copy);
            exchange.send(vec![b'x'; LONG]);
            Then::Hold
        });
        let network = Network::to(origin.address());
        network.download([if end == "cut" { CutAfter(middle) } else { ResetAfter(middle) }]);
        let corsair = Corsair::reverse(network.address(), &[]);
        for version in ["1.1", "1.0"] {
            let mut client = corsair.connect();
            client.send(format!("GET / HTTP/{version}\r\nHost: a\r\n\r\n"));
            let result = client.try_response("GET");
            let seen = matches!(result, Err(Fault::Truncated { .. } | Fault::Reset));
            assert!(seen, "{head:?} {end} to HTTP/{version}");
        }
    }
}

#[test]
fn a_malformed_chunk_behind_a_spliced_one_is_cut() {
    let origin = Origin::on_head(|exchange| {
        exchange.request();
        exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n");
        exchange.send(vec![b'x'; 0x10_0000]);
        exchange.send("\r\n1x\r\nevil\r\n0\r\n\r\n");
        Then::Hold
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(matches!(client.try_response("GET"), Err(Fault::Truncated { .. } | Fault::Reset)));
    origin.wait("corsair lets go of it", |seen| seen.open == 0);
}

/// More than a megabyte, so that what follows belongs to a long stream.
fn long_beginning() -> Vec<u8> {
    in_chunks(&vec![b'x'; (1 << 20) + CHUNK], &[1 << 20, CHUNK])
        .strip_suffix(b"0\r\nX-Sum: 1\r\n\r\n")
        .unwrap()
        .to_vec()
}

/// Chunks of which several are on their way at once.
const CHUNK: usize = 40_000;

#[test]
fn the_chunks_that_have_come_leave_without_the_next_one() {
    for behind in ["\r\n", "\r\n9c", "\r\n9c40\r\n", "\r\n9c40\r\nxxxx"] {
        let gate = Gate::new();
        let wait = gate.clone();
        let origin = Origin::on_head(move |exchange| {
            exchange.request();
            exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            exchange.send(long_beginning());
            let chunk = [b"9c40\r\n", &[b'y'; CHUNK - 4][..], b"last"].concat();
            let message = [&chunk[..], b"\r\n", &chunk, behind.as_bytes()].concat();
            exchange.send(message);
            wait.wait();
            let rest = &b"\r\n9c40\r\nxxxx"[behind.len()..];
            exchange.send([rest, &[b'z'; CHUNK - 4], b"\r\n0\r\n\r\n"].concat());
            Then::KeepAlive
        });
        let corsair = Corsair::reverse(origin.address(), &[]);
        let mut client = corsair.connect();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until(b"last");
        client.until(b"last");
        gate.open();
        client.until(b"zzzz\r\n0\r\n\r\n");
    }
}

#[test]
fn chunks_before_a_malformed_one_arrive() {
    let origin = Origin::on_head(|exchange| {
        exchange.request();
        let chunk = [b"9c40\r\n", &[b'y'; CHUNK - 4][..], b"last\r\n"].concat();
        exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        exchange.send([&long_beginning()[..], &chunk, b"1x\r\nevil\r\n0\r\n\r\n"].concat());
        Then::Hold
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until(b"last");
    origin.wait("corsair lets go of it", |seen| seen.open == 0);
}

#[test]
fn a_client_that_leaves_takes_its_upstream_connection_with_it() {
    let origin = Origin::on_head(|exchange| {
        exchange.request();
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
        while exchange.send(vec![b'x'; 1 << 16]) {}
        Then::Close
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nOrigin: http://a.example\r\n\r\n").until(&[b'x'; 1000]);
    drop(client);
    origin.wait("corsair lets go of it", |seen| seen.open == 0);
}

#[test]
fn silence_on_either_side_of_a_pipe_ends_it() {
    let silent = Origin::on_head(|exchange| {
        exchange.request();
        exchange.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LONG}\r\n\r\n"));
        exchange.send(vec![b'x'; LONG / 2]);
        Then::Hold
    });
    let corsair = Corsair::reverse(silent.address(), &["--timeout-upstream-idle", "200ms"]);
    let mut client = corsair.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(matches!(client.try_response("GET"), Err(Fault::Truncated { .. } | Fault::Reset)));

    let eager = Origin::on_head(|exchange| {
        exchange.request();
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
        while exchange.send(vec![b'x'; 1 << 16]) {}
        Then::Close
    });
    let corsair = Corsair::reverse(eager.address(), &["--timeout-send", "200ms"]);
    let mut client = corsair.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    // The client takes nothing from now on.
    eager.wait("corsair gives up", |seen| seen.heads == 1 && seen.open == 0);
    drop(client);

    let patient = Origin::on_head(|exchange| {
        exchange.request();
        Then::Close
    });
    let corsair = Corsair::reverse(patient.address(), &["--timeout-body-idle", "200ms"]);
    let mut client = corsair.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LONG}\r\n\r\n"));
    client.send(vec![b'x'; LONG / 2]);
    assert_eq!(client.response().status, 408);
}

#[test]
fn more_streams_than_pipes_are_all_served() {
    const STREAMS: usize = 100;
    let gate = Gate::new();
    let wait = gate.clone();
    let data = noise(LONG / 4, 5);
    let copy = data.clone();
    let origin = Origin::on_head(move |exchange| {
        exchange.request();
        exchange.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", copy.len()));
        exchange.send(&copy[..200_000]);
        wait.wait();
        exchange.send(&copy[200_000..]);
        Then::KeepAlive
    });
    let corsair = Corsair::reverse(origin.address(), &["--workers", "1"]);
    let mut clients: Vec<_> = (0..STREAMS).map(|_| corsair.connect()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    origin.wait("every stream has begun", |seen| seen.heads == STREAMS);
    gate.open();
    for client in &mut clients {
        assert!(client.response().body == data);
    }
}

#[test]
fn what_waits_in_a_pipe_is_left_behind_by_a_redirect() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: b\r\n\r\n";
    let target = Origin::on_head(|exchange| {
        // Longer than a buffer, so that both directions are looked at.
        exchange.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 1 << 20));
        exchange.send(vec![b'x'; 1 << 20]);
        Then::KeepAlive
    });
    let moved = format!(
        "HTTP/1.1 303 See Other\r\nLocation: http://{}/moved\r\nContent-Length: 0\r\n\r\n",
        target.address()
    );
    let first = Origin::on_head(move |exchange| {
        // What has been sent of the body fills the way by now: nobody reads it.
        pause(Duration::from_millis(100));
        exchange.send(&moved);
        Then::Hold
    });
    let corsair = Corsair::start(&["--allow-target", "loopback", "--workers", "1"]);
    for length in (200 << 10..1200 << 10).step_by(40 << 10) {
        let body = smuggled.repeat(length / smuggled.len());
        let mut client = corsair.connect();
        client.send(format!(
            "POST /?url=http://{}/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
            first.address(),
            body.len()
        ));
        let mut writer = client.writer();
        let upload = thread::spawn(move || writer.write_all(body.as_bytes()));
        assert_eq!(client.response().body.len(), 1 << 20, "{length}");
        drop(client);
        let _ = upload.join();
    }
    assert!(target.lines().iter().all(|line| line == "GET /moved"), "{:?}", target.lines());
}

#[test]
#[cfg(target_os = "linux")]
fn pipes_that_nobody_needs_any_more_are_closed() {
    let origin = Origin::on_head(|exchange| {
        exchange.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LONG}\r\n\r\n"));
        exchange.send(noise(LONG, 5));
        Then::Close
    });
    let corsair = Corsair::reverse(origin.address(), &["--workers", "1"]);
    let pipes = || {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", corsair.pid())).unwrap();
        // One may have been closed since it was listed.
        let targets = descriptors.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
        targets.filter(|target| target.to_string_lossy().starts_with("pipe:")).count()
    };
    let before = pipes();
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let mut client = corsair.connect();
            client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            // A body that waits in its pipe for a client that reads no further.
            client.head();
            client
        })
        .collect();
    eventually("pipes", || pipes() >= before + 2 * clients.len());
    clients.into_iter().for_each(Client::reset);
    eventually("no more of them", || pipes() == before);
}
