//! The gateway: its routes and texts, its targets, redirects, cookies, and what it refuses.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use hickory_proto::{
    op::{Message, OpCode},
    rr::{RData, Record, RecordType},
};
use support::{Corsair, Origin, Response, Then, answer, eventually, pause};

/// A gateway that may reach loopback addresses, so that it can reach the test's origins.
fn gateway(more: &[&str]) -> Corsair {
    let mut arguments = vec!["--allow-target", "loopback"];
    arguments.extend_from_slice(more);
    Corsair::start(&arguments)
}

fn hosts_file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

#[test]
fn at_the_healthcheck_there_is_nothing_for_another_method() {
    let corsair = gateway(&[]);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "get", "BREW"] {
        let response = corsair.ask(format!("{method} /healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!(response.status, 404, "{method}");
    }
    let mut client = corsair.connect();
    client.send("HEAD /healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(client.response_to("HEAD").status, 404);
}

#[test]
fn healthcheck_answers_ok() {
    let response = gateway(&[]).get("/healthcheck", "");
    assert_eq!((response.status, response.text().trim_end()), (200, "OK"));
}

#[test]
fn the_root_without_a_target_says_what_is_missing() {
    let corsair = gateway(&[]);
    for target in ["/", "/?", "/?uri=http://example.com/", "/?url"] {
        let response = corsair.get(target, "");
        assert_eq!(response.status, 400, "{target}");
        let text = response.text();
        assert!(text.contains("Required \"url\" query parameter not found."), "{target}: {text}");
    }
}

#[test]
fn dropped_cookies_are_told() {
    let origin = Origin::on_head(|exchange| {
        let Some(request) = exchange.request() else { return Then::Close };
        let lines = if request.target == "/sets" { "Set-Cookie: a=b\r\n" } else { "" };
        exchange.send(answer("200 OK", lines, "ok"));
        Then::KeepAlive
    });
    let corsair = gateway(&[]);
    for (path, line, verdict) in [
        ("plain", "", "allowed"),
        ("plain", "Cookie: a=b\r\n", "allowed; cookies=dropped"),
        ("sets", "", "allowed; cookies=dropped"),
    ] {
        let target = format!("/http://{}/{path}", origin.address());
        let response = corsair.get(&target, &format!("Origin: https://app.example.com\r\n{line}"));
        assert_eq!(response.field("corsair-cors"), Some(verdict), "{path} {line}");
    }
}

#[test]
fn what_the_gateway_removed_is_not_exposed() {
    let lines = "Set-Cookie: a=b\r\nStrict-Transport-Security: max-age=1\r\nClear-Site-Data: \"*\"\r\n\
                 X-Frame-Options: DENY\r\nService-Worker-Allowed: /\r\nCross-Origin-Opener-Policy: same-origin\r\n\
                 Content-Security-Policy: default-src 'self'\r\nX-Total: 5\r\n";
    let origin = Origin::on_head(move |exchange| {
        exchange.request();
        exchange.send(answer("200 OK", lines, "ok"));
        Then::KeepAlive
    });
    for more in [&[][..], &["--allow-origin", "https://app.example.com", "--allow-credentials"]] {
        let target = format!("/http://{}/", origin.address());
        let response = gateway(more).get(&target, "Origin: https://app.example.com\r\n");
        let exposed = response.fields.members("access-control-expose-headers");
        assert!(exposed.contains(&"x-total".to_owned()), "{exposed:?}");
        for name in &exposed {
            assert!(response.fields.has(name), "{name} is exposed, and not there: {:?}", response.fields);
        }
    }
}

#[test]
fn a_browser_is_told_in_html_how_to_use_it() {
    let response = gateway(&[]).get("/", "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n");
    assert_eq!(response.status, 400);
    assert!(response.field("content-type").unwrap().starts_with("text/html"));
    assert!(response.text().contains("query parameter not found."));
}

#[test]
fn a_target_that_is_no_url_is_400_with_its_text() {
    let corsair = gateway(&[]);
    for target in [
        "/?url=nonsense",
        "/?url=",
        "/?url=ftp%3A%2F%2Fexample.com%2F",
        "/?url=ftp://example.com/",
        "/?url=file:///etc/passwd",
        "/?url=http://",
        "/?url=http%3A%2F%2Fexample.com%3A99999%2F",
        "/?url=http://user:pass@127.0.0.1/",
        "/?url=http://user@127.0.0.1/",
        "/?url=http://[::1/",
        "/?url=http://exa%20mple.com/",
    ] {
        let response = corsair.get(target, "");
        assert_eq!(response.status, 400, "{target}: {}", response.text());
        let text = response.text();
        assert!(text.contains("query parameter"), "{target}: {text}");
    }
}

#[test]
fn what_is_not_understood_is_told_how_it_is_written() {
    let corsair = gateway(&[]);
    for target in [
        "/favicon.ico",
        "/index.html",
        "/healthcheck/x",
        "/javascript:alert(1)",
        "/api.example.org/x",
        "//x",
        "/proxy",
    ] {
        let response = corsair.get(target, "");
        assert_eq!(response.status, 400, "{target}");
        assert!(response.text().contains("/?url=https%3A%2F%2F"), "{target}: {}", response.text());
    }
}

/// Forms with `{origin}` as authority, and the target that the origin then sees.
const FORMS: &[(&str, &str)] = &[
    ("/?url=http://{origin}/plain", "/plain"),
    ("/?url=http://{origin}/plain?a=1&b=2", "/plain?a=1&b=2"),
    ("/?url=http://{origin}", "/"),
    ("/?url=http://{origin}?q=1", "/?q=1"),
    ("/?x=1&url=http://{origin}/late", "/late"),
    ("/?url=http%3A%2F%2F{encoded}%2Fplain", "/plain"),
    ("/?url=http%3A%2F%2F{encoded}%2Fplain%3Fa%3D1%26b%3D2", "/plain?a=1&b=2"),
    ("/?url=http%3A%2F%2F{encoded}%2Fplain&other=1", "/plain"),
    ("/http://{origin}/plain", "/plain"),
    ("/http://{origin}/plain?a=1&b=2", "/plain?a=1&b=2"),
    ("/http:/{origin}/merged", "/merged"),
    ("/http:/{origin}/merged?x=//y", "/merged?x=//y"),
    ("/http://{origin}", "/"),
    ("/HTTP://{origin}/upper", "/upper"),
    ("/http://{origin}/a%2Fb", "/a%2Fb"),
    ("/http://{origin}/a//b", "/a//b"),
    ("/?http://{origin}/plain?a=1&b=2", "/plain?a=1&b=2"),
    ("/?http%3A%2F%2F{encoded}%2Fplain", "/plain"),
    ("//http://{origin}/plain", "/plain"),
    ("/http%3A%2F%2F{encoded}%2Fplain%3Fa%3D1", "/plain?a=1"),
    ("/proxy?url=http://{origin}/plain", "/plain"),
    ("/raw?url=http%3A%2F%2F{encoded}%2Fplain", "/plain"),
];

#[test]
fn every_form_of_a_target_reaches_it() {
    for (form, expected) in FORMS {
        let origin = Origin::echo();
        let corsair = gateway(&[]);
        let authority = origin.address().to_string();
        let target = form.replace("{origin}", &authority).replace("{encoded}", &encoded(&authority));
        let response = corsair.get(&target, "");
        assert_eq!(response.status, 200, "{target}: {}", response.text());
        let request = origin.only_request();
        assert_eq!(request.target, *expected, "{target}");
        assert_eq!(request.fields.get("host"), Some(authority.as_str()), "{target}");
    }
}

#[test]
fn a_form_that_is_switched_off_is_no_route() {
    let origin = Origin::echo();
    let target = format!("http://{}/x", origin.address());
    let query_only = gateway(&["--gateway", "query"]);
    assert_eq!(query_only.get(&format!("/?url={target}"), "").status, 200);
    assert_eq!(query_only.get(&format!("/{target}"), "").status, 400);
    let path_only = gateway(&["--gateway", "path"]);
    assert_eq!(path_only.get(&format!("/{target}"), "").status, 200);
    assert_ne!(path_only.get(&format!("/?url={target}"), "").status, 200);
}

#[test]
fn method_body_and_fields_reach_the_target() {
    let origin = Origin::echo();
    let corsair = gateway(&[]);
    let response = corsair.ask(format!(
        "PUT /http://{}/item HTTP/1.1\r\nHost: localhost\r\nX-Token: t\r\nContent-Type: a/b\r\nContent-Length: 5\r\n\r\nhello",
        origin.address()
    ));
    assert_eq!(response.status, 200);
    let request = origin.only_request();
    assert_eq!((request.method.as_str(), request.body.as_slice()), ("PUT", &b"hello"[..]));
    assert_eq!(request.fields.get("x-token"), Some("t"));
    assert_eq!(request.fields.get("content-type"), Some("a/b"));
}

/// Hosts that are or spell an address that is not public.
const PROHIBITED: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "0x7F.0x0.0x0.0x1",
    "0.0.0.0",
    "0",
    "127.255.255.254",
    "127.0.0.1.",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "%31%32%37.0.0.1",
    "%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1",
    "127%E3%80%820%E3%80%820%E3%80%821",
    "127%2E0%2E0%2E1",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[fe80::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[2001:db8::1]",
    "[::ffff:169.254.169.254]",
    "localhost",
    "LOCALHOST",
    "localhost.",
];

#[test]
fn no_spelling_of_a_prohibited_address_is_connected_to() {
    let origin = Origin::echo();
    let corsair = Corsair::start::<&str>(&[]);
    let port = origin.address().port();
    for host in PROHIBITED {
        for target in [
            format!("/http://{host}:{port}/x"),
            format!("/?url={}", encoded(&format!("http://{host}:{port}/x"))),
        ] {
            let response = corsair.get(&target, "");
            assert!(
                matches!(response.status, 400 | 403),
                "{target}: {} {}",
                response.status,
                response.text()
            );
        }
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_refused_target_says_how_to_allow_it() {
    let response = Corsair::start::<&str>(&[]).get("/http://127.0.0.1:9/", "");
    assert_eq!(response.status, 403);
    assert!(response.text().contains("--allow-target"), "{}", response.text());
    assert!(response.field("proxy-status").unwrap().contains("error=destination_ip_prohibited"));
}

#[test]
fn a_name_is_judged_by_the_address_it_resolves_to() {
    let origin = Origin::echo();
    let hosts = hosts_file(
        "127.0.0.1 inner.example.org\n::ffff:127.0.0.1 mapped.example.org\n10.1.2.3 private.example.org\n",
    );
    let hosts = hosts.path().to_str().unwrap();
    let port = origin.address().port();
    for arguments in
        [vec!["--hosts-file", hosts], vec!["--hosts-file", hosts, "--allow-target", "*.example.org"]]
    {
        let corsair = Corsair::start(&arguments);
        for name in ["inner", "mapped", "private"] {
            let response = corsair.get(&format!("/http://{name}.example.org:{port}/x"), "");
            assert_eq!(response.status, 403, "{name} {arguments:?}: {}", response.text());
        }
    }
    assert_eq!(origin.connections(), 0);
}

/// A name server that gives every name one address the first time, and another one ever after; where it is, and
/// how often it was asked.
fn rebinding_name_server(first: Ipv4Addr, later: Ipv4Addr) -> (SocketAddr, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    thread::spawn(move || {
        let mut query = [0; 1500];
        while let Ok((length, client)) = socket.recv_from(&mut query) {
            let request = Message::from_vec(&query[..length]).unwrap();
            let question = request.queries.first().unwrap().clone();
            let mut response = Message::response(request.metadata.id, OpCode::Query);
            response.metadata.recursion_available = true;
            response.add_query(question.clone());
            if question.query_type() == RecordType::A {
                let ip = if count.fetch_add(1, Ordering::SeqCst) == 0 { first } else { later };
                response.add_answer(Record::from_rdata(question.name().clone(), 0, RData::A(ip.into())));
            }
            socket.send_to(&response.to_vec().unwrap(), client).unwrap();
        }
    });
    (address, asked)
}

#[test]
fn no_second_resolution_comes_between_the_judgement_and_the_connection() {
    let origin = Origin::echo();
    // The first address may be reached, and nobody listens there; the origin's may not.
    let admitted = Ipv4Addr::new(127, 0, 0, 2);
    let IpAddr::V4(prohibited) = origin.address().ip() else { panic!("no IPv4") };
    let (server, asked) = rebinding_name_server(admitted, prohibited);
    let network = format!("{admitted}/32");
    let corsair = Corsair::start(&["--dns-server", &server.to_string(), "--allow-target", &network]);
    let target = format!("/http://rebound.example:{}/x", origin.address().port());
    let response = corsair.get(&target, "");
    assert_eq!(response.status, 502, "{}", response.text());
    assert!(response.field("proxy-status").unwrap().contains("error=connection_refused"));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    eventually("the next answer is judged as well", || corsair.get(&target, "").status == 403);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert_eq!(origin.connections(), 0);
}

/// A gateway to loopback of which the file says this.
fn gateway_of_file(text: &str) -> (Corsair, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("corsair.toml");
    let text = format!(
        "[[listen]]\naddress = \"127.0.0.1:0\"\n[log]\naccess = \"off\"\n\
         [gateway]\nallow_targets = [\"loopback\", \"api.example\"]\n{text}\n"
    );
    std::fs::write(&file, text).unwrap();
    (Corsair::start(&["-c", file.to_str().unwrap()]), folder)
}

#[test]
fn a_page_sets_fields_that_the_operator_lists() {
    let origin = Origin::start(|request| {
        let names = ["referer", "origin", "user-agent", "cookie", "x-secret"];
        let lines = names.map(|name| format!("{name}={}", request.fields.get(name).unwrap_or_default()));
        answer("200 OK", "", &lines.join(" ")).into()
    });
    let target = format!("/http://{}/", origin.address());
    let own =
        "Referer: http://gateway/\r\nUser-Agent: browser\r\nCookie: a=b\r\nOrigin: http://page.example\r\n";
    let set = "X-Corsair-Set-Referer: https://a.example/\r\nx-corsair-set-user-agent: mine\r\n\
               X-Corsair-Set-Cookie: c=d\r\nX-Corsair-Set-X-Secret: e\r\n";
    for (listed, expected) in [
        ("", "referer= origin= user-agent=browser cookie= x-secret="),
        (
            "set_headers = [\"Referer\", \"User-Agent\"]",
            "referer=https://a.example/ origin= user-agent=mine cookie= x-secret=",
        ),
        ("set_headers = [\"cookie\"]", "referer= origin= user-agent=browser cookie=c=d x-secret="),
    ] {
        let (corsair, _folder) = gateway_of_file(listed);
        assert_eq!(corsair.get(&target, &format!("{own}{set}")).text(), expected, "{listed}");
        let seen = origin.take_received();
        let seen = String::from_utf8_lossy(&seen.concat()).to_ascii_lowercase();
        assert_eq!(seen.contains("x-corsair-set-"), listed.is_empty(), "{listed}: {seen}");
        // As it came, where no page sets any.
        assert!(corsair.get(&target, own).text().contains("user-agent=browser cookie= "), "{listed}");
    }
}

#[test]
fn credentials_that_a_page_sets_go_to_no_other_origin() {
    let other = Origin::echo();
    let location = format!("Location: http://{}/\r\n", other.address());
    let origin = Origin::always(answer("302 Found", &location, ""));
    let (corsair, _folder) = gateway_of_file("set_headers = [\"Cookie\", \"Authorization\", \"Referer\"]");
    let set =
        "X-Corsair-Set-Cookie: c=d\r\nX-Corsair-Set-Authorization: Bearer e\r\nX-Corsair-Set-Referer: f\r\n";
    assert_eq!(corsair.get(&format!("/http://{}/", origin.address()), set).status, 200);
    let first = origin.only_request();
    assert_eq!(
        (first.fields.get("cookie"), first.fields.get("authorization")),
        (Some("c=d"), Some("Bearer e"))
    );
    let second = other.only_request();
    let fields = ["cookie", "authorization", "referer"].map(|name| second.fields.get(name));
    assert_eq!(fields, [None, None, Some("f")]);
}

#[test]
fn a_path_that_begins_with_a_host_names_a_target_where_the_operator_wants_that() {
    for bare_hosts in [true, false] {
        let (corsair, _folder) =
            gateway_of_file(&format!("bare_hosts = {bare_hosts}\ndeny_targets = [\"github.com\"]"));
        // It is judged like any other.
        assert_eq!(corsair.get("/github.com/o/r", "").status, if bare_hosts { 403 } else { 400 });
        assert_eq!(corsair.get("/favicon.ico", "").status, 400);
    }
}

#[test]
fn an_exact_host_lifts_the_address_ranges_for_that_host_alone() {
    let origin = Origin::echo();
    let port = origin.address().port();
    let hosts = hosts_file("127.0.0.1 inner.example.org other.example.org\n");
    let file = hosts.path().to_str().unwrap();
    let corsair = Corsair::start(&["--hosts-file", file, "--allow-target", "inner.example.org"]);
    assert_eq!(corsair.get(&format!("/http://inner.example.org:{port}/x"), "").status, 200);
    assert_eq!(corsair.get(&format!("/http://other.example.org:{port}/x"), "").status, 403);
    assert_eq!(corsair.get(&format!("/http://127.0.0.1:{port}/x"), "").status, 403);
    assert_eq!(origin.lines(), ["GET /x"]);
}

#[test]
fn a_target_rule_with_a_port_means_that_port() {
    let (allowed, other) = (Origin::echo(), Origin::echo());
    let corsair = Corsair::start(&["--allow-target", &allowed.address().to_string()]);
    assert_eq!(corsair.get(&format!("/http://{}/x", allowed.address()), "").status, 200);
    assert_eq!(corsair.get(&format!("/http://{}/x", other.address()), "").status, 403);
    assert_eq!(other.connections(), 0);
}

#[test]
fn a_denied_target_is_refused_although_it_is_allowed() {
    let origin = Origin::echo();
    let corsair = gateway(&["--deny-target", "127.0.0.1"]);
    assert_eq!(corsair.get(&format!("/http://{}/x", origin.address()), "").status, 403);
    assert_eq!(origin.connections(), 0);
}

/// Redirects `/go` with this status and location, and describes every other request.
fn redirecting(status: u16, location: String) -> Origin {
    Origin::start(move |request| {
        if request.target.starts_with("/go") {
            answer(&format!("{status} Moved"), &format!("Location: {location}\r\n"), "moved").into_bytes()
        } else {
            support::origin::describe(request)
        }
    })
}

fn go(corsair: &Corsair, origin: SocketAddr, method: &str, body: Option<&str>) -> Response {
    let body = body.map_or_else(String::new, |b| {
        format!("Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n{b}", b.len())
    });
    let end = if body.is_empty() { "\r\n" } else { "" };
    corsair.ask(format!("{method} /http://{origin}/go HTTP/1.1\r\nHost: localhost\r\n{body}{end}"))
}

/// Status, method, body of the request; method of the next request, which has none.
const REDIRECTS: &[(u16, &str, Option<&str>, &str)] = &[
    (301, "GET", None, "GET"),
    (302, "GET", None, "GET"),
    (303, "GET", None, "GET"),
    (307, "GET", None, "GET"),
    (308, "GET", None, "GET"),
    (301, "POST", Some("data"), "GET"),
    (302, "POST", Some("data"), "GET"),
    (303, "POST", Some("data"), "GET"),
    (303, "PUT", Some("data"), "GET"),
    (301, "DELETE", None, "DELETE"),
    (303, "HEAD", None, "HEAD"),
];

#[test]
fn a_redirect_is_followed_with_the_method_and_body_that_its_status_asks_for() {
    for (status, method, body, next) in REDIRECTS {
        let origin = redirecting(*status, "/there?x=1".to_owned());
        let response = go(&gateway(&[]), origin.address(), method, *body);
        assert_eq!(response.status, 200, "{status} {method}");
        assert_eq!(
            origin.lines(),
            [format!("{method} /go"), format!("{next} /there?x=1")],
            "{status} {method}"
        );
        let seen = origin.seen();
        let last = seen.requests.last().unwrap();
        assert_eq!(support::latin1(&last.body), "", "{status} {method}");
        assert!(!last.fields.has("content-type"), "{status} {method}");
        drop(seen);
        let url = format!("http://{}/there?x=1", origin.address());
        assert_eq!(response.field("x-final-url"), Some(url.as_str()), "{status} {method}");
    }
}

#[test]
fn a_redirect_that_keeps_a_body_is_followed_with_it() {
    let chunked = "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n";
    let large = format!("Content-Length: 60000\r\n\r\n{}", "x".repeat(60_000));
    for (status, method, framed, expected) in [
        (302, "PUT", "Content-Length: 4\r\n\r\ndata", "data".to_owned()),
        (307, "POST", "Content-Length: 4\r\n\r\ndata", "data".to_owned()),
        (308, "PATCH", chunked, "hello world".to_owned()),
        (307, "POST", "Content-Length: 0\r\n\r\n", String::new()),
        (308, "PUT", &large, "x".repeat(60_000)),
    ] {
        let origin = redirecting(status, "/there?x=1".to_owned());
        let corsair = gateway(&[]);
        let mut client = corsair.connect();
        // The connection serves another request.
        for hops in [2, 4] {
            client.send(format!(
                "{method} /http://{}/go HTTP/1.1\r\nHost: localhost\r\nContent-Type: a/b\r\n{framed}",
                origin.address()
            ));
            assert_eq!(client.response().status, 200, "{status} {method}");
            let seen = origin.seen();
            assert_eq!(seen.requests.len(), hops);
            let last = seen.requests.last().unwrap();
            assert_eq!((&*last.method, &*last.target), (method, "/there?x=1"), "{status}");
            assert_eq!(support::latin1(&last.body), expected, "{status} {method}");
            assert_eq!(last.fields.get("content-type"), Some("a/b"));
        }
    }
}

#[test]
fn a_body_that_is_not_kept_is_answered_with_a_location_in_the_gateway() {
    for (status, method) in [(302, "PUT"), (307, "POST"), (308, "PUT")] {
        let origin = redirecting(status, "/there?x=1".to_owned());
        for limit in ["0", "3"] {
            let response = go(&gateway(&["--limit-replay", limit]), origin.address(), method, Some("data"));
            assert_eq!(response.status, status, "{method}");
            let location = format!("/http://{}/there?x=1", origin.address());
            assert_eq!(response.field("location"), Some(location.as_str()), "{status} {method}");
        }
        assert_eq!(origin.lines(), [format!("{method} /go"), format!("{method} /go")]);
    }
}

#[test]
fn a_redirect_loop_ends_in_508_after_a_bounded_number_of_requests() {
    let origin = redirecting(302, "/go".to_owned());
    let response = go(&gateway(&[]), origin.address(), "GET", None);
    assert_eq!(response.status, 508, "{}", response.text());
    assert_eq!(origin.seen().requests.len(), 11);
}

#[test]
fn one_deadline_for_connecting_and_answering_covers_all_hops_of_a_redirect() {
    let hop = Duration::from_millis(250);
    let origin = Origin::on_head(move |exchange| {
        exchange.request();
        pause(hop);
        exchange.send(answer("302 Found", "Location: /go\r\n", "moved"));
        Then::KeepAlive
    });
    let corsair = gateway(&["--timeout-connect", "500ms", "--timeout-response", "1s"]);
    let start = Instant::now();
    let response = go(&corsair, origin.address(), "GET", None);
    let took = start.elapsed();
    assert_eq!(response.status, 504, "{}", response.text());
    assert!(response.field("proxy-status").unwrap().contains("error=http_response_timeout"));
    assert!(took >= Duration::from_millis(1490) && took < 10 * hop, "{took:?}");
    let hops = origin.seen().heads;
    assert!((2..10).contains(&hops), "several hops, and not all of them: {hops}");
}

#[test]
fn a_redirect_to_a_prohibited_address_is_403_and_not_followed() {
    let inner = Origin::echo();
    let origin = redirecting(302, format!("http://{}/secret", inner.address()));
    let corsair = Corsair::start(&["--allow-target", &origin.address().to_string()]);
    assert_eq!(go(&corsair, origin.address(), "GET", None).status, 403);
    assert_eq!(inner.connections(), 0);
}

#[test]
fn a_redirect_with_userinfo_or_another_scheme_is_not_followed() {
    for location in
        ["http://user:pass@127.0.0.1:1/", "ftp://127.0.0.1:1/", "file:///etc/passwd", "javascript:alert(1)"]
    {
        let origin = redirecting(302, location.to_owned());
        let response = go(&gateway(&[]), origin.address(), "GET", None);
        assert_ne!(response.status, 200, "{location}");
        assert_eq!(origin.lines(), ["GET /go"], "{location}");
    }
}

#[test]
fn authorization_stays_with_the_origin_it_was_meant_for() {
    let other = Origin::echo();
    for (location, kept) in [("/same".to_owned(), true), (format!("http://{}/other", other.address()), false)]
    {
        let origin = redirecting(307, location);
        let corsair = gateway(&[]);
        let target = format!("/http://{}/go", origin.address());
        assert_eq!(corsair.get(&target, "Authorization: Bearer s3cret\r\n").status, 200);
        let seen = if kept { origin.seen() } else { other.seen() };
        assert_eq!(seen.requests.last().unwrap().fields.has("authorization"), kept);
    }
}

#[test]
fn a_rewritten_redirect_to_another_origin_leaves_credentials_behind() {
    let other = Origin::echo();
    for (form, arguments, method, body) in [
        ("/http://", &["--redirects", "rewrite"][..], "GET", ""),
        ("/?url=http://", &["--redirects", "rewrite"], "GET", ""),
        ("/http://", &["--limit-replay", "0"], "POST", "Content-Length: 4\r\n"),
        ("/?url=http://", &["--limit-replay", "0"], "POST", "Content-Length: 4\r\n"),
    ] {
        let ask = |corsair: &Corsair, target: &str| {
            let data = if body.is_empty() { "" } else { "data" };
            corsair.ask(format!(
                "{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer s3cret\r\n{body}\r\n{data}"
            ))
        };
        for (location, kept) in
            [("/same".to_owned(), true), (format!("http://{}/other", other.address()), false)]
        {
            let origin = redirecting(307, location.clone());
            let corsair = gateway(arguments);
            let response = ask(&corsair, &format!("{form}{}/go", origin.address()));
            assert_eq!(response.status, 307, "{form} {location}");
            let next = response.field("location").unwrap().to_owned();
            assert_eq!(ask(&corsair, &next).status, 200, "{next}");
            let seen = if kept { origin.seen() } else { other.seen() };
            let last = seen.requests.last().unwrap();
            assert_eq!((last.method.as_str(), last.fields.has("authorization")), (method, kept), "{next}");
        }
    }
}

#[test]
fn the_applications_password_and_origin_are_kept_from_targets_beside_it() {
    let (application, evil) = (Origin::echo(), Origin::echo());
    let upstream = format!("http://{}", application.address());
    let corsair = gateway(&["--upstream", &upstream, "--gateway", "query"]);
    let target = format!("/?url=http://{}/", evil.address());
    let image = "Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n";
    assert_eq!(corsair.get(&target, &format!("{image}Authorization: Basic dTpw\r\n")).status, 200);
    assert!(!evil.only_request().fields.has("authorization"));
    for lines in ["Service-Worker: script\r\nSec-Fetch-Dest: serviceworker\r\n", "Sec-Fetch-Dest: script\r\n"]
    {
        let response = corsair.get(&target, &format!("{lines}Origin: https://a.example\r\n"));
        assert_eq!(response.status, 403, "{lines}");
        assert!(response.text().contains("fetch()"), "{}", response.text());
        assert_eq!(response.field("access-control-allow-origin"), Some("*"));
    }
    assert_eq!(evil.seen().requests.len(), 1);
    // What the application asks of its own server is not touched.
    assert_eq!(corsair.get("/sw.js", "Service-Worker: script\r\nAuthorization: Basic dTpw\r\n").status, 200);
    assert!(application.only_request().fields.has("authorization"));
}

#[test]
fn a_307_with_a_body_beyond_the_replay_limit_gets_its_location_rewritten() {
    let origin = redirecting(307, "/there".to_owned());
    let body = "x".repeat(200_000);
    let response = go(&gateway(&[]), origin.address(), "POST", Some(&body));
    assert_eq!(response.status, 307);
    let location = response.field("location").unwrap();
    assert!(location.contains(&format!("/http://{}/there", origin.address())), "{location}");
    assert_eq!(origin.lines(), ["POST /go"]);
}

#[test]
fn a_redirect_without_a_usable_location_passes() {
    let origin = Origin::always(answer("302 Found", "", "no location"));
    let response = go(&gateway(&[]), origin.address(), "GET", None);
    assert_eq!((response.status, response.text().as_str()), (302, "no location"));
}

#[test]
fn redirects_can_be_rewritten_or_passed_instead_of_followed() {
    let origin = redirecting(302, "/there".to_owned());
    let response = go(&gateway(&["--redirects", "rewrite"]), origin.address(), "GET", None);
    assert_eq!(response.status, 302);
    let location = response.field("location").unwrap();
    assert!(location.contains(&format!("/http://{}/there", origin.address())), "{location}");
    let response = go(&gateway(&["--redirects", "pass"]), origin.address(), "GET", None);
    assert_eq!((response.status, response.field("location")), (302, Some("/there")));
    assert_eq!(origin.lines(), ["GET /go", "GET /go"]);
}

#[test]
fn cookies_are_stripped_both_ways() {
    let origin = Origin::always(answer("200 OK", "Set-Cookie: a=1\r\nset-cookie: b=2; Path=/\r\n", "x"));
    let response = gateway(&[]).get(&format!("/http://{}/", origin.address()), "Cookie: session=1\r\n");
    assert_eq!(response.status, 200);
    assert!(!response.fields.has("set-cookie"));
    assert!(!origin.only_request().fields.has("cookie"));
}

#[test]
fn origin_and_referer_are_not_sent_to_the_target() {
    let origin = Origin::echo();
    let fields = "Origin: https://app.example.com\r\nReferer: https://app.example.com/page\r\n";
    assert_eq!(gateway(&[]).get(&format!("/http://{}/", origin.address()), fields).status, 200);
    let request = origin.only_request();
    assert!(!request.fields.has("origin") && !request.fields.has("referer"), "{:?}", request.fields);
}

#[test]
fn a_target_is_told_neither_who_asks_nor_through_which_gateway() {
    let origin = Origin::echo();
    let fields = "X-Forwarded-For: 192.0.2.9\r\nX-Forwarded-Host: other.example\r\nForwarded: for=192.0.2.9\r\n\
                  X-Real-IP: 192.0.2.9\r\nX-Forwarded-Prefix: /x\r\n";
    assert_eq!(gateway(&[]).get(&format!("/http://{}/", origin.address()), fields).status, 200);
    let request = origin.only_request();
    for name in [
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-prefix",
        "forwarded",
        "x-real-ip",
    ] {
        assert!(!request.fields.has(name), "{name}: {:?}", request.fields);
    }
}

#[test]
fn a_targets_challenge_never_reaches_the_browser_under_its_name() {
    let challenge = "WWW-Authenticate: Basic realm=\"x\"\r\nProxy-Authenticate: Basic\r\n";
    let origin = Origin::always(answer("401 Unauthorized", challenge, "who?"));
    let response =
        gateway(&[]).get(&format!("/http://{}/", origin.address()), "Origin: https://a.example\r\n");
    assert_eq!(response.status, 401);
    assert!(!response.fields.has("www-authenticate") && !response.fields.has("proxy-authenticate"));
    assert_eq!(response.field("x-www-authenticate"), Some("Basic realm=\"x\""));
    assert!(response.field("access-control-expose-headers").unwrap().contains("X-WWW-Authenticate"));
}

#[test]
fn a_target_cannot_act_on_the_gateways_own_origin() {
    let fields = "Content-Type: text/html\r\nContent-Security-Policy: default-src *\r\nX-Frame-Options: DENY\r\n\
                  Cross-Origin-Opener-Policy: same-origin\r\nClear-Site-Data: \"*\"\r\n\
                  Strict-Transport-Security: max-age=9\r\nService-Worker-Allowed: /\r\nNEL: {}\r\nReport-To: {}\r\n\
                  Alt-Svc: h3=\":443\"\r\nSet-Login: logged-in\r\nRefresh: 0;url=http://127.0.0.1/\r\n";
    let origin = Origin::always(answer("200 OK", fields, "<p>"));
    let response = gateway(&[]).get(&format!("/http://{}/", origin.address()), "");
    for name in [
        "x-frame-options",
        "cross-origin-opener-policy",
        "clear-site-data",
        "strict-transport-security",
        "service-worker-allowed",
        "nel",
        "report-to",
        "alt-svc",
        "set-login",
        "refresh",
    ] {
        assert!(!response.fields.has(name), "{name}");
    }
    assert_eq!(response.field("content-security-policy"), Some("sandbox"));
}

#[test]
fn a_loopback_listener_serves_only_loopback_hosts() {
    let origin = Origin::echo();
    let corsair = gateway(&[]);
    let port = corsair.address().port();
    let target = format!("/http://{}/", origin.address());
    let ask = |host: &str| corsair.ask(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).status;
    for host in ["localhost", "127.0.0.1", "[::1]"] {
        assert_eq!(ask(host), 200, "{host}");
        assert_eq!(ask(&format!("{host}:{port}")), 200, "{host} with its port");
    }
    let before = origin.seen().requests.len();
    for host in ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example"] {
        assert_eq!(ask(host), 403, "{host}");
    }
    assert_eq!(origin.seen().requests.len(), before);
}

#[test]
fn a_required_field_keeps_others_out() {
    let origin = Origin::echo();
    let corsair = gateway(&["--require-header", "Origin", "--require-header", "X-Requested-With"]);
    let target = format!("/http://{}/", origin.address());
    assert_eq!(corsair.get(&target, "").status, 403);
    assert_eq!(corsair.get(&target, "Origin: https://a.example\r\n").status, 200);
    assert_eq!(corsair.get(&target, "X-Requested-With: fetch\r\n").status, 200);
}

#[test]
fn an_absolute_form_request_must_name_the_gateway_itself() {
    let origin = Origin::echo();
    let corsair = gateway(&[]);
    let response = corsair.ask(format!("GET http://{0}/ HTTP/1.1\r\nHost: {0}\r\n\r\n", "evil.example"));
    assert_eq!(response.status, 403);
    let own = corsair.ask("GET http://localhost/healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(own.status, 200);
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_dead_target_is_a_readable_502() {
    let response = gateway(&[]).get("/http://127.0.0.1:1/", "Origin: https://a.example\r\n");
    assert_eq!(response.status, 502);
    assert_eq!(response.field("access-control-allow-origin"), Some("*"));
    assert!(response.field("proxy-status").unwrap().contains("error=connection_refused"));
}

#[test]
fn a_name_that_does_not_resolve_is_a_readable_502_or_504() {
    let response = gateway(&["--dns-server", "127.0.0.1:1", "--timeout-connect", "1s"])
        .get("/http://nowhere.example/", "");
    assert!(matches!(response.status, 502 | 504), "{}", response.status);
    assert!(response.field("proxy-status").unwrap().contains("error=dns_"));
}

/// A response to a request with these lines, on a port of this machine.
fn asked(port: u16, target: &str, lines: &str) -> Response {
    let mut client = support::Client::connect(SocketAddr::from(([127, 0, 0, 1], port)));
    client.send(format!("GET {target} HTTP/1.1\r\n{lines}\r\n"));
    client.response()
}

#[test]
fn published_for_some_origins_it_serves_nobody_else() {
    let origin = Origin::echo();
    let published =
        ["-l", "0.0.0.0:0", "--allow-target", "public,loopback", "--allow-origin", "https://app.example.com"];
    let corsair = Corsair::start(&published);
    let port = corsair.address().port();
    let target = format!("/http://{}/x", origin.address());
    for line in
        ["", "Origin: https://evil.example\r\n", "Origin: null\r\n", "Referer: https://app.example.com/\r\n"]
    {
        let response = asked(port, &target, &format!("Host: a\r\n{line}"));
        assert_eq!(response.status, 403, "{line}");
        assert!(response.text().contains("--allow-origin"), "{}", response.text());
    }
    assert_eq!(origin.seen().requests.len(), 0, "nobody asked the target");
    let page = "Host: a\r\nOrigin: https://app.example.com\r\n";
    assert_eq!(asked(port, &target, page).status, 200);
    assert_eq!(asked(port, "/healthcheck", "Host: a\r\n").status, 200);
}

#[test]
fn hosts_that_were_named_are_asked_for_on_every_listener() {
    let origin = Origin::echo();
    let url = format!("http://{}", origin.address());
    let listeners = ["-l", "127.0.0.1:0", "-l", "0.0.0.0:0", "--allow-host", "app.example"];
    for (more, target) in [
        (&["--open"][..], "/healthcheck"),
        (&["--upstream", &url], "/"),
        (&["--upstream", &url, "--gateway", "query", "--open"], "/"),
    ] {
        let corsair = Corsair::start_listeners(&[&listeners[..], more].concat(), 2);
        for address in corsair.addresses() {
            for (host, status) in
                [("app.example", 200), ("app.example:8080", 200), ("evil.example", 403), ("localhost", 403)]
            {
                let response = asked(address.port(), target, &format!("Host: {host}\r\n"));
                assert_eq!(response.status, status, "{more:?} {address} {host}");
            }
        }
    }
    let seen = origin.seen();
    assert!(
        seen.requests.iter().all(|request| request
            .fields
            .all("host")
            .iter()
            .all(|host| host.starts_with("app.example")))
    );
}

#[test]
fn a_page_that_asks_for_its_own_origin_is_sent_there() {
    let origin = Origin::echo();
    let own = format!("http://{}", origin.address());
    let corsair = gateway(&["--redirect-same-origin"]);
    for (method, status) in [("GET", 302), ("HEAD", 302), ("POST", 307), ("PUT", 307)] {
        for form in ["/", "/?url="] {
            let mut client = corsair.connect();
            client.send(format!(
                "{method} {form}{own}/a?b=1 HTTP/1.1\r\nHost: localhost\r\nOrigin: {own}\r\nContent-Length: 0\r\n\r\n"
            ));
            let response = client.response_to(method);
            assert_eq!(response.status, status, "{method} {form}");
            assert_eq!(response.field("location"), Some(&*format!("{own}/a?b=1")), "{method} {form}");
            assert_eq!(response.field("access-control-allow-origin"), Some("*"));
        }
    }
    assert_eq!(origin.connections(), 0);
    for fields in ["Origin: https://app.example.com\r\n", ""] {
        assert_eq!(corsair.get(&format!("/{own}/a"), fields).status, 200, "{fields}");
    }
    let without = gateway(&[]);
    assert_eq!(without.get(&format!("/{own}/a"), &format!("Origin: {own}\r\n")).status, 200);
}
