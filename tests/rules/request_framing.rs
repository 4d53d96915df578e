//! Rules 1 to 10: where a request ends.

use super::scene::{GOOD, Scene};
use crate::support::Then;

/// A request with these fields and whatever comes behind its head.
fn post(fields: &str, rest: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{rest}")
}

/// A chunked request.
fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked", body)
}

#[test]
fn rule_01_content_length_with_transfer_encoding_is_refused() {
    let last = "0\r\n\r\n";
    Scene::new(&[]).assert_refused([
        (400, post("Content-Length: 5\r\nTransfer-Encoding: chunked", last)),
        (400, post("Transfer-Encoding: chunked\r\nContent-Length: 5", last)),
        (400, post("Transfer-Encoding: chunked\r\nX: 1\r\nContent-Length: 0", last)),
        (
            400,
            "GET / HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
        ),
    ]);
}

#[test]
fn rule_02_every_transfer_coding_but_one_chunked_is_refused() {
    let broken = [
        "gzip",
        "identity",
        "chunked, chunked",
        "chunked, identity",
        "chunked, gzip",
        "identity, chunked",
        "gzip;q=1, chunked",
        "gzip,, chunked",
        "gzip, chunked, chunked",
        "chunked, gzip, chunked",
        "chunked;q=1",
        "",
        ",chunked",
        "chunked,",
        "\u{a0}chunked",
        "chunked\u{85}",
        "chunke",
        "chunkedx",
        "\"chunked\"",
        "chunked\r\nTransfer-Encoding: chunked",
        "identity\r\nTransfer-Encoding: chunked",
        "chunked\r\nTransfer-Encoding: identity",
        "\r\nTransfer-Encoding: chunked",
        "chunked\r\nTransfer-Encoding: gzip",
        "gzip\r\nContent-Length: 5",
        "\x0bchunked",
        "\x0cchunked",
        "chunked\x0b",
        "gzip, chunked\x0b",
    ]
    .map(|value| (400, value));
    let unknown = [
        "gzip, chunked",
        "gzip,CHUNKED",
        "x-a ,\tbr, Chunked",
        "gzip\r\nTransfer-Encoding: chunked",
        "gzip, chunked\r\nContent-Length: 5",
    ]
    .map(|value| (501, value));
    let scene = Scene::new(&[]);
    scene.assert_refused(
        broken
            .iter()
            .chain(&unknown)
            .map(|(status, value)| (*status, post(&format!("Transfer-Encoding: {value}"), "0\r\n\r\n"))),
    );
    for value in ["chunked", "CHUNKED", "\tChunked \t"] {
        let message = post(&format!("transfer-encoding:{value}"), "2\r\nhi\r\n0\r\n\r\n");
        scene.assert_forwarded(&message, &chunked("2\r\nhi\r\n0\r\n\r\n"));
    }
}

#[test]
fn rule_03_a_transfer_coding_in_http_10_is_refused() {
    Scene::new(&[]).assert_refused([
        (400, "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (400, "GET / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (400, "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"),
        (400, "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
    ]);
}

#[test]
fn rule_04_content_length_is_plain_digits_within_64_bits() {
    let scene = Scene::new(&[]);
    let refused = [
        "",
        " ",
        "+5",
        "-5",
        "-0",
        "0x5",
        "5_0",
        "1 0",
        "5,5",
        "5, 6",
        "5;",
        "5.0",
        "5e0",
        "\u{b2}",
        "\x0b5",
        "\u{a0}5",
        "18446744073709551616",
        "18446744073709551617",
        "99999999999999999999",
        "00000000000000000000018446744073709551616",
        "5\r\nContent-Length: 5",
        "4\r\nContent-Length: 5",
    ];
    scene.assert_refused(refused.map(|value| (400, post(&format!("Content-Length: {value}"), "hello"))));
    for value in ["5", "05", "0000000000000000000000005", "\t5", "5 \t"] {
        let message = post(&format!("Content-Length:{value}"), "hello");
        scene.assert_forwarded(&message, &post("Content-Length: 5", "hello"));
    }
}

#[test]
fn rule_04_the_largest_lengths_pass_as_they_are() {
    let scene = Scene::new(&[]);
    for length in ["9223372036854775807", "9223372036854775808", "18446744073709551615"] {
        let message = post(&format!("Content-Length: {length}"), "part");
        for (cut, client) in scene.send_every(&message) {
            let arrived = scene.origin.seen().aborted.len();
            drop(client);
            scene.origin.wait("the part arrives and ends", |seen| seen.aborted.len() > arrived);
            assert!(scene.origin.seen().aborted.iter().all(|body| body == b"part"), "{length} {cut:?}");
        }
        assert!(scene.caused().iter().all(|caused| *caused == message), "{length}");
    }
    assert!(scene.origin.seen().requests.is_empty());
}

#[test]
fn rule_04_a_length_of_zero_is_forwarded() {
    let message = post("Content-Length: 0", "");
    Scene::new(&[]).assert_forwarded(&message, &message);
}

/// Broken bodies, and the most of each that may go upstream before the fault is seen.
const BROKEN: &[(&str, &str)] = &[
    (" 5\r\nhello\r\n0\r\n\r\n", ""),
    ("5 \r\nhello\r\n0\r\n\r\n", ""),
    ("\t5\r\nhello\r\n0\r\n\r\n", ""),
    ("+5\r\nhello\r\n0\r\n\r\n", ""),
    ("-5\r\nhello\r\n0\r\n\r\n", ""),
    ("0x5\r\nhello\r\n0\r\n\r\n", ""),
    ("5_\r\nhello\r\n0\r\n\r\n", ""),
    ("5_0\r\nhello\r\n0\r\n\r\n", ""),
    ("\r\nhello\r\n0\r\n\r\n", ""),
    ("\n5\r\nhello\r\n0\r\n\r\n", ""),
    (";a\r\nhello\r\n0\r\n\r\n", ""),
    ("g\r\n", ""),
    ("5\nhello\r\n0\r\n\r\n", ""),
    ("5\rhello\r\n0\r\n\r\n", ""),
    ("5\rXhello\r\n0\r\n\r\n", ""),
    ("5\r\r\nhello\r\n0\r\n\r\n", ""),
    ("fffffffffffffffff\r\n", ""),
    ("10000000000000000\r\nx", ""),
    ("00000000000000000000000000000000000000000000000000000000000000005\r\nhello\r\n0\r\n\r\n", ""),
    ("5\r\nhello\n0\r\n\r\n", "5\r\nhello"),
    ("5\r\nhello\r0\r\n\r\n", "5\r\nhello"),
    ("5\r\nhello\r\r\n0\r\n\r\n", "5\r\nhello"),
    ("5\r\nhello!!\r\n0\r\n\r\n", "5\r\nhello"),
    ("5\r\nhello0\r\n\r\n", "5\r\nhello"),
    ("5\r\nhelloXX0\r\n\r\n", "5\r\nhello"),
    ("5\r\nhello \r\n0\r\n\r\n", "5\r\nhello"),
    ("4\r\nhello\r\n0\r\n\r\n", "4\r\nhell"),
    ("5\r\nhello\r\n\r\n0\r\n\r\n", "5\r\nhello\r\n"),
    ("5\r\nhello\r\n0\n\r\n", "5\r\nhello\r\n"),
    ("5\r\nhello\r\n0\r\r\n", "5\r\nhello\r\n"),
    ("5\r\nhello\r\n0\r\n\n", "5\r\nhello\r\n"),
    ("5\r\nhello\r\n0\r\n\rX\r\n\r\n", "5\r\nhello\r\n"),
    ("5\r\nhello\r\n0\r\n\r\r\n\r\n", "5\r\nhello\r\n"),
];

#[test]
fn rule_05_chunked_framing_is_strict() {
    let scene = Scene::new(&[]);
    scene.assert_broken(BROKEN.iter().map(|(body, most)| (400, chunked(body), chunked(most))));
}

#[test]
fn rule_05_chunks_leave_canonical() {
    let scene = Scene::new(&[]);
    for (body, expected) in [
        ("5\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        ("005\r\nhello\r\n000\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        ("1\r\nh\r\n4\r\nello\r\n0\r\n\r\n", "1\r\nh\r\n4\r\nello\r\n0\r\n\r\n"),
        ("A\r\n0123456789\r\n0\r\n\r\n", "a\r\n0123456789\r\n0\r\n\r\n"),
        ("2\r\n\r\n\r\n0\r\n\r\n", "2\r\n\r\n\r\n0\r\n\r\n"),
        ("0\r\n\r\n", "0\r\n\r\n"),
    ] {
        scene.assert_forwarded(&chunked(body), &chunked(expected));
    }
}

#[test]
fn rule_06_chunk_extensions_are_checked_and_dropped() {
    let scene = Scene::new(&[]);
    for extension in [";a", ";a=b", "; a = b", ";a=\"b c\"", ";a=\"\\\"\"", ";a;b=\"c;d\"", ";a=\"\u{e9}\""] {
        let body = format!("5{extension}\r\nhello\r\n0{extension}\r\n\r\n");
        scene.assert_forwarded(&chunked(&body), &chunked("5\r\nhello\r\n0\r\n\r\n"));
    }
    let malformed = [
        ";",
        ";=b",
        ";a=",
        ";a=\"",
        ";a=\"b",
        ";a=\"b\"c",
        ";a b",
        ";a\nb",
        ";\r",
        ";a\rb",
        ";\x01",
        ";a=\x7f",
        ";a=\"\x00\"",
        ";a,b",
        " ;a",
    ];
    for (before, most) in [("5", ""), ("5\r\nhello\r\n0", "5\r\nhello\r\n")] {
        scene.assert_broken(malformed.map(|extension| {
            (400, chunked(&format!("{before}{extension}\r\nhello\r\n0\r\n\r\n")), chunked(most))
        }));
    }
}

#[test]
fn rule_06_chunk_extensions_are_bounded_over_the_whole_message() {
    let scene = Scene::new(&["--limit-chunk-extensions", "8"]);
    let body = "1;abcd\r\nx\r\n1;abcd\r\ny\r\n0\r\n\r\n";
    scene.assert_forwarded(&chunked(body), &chunked("1\r\nx\r\n1\r\ny\r\n0\r\n\r\n"));
    scene.caused();
    let scene = Scene::new(&["--limit-chunk-extensions", "8"]);
    scene.assert_broken([
        (400, chunked("1;abcdefghi\r\nx\r\n0\r\n\r\n"), chunked("")),
        (400, chunked("1;abcd\r\nx\r\n1;abcd\r\ny\r\n0;z\r\n\r\n"), chunked("1\r\nx\r\n1\r\ny\r\n")),
    ]);
}

#[test]
fn rule_07_trailers_are_checked_and_never_become_fields() {
    let scene = Scene::new(&[]);
    let with = |trailers: &str| format!("5\r\nhello\r\n0\r\n{trailers}\r\n");
    for (trailers, expected) in [
        ("X-Sum: 1\r\n", "X-Sum: 1\r\n"),
        ("X-Sum:1 \t\r\nx-sum: 2\r\n", "X-Sum: 1\r\nx-sum: 2\r\n"),
        ("Content-Length: 50\r\nTransfer-Encoding: gzip\r\nHost: evil\r\nX-A: 1\r\n", "X-A: 1\r\n"),
        ("Authorization: x\r\nCookie: a=b\r\nProxy-Authorization: x\r\nX-A: 1\r\n", "X-A: 1\r\n"),
        ("Connection: close\r\nTE: trailers\r\nUpgrade: x\r\nTrailer: X\r\n", ""),
        ("Content-Type: a/b\r\nContent-Encoding: gzip\r\nContent-Range: 1\r\n", ""),
        ("X-Forwarded-For: 9.9.9.9\r\nForwarded: for=9.9.9.9\r\nVia: 1.1 x\r\n", ""),
        ("Content_Length: 5\r\nX_Forwarded_For: 9.9.9.9\r\n", ""),
        (
            "X-Forwarded-Port: 1\r\nX-Real-IP: 9.9.9.9\r\nx_real_ip: 9.9.9.9\r\nTrue-Client-IP: 9.9.9.9\r\n",
            "",
        ),
    ] {
        scene.assert_forwarded(&chunked(&with(trailers)), &chunked(&with(expected)));
    }
    let scene = Scene::new(&[]);
    let malformed = [
        "no colon\r\n",
        "nocolon\r\n",
        ": x\r\n",
        " X: 1\r\n",
        "X : 1\r\n",
        "X: 1\r\n 2\r\n",
        "X: \x00\r\n",
        "X: a\rb\r\n",
        "X: 1\n",
        "X(: 1\r\n",
        "X: \x7f\r\n",
    ];
    let most = chunked("5\r\nhello\r\n");
    scene.assert_broken(malformed.map(|trailers| (400, chunked(&with(trailers)), most.clone())));
}

#[test]
fn rule_07_trailers_of_a_response_are_filtered_likewise() {
    let scene = Scene::new(&[]);
    let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\nContent-Length: 5\r\n\
                Set-Cookie: a=b\r\nTransfer-Encoding: chunked\r\nAccess-Control-Allow-Origin: *\r\n\r\n";
    for (cut, _, response) in scene.responses(text, Then::KeepAlive) {
        let response = response.unwrap();
        assert_eq!(response.trailers.0, [("X-Sum".to_owned(), "1".to_owned())], "{cut:?}");
        assert!(!response.fields.has("x-sum") && !response.fields.has("set-cookie"), "{cut:?}");
    }
}

#[test]
fn rule_08_a_body_cut_by_the_client_is_never_completed() {
    let scene = Scene::new(&[]);
    for message in [
        post("Content-Length: 100", "abc"),
        chunked("5\r\nhello"),
        chunked("5\r\nhello\r\n"),
        chunked("64\r\nabc"),
    ] {
        for reset in [false, true] {
            let before = scene.origin.seen().heads;
            let clients = scene.send_every(&message);
            let count = clients.len();
            scene.origin.wait("every head arrives", |seen| seen.heads == before + count);
            for (_, client) in clients {
                if reset {
                    client.reset();
                }
            }
            scene.origin.wait("every connection is closed", |seen| seen.open == 0);
            scene.assert_good();
            let mut caused = scene.caused();
            assert_eq!(caused.pop().as_deref(), Some(GOOD), "no cut connection is used again");
            assert_eq!(caused.len(), count);
            for caused in caused {
                assert!(message.starts_with(&caused), "{message:?} became {caused:?}");
            }
        }
    }
}

#[test]
fn rule_09_a_body_follows_any_method_and_is_consumed() {
    let scene = Scene::new(&[]);
    for method in ["GET", "HEAD", "OPTIONS", "DELETE", "TRACE", "x!#$%&'*+-.^_`|~"] {
        let all = format!(
            "{method} /one HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
             {method} /two HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n\
             GET /three HTTP/1.1\r\nHost: a\r\n\r\n"
        );
        let clients = scene.send_every(&all);
        let count = clients.len();
        for (cut, mut client) in clients {
            for method in [method, method, "GET"] {
                assert_eq!(client.response_to(method).status, 200, "{method} {cut:?}");
            }
        }
        // Connections of several clients take turns; each request is whole.
        let caused = scene.caused().concat();
        let (one, rest) = all.split_at(all.find(&format!("{method} /two")).unwrap());
        let (two, three) = rest.split_at(rest.find("GET /three").unwrap());
        for part in [one, two, three] {
            assert_eq!(caused.matches(part).count(), count, "{part:?}");
        }
        assert_eq!(caused.len(), all.len() * count);
    }
}

#[test]
fn rule_10_nothing_behind_a_close_or_a_refusal_is_parsed() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let scene = Scene::new(&[]);
    scene.assert_refused([
        (400, format!("GET /bad HTTP/1.1\r\nHost: a\r\nBad Name: 1\r\n\r\n{smuggled}")),
        (400, format!("POST /bad HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n{smuggled}")),
        (400, format!("POST /bad HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\n\r\n{smuggled}")),
        (501, format!("POST /bad HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x, chunked\r\n\r\n{smuggled}")),
        (405, format!("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n{smuggled}")),
        (405, format!("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nContent-Length: 1\r\n\r\nx{smuggled}")),
        (417, format!("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nExpect: x\r\n\r\n{smuggled}")),
        (405, format!("TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n{smuggled}")),
        (204, format!("OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n{smuggled}")),
        (204, format!("OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n{smuggled}")),
        (505, format!("GET /bad HTTP/2.0\r\nHost: a\r\n\r\n{smuggled}")),
    ]);
    let (broken, most) = (format!("5\r\nhello\r\n{smuggled}"), "5\r\nhello\r\n");
    scene.assert_broken([(400, chunked(&broken), chunked(most))]);
    for (first, expected) in [
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ] {
        let clients = scene.send_every(&format!("{first}{smuggled}"));
        let count = clients.len();
        for (cut, mut client) in clients {
            let response = client.response();
            assert!(response.closes(), "{first:?} {cut:?}");
            client.expect_end();
        }
        scene.assert_caused(expected, count);
        scene.assert_good();
        scene.caused();
    }
}
