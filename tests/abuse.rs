//! Hostile clients and upstreams in bulk: nothing malformed gets through, nothing grows, everything ends.
//!
//! `CORSAIR_ABUSE=100000` makes the random tests that long, `CORSAIR_BINARY` names the build that they are
//! run against: `CORSAIR_BINARY=target/release/corsair CORSAIR_ABUSE=100000 cargo test --test abuse`.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    io::Write,
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use support::{Corsair, Fault, Framing, Origin, Then, answer, pause, sha256};

/// What corsair may grow by once it is warm, in KiB.
const GROWTH: usize = 512;

/// How many cases: `default`, or as many as `CORSAIR_ABUSE` says.
fn count(default: usize) -> usize {
    std::env::var("CORSAIR_ABUSE").map_or(default, |text| text.parse().expect("CORSAIR_ABUSE is a number"))
}

const VALID: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /a/b?c=d HTTP/1.1\r\nHost: a:80\r\nAccept: */*\r\nConnection: X-A, close\r\nX-A: 1\r\n\r\n",
    "HEAD http://b.test/x HTTP/1.1\r\nHost: a\r\nX-B: \"c\"\r\n\r\n",
    "OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: http://o\r\nAccess-Control-Request-Method: PUT\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "POST / HTTP/1.0\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
];

/// What a mutation likes to put in.
const SPICE: &[&str] = &[
    "\r",
    "\n",
    "\r\n",
    "\r\n\r\n",
    "\0",
    " ",
    "\t",
    ":",
    ";",
    ",",
    "_",
    "\x0b",
    "\x7f",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding : chunked\r\n",
    "Host: b\r\n",
    "0\r\n\r\n",
    "-",
    "+",
    "0x",
    "chunked",
    "HTTP/1.1",
    "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
];

/// A valid request with one to four faults, or nothing but noise.
fn mutated(random: &mut Rng) -> Vec<u8> {
    if random.u8(..8) == 0 {
        let mut noise = vec![0; random.usize(1..300)];
        random.fill(&mut noise);
        return noise;
    }
    let mut data = VALID[random.usize(..VALID.len())].as_bytes().to_vec();
    for _ in 0..random.usize(1..=4) {
        let at = random.usize(..=data.len());
        let end = random.usize(at..=data.len().min(at + 12));
        match random.u8(..6) {
            0 => drop(data.splice(at..at, SPICE[random.usize(..SPICE.len())].bytes())),
            1 => drop(data.drain(at..end)),
            2 => drop(data.splice(at..at, data[at..end].to_vec())),
            3 => data.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.u8(..)),
            4 => data.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.u8(..8)),
            _ => data.insert(at, random.u8(..)),
        }
    }
    data
}

/// Whether the head of a request is surely malformed, by rules written down a second time and in another
/// way.
fn is_malformed(data: &[u8]) -> bool {
    let mut data = data;
    for _ in 0..2 {
        data = data.strip_prefix(b"\r\n").unwrap_or(data);
    }
    let Some(end) = data.windows(4).position(|window| window == b"\r\n\r\n") else { return true };
    let head = support::latin1(&data[..end]);
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let parts: Vec<&str> = line.split(' ').collect();
    let visible = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let token = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
    };
    let (mut hosts, mut lengths, mut codings) = (0, 0, 0);
    let mut bad = !matches!(parts.as_slice(), [method, target, version]
        if token(method) && visible(target) && version.starts_with("HTTP/1.") && version.len() == 8);
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { return true };
        bad |= !token(name) || value.chars().any(|c| (c < ' ' && c != '\t') || c == '\x7f');
        match name.to_ascii_lowercase().as_str() {
            "host" => hosts += 1,
            "content-length" => {
                lengths += 1;
                bad |= !value.trim_matches([' ', '\t']).bytes().all(|byte| byte.is_ascii_digit());
            }
            "transfer-encoding" => {
                codings += 1;
                bad |= !value.trim_matches([' ', '\t']).eq_ignore_ascii_case("chunked");
            }
            _ => {}
        }
    }
    bad || hosts > 1 || lengths + codings > 1 || (hosts == 0 && !line.ends_with("HTTP/1.0"))
}

/// Sends this and nothing else; whether the head of a request came to the origin before the connection ended.
fn reaches_the_upstream(origin: &Origin, corsair: &Corsair, data: &[u8]) -> bool {
    let before = origin.seen().heads;
    let mut client = corsair.connect();
    client.offer(data);
    client.shutdown_write();
    client.0.allow(support::PATIENCE);
    let end = client.0.read_to_end();
    assert!(!matches!(end, Err(Fault::Timeout)), "{:?} hangs", support::latin1(data));
    origin.seen().heads > before
}

#[test]
fn no_malformed_request_reaches_the_upstream_and_memory_stays() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let cases = count(2000);
    let mut random = Rng::with_seed(1);
    let (mut refused, mut warm) = (0, 0);
    for number in 0..cases {
        if number == cases / 4 {
            warm = corsair.rss_kib();
        }
        let data = mutated(&mut random);
        let reaches = reaches_the_upstream(&origin, &corsair, &data);
        if is_malformed(&data) {
            refused += 1;
            // The case before this one may have been late: the same again, in peace.
            let passes = reaches && {
                pause(Duration::from_millis(50));
                reaches_the_upstream(&origin, &corsair, &data)
            };
            assert!(!passes, "{number}: {:?} passed", support::latin1(&data));
        }
        if number % 20 == 0 {
            assert_eq!(corsair.get("/good", "").status, 200, "behind {number}");
        }
    }
    // What passed was read by the origin, which takes nothing that is not strict.
    assert!(
        refused > cases / 4 && refused < cases,
        "{refused} of {cases}: the mutations are too mild or too wild"
    );
    let grown = corsair.rss_kib().saturating_sub(warm);
    assert!(grown <= GROWTH, "{grown} KiB more after {cases} requests");
}

/// A request that is to be accepted, and its body.
fn good(number: usize, random: &mut Rng) -> (String, Vec<u8>) {
    let body = VALID[random.usize(..VALID.len())];
    let head = |fields: &str| format!("/{number} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    match random.u8(..5) {
        0 => (format!("GET {}", head("")), Vec::new()),
        1 => (format!("DELETE {}", head("X: y\r\n")), Vec::new()),
        2 => (
            format!("POST {}{body}", head(&format!("Content-Length: {}\r\n", body.len()))),
            body.as_bytes().to_vec(),
        ),
        _ => {
            let chunks = support::chunked(body.as_bytes(), random);
            let framed =
                format!("PUT {}{}", head("Transfer-Encoding: chunked\r\n"), support::latin1(&chunks));
            (framed, body.as_bytes().to_vec())
        }
    }
}

/// A request that is to be refused.
fn bad(number: usize, random: &mut Rng) -> String {
    let faults = [
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        "Content-Length: +3\r\n\r\nabc",
        "Transfer-Encoding: gzip\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
        "X: y\n\r\n",
        "X: y\r\n z\r\n\r\n",
        "no colon\r\n\r\n",
        "Host: b\r\n\r\n",
        "X: \0\r\n\r\n",
    ];
    format!("POST /{number} HTTP/1.1\r\nHost: a\r\n{}", faults[random.usize(..faults.len())])
}

#[test]
fn of_pipelined_requests_the_upstream_sees_exactly_the_accepted_ones_in_order() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &[]);
    let mut random = Rng::with_seed(2);
    let (mut number, total) = (0, count(1000));
    let mut expected = Vec::new();
    while number < total {
        let mut pipeline = String::new();
        let (mut accepted, mut refused) = (Vec::new(), false);
        for _ in 0..random.usize(1..40) {
            number += 1;
            if random.u8(..16) == 0 {
                pipeline += &bad(number, &mut random);
                refused = true;
            } else {
                let (request, body) = good(number, &mut random);
                pipeline += &request;
                if !refused {
                    let method = request.split(' ').next().unwrap().to_owned();
                    accepted.push((method, format!("/{number}"), body));
                }
            }
        }
        let mut client = corsair.connect();
        client.0.scatter(&support::bytes(&pipeline), 400, &mut random);
        for (method, target, body) in &accepted {
            let text = format!("{method} {target} {} {}", body.len(), sha256(body));
            assert_eq!(client.response().text(), text, "{pipeline:?}");
        }
        if refused {
            let response = client.response();
            assert!(matches!(response.status, 400 | 501), "{}: {pipeline:?}", response.status);
            client.expect_end();
        }
        expected.extend(accepted);
    }
    let seen = origin.seen();
    assert_eq!(seen.requests.len(), expected.len());
    for (request, (method, target, body)) in seen.requests.iter().zip(&expected) {
        assert_eq!((&request.method, &request.target, &request.body), (method, target, body));
    }
}

/// Writes `piece` until nobody takes it any more; more than this is taken by nobody.
const ENDLESS: usize = 64 << 20;

/// Begins with `head`, goes on with `piece` for as long as corsair takes it (at most `limit` bytes), and
/// returns the status that comes meanwhile.
fn pour(corsair: &Corsair, head: &str, piece: &str, limit: usize) -> u16 {
    let mut client = corsair.connect();
    client.send(head);
    let mut writer = client.writer();
    let block = piece.repeat((16 << 10) / piece.len() + 1).into_bytes();
    let pouring = thread::spawn(move || {
        let mut poured = 0;
        while poured < limit && writer.write_all(&block).is_ok() {
            poured += block.len();
        }
        // What has an end comes to it.
        let _ = writer.write_all(b"\r\n\r\n");
        poured
    });
    let begun = Instant::now();
    let response = client.response();
    assert!(begun.elapsed() < Duration::from_secs(5), "{head:?}: {:?}", begun.elapsed());
    assert!(response.closes() && response.framing != Framing::UntilClose, "{head:?}");
    drop(client);
    let poured = pouring.join().unwrap();
    assert!(poured < ENDLESS, "{head:?}: {poured} bytes were taken");
    response.status
}

#[test]
fn hostile_requests_end_in_their_status_within_their_limits() {
    let origin = Origin::echo();
    let (small, large) = (
        Corsair::reverse(origin.address(), &[]),
        Corsair::reverse(origin.address(), &["--limit-head", "1m", "--limit-fields", "1024"]),
    );
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let head = "GET / HTTP/1.1\r\nHost: a\r\n";
    let round = |corsair: &Corsair| {
        for (status, begin, piece, limit) in [
            (431, head.to_owned(), "X: 1\r\n", 10_000 * 6),
            (431, head.to_owned(), "X: 1\r\n", ENDLESS),
            (431, format!("{head}X: "), "a", 1 << 20),
            (431, format!("{head}X: "), "a", ENDLESS),
            (431, head.to_owned(), "a", ENDLESS),
            (414, "GET /".to_owned(), "a", ENDLESS),
            (414, String::new(), "A", ENDLESS),
            (400, String::new(), "\r\n", ENDLESS),
            (400, format!("{chunked}1;"), "a;", 100_000 * 2),
            (400, format!("{chunked}1;a=\""), "a", ENDLESS),
            (400, chunked.to_owned(), "1;ab\r\nx\r\n", 100_000 * 9),
            (400, chunked.to_owned(), "0", ENDLESS),
            (400, format!("{chunked}0\r\n"), "X: 1\r\n", ENDLESS),
            (400, format!("{chunked}0\r\nX: "), "a", ENDLESS),
        ] {
            assert_eq!(pour(corsair, &begin, piece, limit), status, "{begin:?} {piece:?}");
        }
        assert_eq!(corsair.get("/good", "").status, 200);
    };
    for corsair in [&small, &large] {
        round(corsair);
        round(corsair);
        let warm = corsair.rss_kib();
        round(corsair);
        let grown = corsair.rss_kib().saturating_sub(warm);
        assert!(grown <= 2 * GROWTH, "{grown} KiB more");
    }
    let complete = origin.lines();
    assert!(complete.iter().all(|line| line == "GET /good"), "{complete:?}");
}

#[test]
fn endless_responses_end_within_their_limits() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (begin, piece, before_the_head) in [
        ("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\n", "X: 1\r\n", true),
        ("HTTP/1.1 200 OK\r\nX: ", "a", true),
        ("HTTP/1.1 200 ", "a", true),
        ("", "a", true),
        (chunked, "1;ab\r\nx\r\n", false),
        (&format!("{chunked}1;a="), "b", false),
        (&format!("{chunked}1\r\nx\r\n0\r\n"), "X: 1\r\n", false),
        (&format!("{chunked}1\r\nx\r\n0\r\nX: "), "a", false),
    ] {
        let (first, block) = (begin.to_owned(), piece.repeat((16 << 10) / piece.len() + 1));
        let origin = Origin::on_head(move |exchange| {
            exchange.request();
            if exchange.target == "/good" {
                exchange.send(answer("200 OK", "", "good"));
                return Then::KeepAlive;
            }
            exchange.send(&first);
            let mut sent = 0;
            while exchange.send(&block) {
                sent += block.len();
                assert!(sent < ENDLESS, "{first:?}: {sent} bytes were taken");
            }
            Then::Close
        });
        let corsair = Corsair::reverse(origin.address(), &[]);
        let mut client = corsair.connect();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        match client.try_response("GET") {
            Ok(response) => {
                assert_eq!(response.status, 502, "{begin:?} {piece:?}");
                assert!(response.interim.len() <= 16);
            }
            Err(fault) => {
                let cut = matches!(fault, Fault::Truncated { .. }) && !before_the_head;
                assert!(cut, "{begin:?} {piece:?}: {fault:?}");
            }
        }
        origin.wait("the connection is closed", |seen| seen.open == 0);
        assert_eq!(corsair.get("/good", "").text(), "good");
    }
}
