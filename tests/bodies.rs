//! Bodies: exact at every size and framing, streamed, cut visibly, and early answers under way.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{io::Write, net::SocketAddr, thread};

use support::{
    Client, Corsair, Fault, Framing, Gate,
    Impairment::{self, CutAfter, ResetAfter},
    Network, Origin, Then, answer,
    certificates::Authority,
    chunked, noise,
    origin::Exchange,
    sha256,
};

/// Around the powers of two, where buffers end.
fn sizes() -> Vec<usize> {
    let around = [7, 9, 12, 13, 14, 15, 16, 17, 18, 20].into_iter().flat_map(|bits| {
        let power: usize = 1 << bits;
        [power - 1, power, power + 1]
    });
    [0, 1, 2].into_iter().chain(around).collect()
}

#[test]
fn uploads_of_every_size_and_framing_arrive_exactly() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut random = fastrand::Rng::with_seed(1);
    let mut client = corsair.connect();
    for (number, size) in sizes().into_iter().enumerate() {
        let data = noise(size, u64::try_from(number).unwrap());
        for chunks in [false, true] {
            let (framing, body) = if chunks {
                ("Transfer-Encoding: chunked".to_owned(), chunked(&data, &mut random))
            } else {
                (format!("Content-Length: {size}"), data.clone())
            };
            let mut message = format!("POST /{size} HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n").into_bytes();
            message.extend_from_slice(&body);
            client.0.scatter(&message, 30_000, &mut random);
            let response = client.response();
            assert_eq!(
                response.text(),
                format!("POST /{size} {size} {}", sha256(&data)),
                "chunked: {chunks}"
            );
        }
    }
}

/// Sends `/SIZE/FRAMING` back as noise of that size and framing.
fn noisy_origin() -> Origin {
    Origin::on_head(|exchange| {
        exchange.request();
        let target = exchange.target.clone();
        let parts: Vec<&str> = target.split('/').collect();
        let size: usize = parts[1].parse().unwrap();
        let data = noise(size, 7);
        let mut random = fastrand::Rng::with_seed(2);
        let (fields, body) = match parts[2] {
            "chunked" => ("Transfer-Encoding: chunked\r\n".to_owned(), chunked(&data, &mut random)),
            "length" => (format!("Content-Length: {size}\r\n"), data),
            _ => (String::new(), data),
        };
        let mut message = format!("HTTP/1.1 200 OK\r\n{fields}\r\n").into_bytes();
        message.extend_from_slice(&body);
        exchange.connection.scatter(&message, 30_000, &mut random);
        if parts[2] == "close" { Then::Close } else { Then::KeepAlive }
    })
}

#[test]
fn downloads_of_every_size_and_framing_arrive_exactly() {
    let origin = noisy_origin();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    for size in sizes() {
        let data = noise(size, 7);
        for framing in ["length", "chunked", "close"] {
            client.send(format!("GET /{size}/{framing} HTTP/1.1\r\nHost: a\r\n\r\n"));
            let response = client.response();
            assert!(response.body == data, "{size} {framing}: {} bytes", response.body.len());
            assert_ne!(response.framing, Framing::UntilClose, "{size} {framing}");

            let mut old = corsair.connect();
            old.send(format!("GET /{size}/{framing} HTTP/1.0\r\nHost: a\r\n\r\n"));
            let response = old.response();
            assert!(response.body == data, "{size} {framing} to HTTP/1.0");
            assert!(!response.fields.has("transfer-encoding"));
        }
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    let mut all = String::new();
    for number in 0..20 {
        all.push_str(&match number % 4 {
            0 => format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"),
            1 => format!("POST /{number} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"),
            2 => format!("POST /{number} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
            _ => format!("POST /{number} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
        });
    }
    client.send(&all);
    for number in 0..20 {
        let text = client.response().text();
        assert!(text.contains(&format!(" /{number} ")), "{number}: {text}");
    }
}

/// Uploads 64 MB from a thread of its own and returns what the client reads meanwhile.
fn upload_64_mb(corsair: &Corsair, framing: &str) -> support::Response {
    let mut client = corsair.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n"));
    let mut writer = client.writer();
    let in_chunks = framing.contains("chunked");
    let upload = thread::spawn(move || {
        let block = vec![b'x'; 1 << 20];
        for _ in 0..64 {
            let sent = if in_chunks {
                writer
                    .write_all(b"100000\r\n")
                    .and_then(|()| writer.write_all(&block))
                    .and_then(|()| writer.write_all(b"\r\n"))
            } else {
                writer.write_all(&block)
            };
            if sent.is_err() {
                return;
            }
        }
    });
    let response = client.response();
    drop(client);
    upload.join().unwrap();
    response
}

const UPLOADS: [&str; 2] = ["Content-Length: 67108864", "Transfer-Encoding: chunked"];

#[test]
fn an_early_413_reaches_a_client_that_is_still_sending() {
    for framing in UPLOADS {
        for then in [Then::Close, Then::Reset] {
            let refusal = answer("413 Content Too Large", "Connection: close\r\n", "too much");
            let length = refusal.len();
            let origin = Origin::on_head(move |exchange| {
                exchange.send(&refusal);
                if then == Then::Reset { Then::Hold } else { then }
            });
            let network = Network::to(origin.address());
            if then == Then::Reset {
                network.download([ResetAfter(length)]);
            }
            let corsair = Corsair::reverse(network.address(), &[]);
            for _ in 0..5 {
                let response = upload_64_mb(&corsair, framing);
                assert_eq!(
                    (response.status, response.text().as_str()),
                    (413, "too much"),
                    "{framing} {then:?}"
                );
            }
        }
    }
}

#[test]
fn our_own_413_reaches_a_client_that_is_still_sending() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &["--limit-body", "1m"]);
    for framing in UPLOADS {
        assert_eq!(upload_64_mb(&corsair, framing).status, 413, "{framing}");
    }
    assert!(origin.seen().requests.is_empty());
}

/// A way in which a network ends a direction, and its name.
type Ending = (&'static str, fn(usize) -> Impairment);

#[test]
fn a_truncated_body_is_never_a_clean_end() {
    let (cut, reset): (Ending, Ending) = (("cut", CutAfter), ("reset", ResetAfter));
    for (head, (end, ends_after)) in [
        ("Content-Length: 100000\r\n\r\n", cut),
        ("Content-Length: 100000\r\n\r\n", reset),
        ("Transfer-Encoding: chunked\r\n\r\n1000\r\n", cut),
        ("Transfer-Encoding: chunked\r\n\r\n1000\r\n", reset),
        ("\r\n", reset),
    ] {
        let text = format!("HTTP/1.1 200 OK\r\n{head}{}", "x".repeat(1000));
        let length = text.len();
        let origin = Origin::on_head(move |exchange| {
            exchange.request();
            exchange.send(&text);
            Then::Hold
        });
        let network = Network::to(origin.address());
        network.download([ends_after(length)]);
        let corsair = Corsair::reverse(network.address(), &[]);
        for version in ["1.1", "1.0"] {
            let mut client = corsair.connect();
            client.send(format!("GET / HTTP/{version}\r\nHost: a\r\n\r\n"));
            let result = client.try_response("GET");
            let seen = match &result {
                // It was noticed before anything had left.
                Ok(response) => response.status == 502,
                Err(fault) => matches!(fault, Fault::Truncated { .. } | Fault::Reset),
            };
            assert!(seen, "{head:?} {end} to HTTP/{version}: {result:?}");
        }
    }
}

#[test]
fn an_event_arrives_while_the_next_one_is_held_back() {
    for framing in ["chunked", "close", "length"] {
        let gate = Gate::new();
        let wait = gate.clone();
        let origin = Origin::on_head(move |exchange| {
            exchange.request();
            let (fields, first, second) = match framing {
                "chunked" => (
                    "Transfer-Encoding: chunked\r\n",
                    "9\r\ndata: 1\n\n\r\n",
                    "9\r\ndata: 2\n\n\r\n0\r\n\r\n",
                ),
                "length" => ("Content-Length: 18\r\n", "data: 1\n\n", "data: 2\n\n"),
                _ => ("", "data: 1\n\n", "data: 2\n\n"),
            };
            exchange.send(format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{fields}\r\n"));
            exchange.send(first);
            wait.wait();
            exchange.send(second);
            if framing == "close" { Then::Close } else { Then::KeepAlive }
        });
        let corsair = Corsair::reverse(origin.address(), &[]);
        let mut client = corsair.connect();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until(b"data: 1\n\n");
        gate.open();
        client.until(b"data: 2\n\n");
    }
}

#[test]
fn a_head_arrives_before_its_body() {
    let gate = Gate::new();
    let wait = gate.clone();
    let origin = Origin::on_head(move |exchange| {
        exchange.request();
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
        wait.wait();
        exchange.send("ok");
        Then::KeepAlive
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.head().status().unwrap(), 200);
    gate.open();
    client.until(b"ok");
}

/// Longer than all the kernel holds between an origin and its client.
const LONG: usize = 8 << 20;

/// Reads `/TAKEN/BEFORE` bytes of the upload, those of BEFORE once its answer has begun; then it reads nothing
/// more, and answers all the same, with all bytes but the last.
fn answer_and_stop_reading(exchange: &mut Exchange<'_>) -> Then {
    let parts: Vec<usize> = exchange.target.split('/').skip(1).map(|part| part.parse().unwrap()).collect();
    let data = vec![b'y'; LONG];
    exchange.connection.exactly(parts[0]).unwrap();
    exchange.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", LONG + 1));
    exchange.send(&data[..parts[1]]);
    exchange.connection.exactly(parts[1]).unwrap();
    exchange.send(&data[parts[1]..]);
    Then::Hold
}

#[test]
fn a_response_arrives_while_the_upload_beside_it_stands_still() {
    let authority = Authority::new();
    let server = authority.leaf(&["127.0.0.1"]).server();
    let file = authority.file();
    let (plain, secure) =
        (Origin::on_head(answer_and_stop_reading), Origin::on_head_tls(server, answer_and_stop_reading));
    let upload = vec![b'x'; LONG * 2];
    for origin in [format!("http://{}", plain.address()), format!("https://{}", secure.address())] {
        let corsair = Corsair::start(&["--upstream", &origin, "--ca-file", file.to_str().unwrap()]);
        // The upload stops at every place around the one from which it would use large buffers.
        for step in 0..24 {
            let target = format!("/{}/{}", step * (32 << 10), (step % 2) * (256 << 10));
            let mut client = corsair.connect();
            client.send(format!(
                "POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
                upload.len()
            ));
            let mut writer = client.writer();
            thread::scope(|scope| {
                // Held back at first, it is taken to its end once the response has left.
                scope.spawn(|| drop(writer.write_all(&upload)));
                client.head();
                let mut came = 0;
                while came < LONG {
                    came += client.piece().len();
                }
                assert_eq!(came, LONG, "{origin}{target}");
            });
        }
    }
}

#[test]
fn request_trailers_pass() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let response = corsair.ask(
        "POST / HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\nX-Sum: 2\r\n\r\n",
    );
    assert_eq!(response.status, 200);
    let request = origin.only_request();
    assert_eq!(request.trailers.all("x-sum"), ["1", "2"]);
    assert!(!request.fields.has("x-sum"));
}

#[test]
fn a_client_that_half_closes_after_its_request_still_gets_the_answer() {
    let gate = Gate::new();
    let wait = gate.clone();
    let origin = Origin::on_head(move |exchange| {
        let Some(request) = exchange.request() else { return Then::Close };
        wait.wait();
        exchange.send(support::origin::describe(&request));
        Then::KeepAlive
    });
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut client = corsair.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok");
    client.shutdown_write();
    origin.wait("the request arrives", |seen| seen.requests.len() == 1);
    gate.open();
    assert_eq!(client.response().status, 200);
    client.expect_end();
}

#[test]
fn an_honest_origin_of_another_make_is_served_alike() {
    let origin = support::hyper_origin::HyperOrigin::start();
    let corsair = Corsair::reverse(origin.address(), &[]);
    assert_eq!(corsair.get("/plain", "").text(), "plain");
    assert_eq!(corsair.get("/status/503", "").status, 503);
    assert_eq!(corsair.get("/sse", "").text(), "data: 1\n\ndata: 2\n\ndata: 3\n\n");
    assert_eq!(corsair.get("/big/1000003", "").body.len(), 1_000_003);
    let data = noise(300_000, 3);
    for path in ["/echo", "/mirror"] {
        let address: SocketAddr = corsair.address();
        let mut client = Client::connect(address);
        client.send(format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", data.len()));
        let (mut writer, copy) = (client.writer(), data.clone());
        let upload = thread::spawn(move || writer.write_all(&copy));
        let response = client.response();
        upload.join().unwrap().unwrap();
        let expected =
            if path == "/echo" { format!("300000 {}", sha256(&data)).into_bytes() } else { data.clone() };
        assert!(response.body == expected, "{path}");
    }
}
