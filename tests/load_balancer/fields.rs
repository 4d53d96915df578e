//! `X-Forwarded-*` and `Forwarded` of those who are trusted, and of those who are not.

use super::{Behind, LOOPBACK};
use crate::support::{Client, Corsair, Origin};

/// What a balancer says whose client has claimed to be somebody else.
const TOLD: &str = "X-Forwarded-For: 6.6.6.6, 203.0.113.7\r\nX-Forwarded-Proto: https\r\n\
                    X-Forwarded-Host: app.example\r\nForwarded: for=7.7.7.7;host=other.example;proto=http\r\n\
                    X-Real-IP: 6.6.6.6\r\n";

const LOG: [&str; 4] = ["--access-log", "stdout", "--log-format", "json"];

/// The five lines that tell of the client, as the only request has them.
fn told(origin: &Origin) -> [Option<String>; 5] {
    let fields = origin.only_request().fields;
    ["x-real-ip", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"]
        .map(|name| fields.get(name).map(str::to_owned))
}

fn all(texts: [&str; 5]) -> [Option<String>; 5] {
    texts.map(|text| Some(text.to_owned()))
}

#[test]
fn the_client_of_a_trusted_proxy_is_the_client_everywhere() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &[&LOG[..], &["--trusted-proxy", "loopback"]].concat());
    assert_eq!(corsair.get("/a", TOLD).status, 200);
    assert_eq!(
        told(&origin),
        all([
            "203.0.113.7",
            "203.0.113.7, 127.0.0.1",
            "https",
            "app.example",
            "for=203.0.113.7;host=\"app.example\";proto=https, for=127.0.0.1"
        ])
    );
    let record = corsair.wait_for_record("/a");
    assert_eq!(record["client"], "203.0.113.7", "{record}");
    assert_eq!((&record["scheme"], &record["host"]), (&"https".into(), &"app.example".into()), "{record}");
}

#[test]
fn each_request_of_a_connection_has_its_own_client() {
    let origin = Origin::echo();
    let corsair =
        Corsair::reverse(origin.address(), &[&LOG[..], &["--trusted-proxy", "127.0.0.0/8"]].concat());
    let mut client = corsair.connect();
    for (target, field, expected) in [
        ("/1", "X-Forwarded-For: 203.0.113.7:4711\r\n", "203.0.113.7:4711"),
        ("/2", "", "127.0.0.1:"),
        ("/3", "X-Forwarded-For: 2001:db8::7\r\n", "2001:db8::7"),
        ("/4", "X-Forwarded-For: unknown\r\n", "127.0.0.1:"),
    ] {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{field}\r\n"));
        assert_eq!(client.response().status, 200);
        let record = corsair.wait_for_record(target);
        assert!(record["client"].as_str().unwrap().starts_with(expected), "{record}");
    }
    let seen = origin.seen();
    let chains: Vec<_> = seen.requests.iter().map(|request| request.fields.get("x-forwarded-for")).collect();
    let expected = ["203.0.113.7, 127.0.0.1", "127.0.0.1", "2001:db8::7, 127.0.0.1", "127.0.0.1"];
    assert_eq!(chains, expected.map(Some));
}

#[test]
fn a_stranger_says_nothing_of_the_client() {
    for trusted in [&[][..], &["--trusted-proxy", "10.0.0.0/8,private,unix,203.0.113.7"]] {
        let origin = Origin::echo();
        let corsair = Corsair::reverse(origin.address(), &[&LOG[..], trusted].concat());
        assert_eq!(corsair.get("/a", TOLD).status, 200);
        let own = "localhost";
        let forwarded = format!("for=127.0.0.1;host=\"{own}\";proto=http");
        assert_eq!(told(&origin), all(["127.0.0.1", "127.0.0.1", "http", own, &forwarded]), "{trusted:?}");
        let record = corsair.wait_for_record("/a");
        assert!(record["client"].as_str().unwrap().starts_with("127.0.0.1:"), "{record}");
        assert_eq!((&record["scheme"], &record["host"]), (&"http".into(), &own.into()), "{record}");
    }
}

#[test]
fn the_family_that_is_not_believed_is_dropped_from_everybody() {
    let origin = Origin::echo();
    let root = "trusted_proxies = [\"loopback\"]\ntrusted_headers = \"forwarded\"";
    let behind = Behind::start(origin.address(), root, LOOPBACK, "");
    assert_eq!(behind.corsair.get("/a", TOLD).status, 200);
    assert_eq!(
        told(&origin),
        all([
            "7.7.7.7",
            "7.7.7.7, 127.0.0.1",
            "http",
            "other.example",
            "for=7.7.7.7;host=\"other.example\";proto=http, for=127.0.0.1"
        ])
    );
    assert_eq!(behind.corsair.wait_for_record("/a")["client"], "7.7.7.7");
}

#[test]
fn what_is_told_is_passed_on_and_extended() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &["--trusted-proxy", "loopback,10.0.0.0/8"]);
    let fields = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 203.0.113.7:80\r\nx-forwarded-for: 10.0.0.2\r\n\
                  X-Forwarded-Port: 443\r\nX-Forwarded-User: root\r\n";
    assert_eq!(corsair.get("/", fields).status, 200);
    let fields = origin.only_request().fields;
    assert_eq!(fields.get("x-forwarded-for"), Some("203.0.113.7, 10.0.0.2, 127.0.0.1"));
    assert_eq!(
        fields.get("forwarded"),
        Some("for=203.0.113.7;host=\"localhost\";proto=http, for=10.0.0.2, for=127.0.0.1")
    );
    assert!(!fields.has("x-forwarded-port") && !fields.has("x-forwarded-user"), "they are nobody's word");
}

#[test]
fn whoever_comes_over_a_trusted_unix_socket_is_left_out_of_the_chain() {
    let origin = Origin::echo();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("corsair.sock");
    let listen = format!("unix:{}", path.display());
    let arguments = ["--listen", "127.0.0.1:0", "--listen", &listen, "--trusted-proxy", "unix"];
    let upstream = format!("http://{}", origin.address());
    let corsair = Corsair::start(&[&arguments[..], &LOG, &["--upstream", &upstream]].concat());
    let mut client = Client::connect_unix(path.to_str().unwrap());
    client.send(format!("GET /a HTTP/1.1\r\nHost: app.example\r\n{TOLD}\r\n"));
    assert_eq!(client.response().status, 200);
    let expected = "for=203.0.113.7;host=\"app.example\";proto=https";
    assert_eq!(told(&origin), all(["203.0.113.7", "203.0.113.7", "https", "app.example", expected]));
    assert_eq!(corsair.wait_for_record("/a")["client"], "203.0.113.7");
}

#[test]
fn a_page_is_of_the_origin_that_the_client_knows() {
    const LIST: [&str; 2] = ["--allow-origin", "https://other.example"];
    let arguments = ["--trusted-proxy", "loopback", "--allow-host", "app.example"];
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (origin_of_page, told, status) in [
        ("https://app.example", "X-Forwarded-Proto: https\r\n", 200),
        ("http://app.example", "X-Forwarded-Proto: https\r\n", 403),
        ("https://app.example", "", 403),
        ("https://app.example", "X-Forwarded-Proto: https, http\r\n", 403),
        (
            "https://app.example:8443",
            "X-Forwarded-Proto: https\r\nX-Forwarded-Host: app.example:8443\r\n",
            200,
        ),
        // A page whose name was bound to loopback says of itself what it likes.
        ("https://evil.example", "X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\n", 403),
    ] {
        let origin = Origin::echo();
        let corsair = Corsair::reverse(origin.address(), &[&LIST[..], &arguments].concat());
        let request =
            format!("GET / HTTP/1.1\r\nHost: app.example\r\nOrigin: {origin_of_page}\r\n{upgrade}{told}\r\n");
        assert_eq!(corsair.ask(request).status, status, "{origin_of_page} {told}");
    }
}

#[test]
fn the_route_is_that_of_the_host_that_came() {
    let origin = Origin::echo();
    let more = "[[route]]\nhost = \"admin.example\"\nrespond = { status = 418 }\n";
    let behind = Behind::start(origin.address(), "trusted_proxies = [\"loopback\"]", LOOPBACK, more);
    let ask = |host: &str, named: &str| {
        let fields = format!("Host: {host}\r\nX-Forwarded-Host: {named}\r\n");
        behind.corsair.ask(format!("GET / HTTP/1.1\r\n{fields}\r\n")).status
    };
    assert_eq!(ask("app.example", "admin.example"), 200);
    assert_eq!(ask("admin.example", "app.example"), 418);
}

#[test]
fn what_names_the_upstream_gets_the_name_and_the_scheme_that_the_client_knows() {
    let origin = Origin::always(
        "HTTP/1.1 302 Found\r\nLocation: http://inner.example/next\r\nContent-Length: 0\r\n\r\n",
    );
    let corsair = Corsair::reverse(origin.address(), &["--trusted-proxy", "loopback"]);
    let told = "X-Forwarded-Proto: https\r\nX-Forwarded-Host: app.example\r\n";
    let response = corsair.ask(format!("GET / HTTP/1.1\r\nHost: inner.example\r\n{told}\r\n"));
    assert_eq!(response.field("location"), Some("https://app.example/next"));
    let plain = corsair.ask("GET / HTTP/1.1\r\nHost: inner.example\r\n\r\n");
    assert_eq!(plain.field("location"), Some("http://inner.example/next"));
}

#[test]
fn a_page_behind_a_tls_terminator_can_be_explained() {
    let arguments = [
        "--upstream",
        "http://127.0.0.1:9",
        "--listen",
        "127.0.0.1:8080",
        "--allow-origin",
        "https://page.example",
    ];
    let explain = |more: &[&str]| {
        let question = ["explain", "https://app.example/x", "--origin", "https://page.example"];
        Corsair::run_to_end(&[&question[..], &arguments, more].concat())
    };
    let ended = explain(&["--trusted-proxy", "loopback"]);
    assert_eq!(ended.code, Some(0), "{} {}", ended.stdout, ended.stderr);
    let ended = explain(&[]);
    assert!(ended.stderr.contains("no listener serves https on port 443"), "{}", ended.stderr);
}
