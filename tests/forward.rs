//! The forward proxy: URLs that are asked for as they are, tunnels, who may use it, and where nobody gets.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, UdpSocket},
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use support::{
    Client, Corsair, Origin, PATIENCE, Response, answer, certificates::Authority, eventually, nobody,
    origin::describe,
};
use tempfile::TempDir;

const TOKEN: &str = "of-the-robots-51c2";
const PASSWORD: &str = "of-ann-9f3e";

/// A process with this configuration, on a listener of its own.
fn start(text: &str) -> (Corsair, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("corsair.toml");
    let listen = if text.contains("[[listen]]") { "" } else { "[[listen]]\naddress = \"127.0.0.1:0\"\n" };
    fs::write(&file, format!("{text}\n{listen}")).unwrap();
    (Corsair::start(&["-c", file.to_str().unwrap(), "-v"]), folder)
}

/// A forward proxy to loopback, which connects to the ports of these.
fn forward(to: &[SocketAddr], more: &str) -> (Corsair, TempDir) {
    let ports: Vec<String> = to.iter().map(|address| address.port().to_string()).collect();
    let ports = if ports.is_empty() { "443".to_owned() } else { ports.join(", ") };
    start(&format!(
        "[log]\nformat = \"json\"\n[forward]\nallow_targets = [\"loopback\"]\nconnect_ports = [{ports}]\n{more}"
    ))
}

fn cause(response: &Response) -> &str {
    let status = response.field("proxy-status").unwrap_or_default();
    status.split_once("error=").map_or("", |(_, cause)| cause)
}

/// Whether nothing of an answer is of CORS.
fn is_without_cors(response: &Response) -> bool {
    let names = response.fields.0.iter().map(|(name, _)| name.to_ascii_lowercase());
    !names.into_iter().any(|name| name.starts_with("access-control-") || name == "corsair-cors")
}

/// Sends back every byte until its peer ends its direction; then says `bye` and ends, too.
fn raw_echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let Ok(mut socket) = socket else { return };
            thread::spawn(move || {
                let mut room = [0; 4096];
                while let Ok(size @ 1..) = socket.read(&mut room) {
                    socket.write_all(&room[..size]).unwrap();
                }
                drop(socket.write_all(b"bye"));
            });
        }
    });
    address
}

/// A tunnel to this authority.
fn tunnel(corsair: &Corsair, authority: &str, fields: &str) -> Client {
    let mut client = corsair.connect();
    client.send(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{fields}\r\n"));
    let head = client.next_head();
    assert_eq!(head.status().unwrap(), 200, "{}", head.start);
    for framing in ["content-length", "transfer-encoding", "content-type"] {
        assert!(!head.fields.has(framing), "{framing}");
    }
    client
}

#[test]
fn a_url_is_fetched_as_it_is_asked_for_and_nothing_is_said_of_the_client() {
    let origin = Origin::echo();
    let (corsair, _folder) = forward(&[], "");
    let authority = origin.address();
    let response = corsair.ask(format!(
        "POST http://{authority}/a/../%41//b?c=http://d/ HTTP/1.1\r\nHost: of.the.client\r\nContent-Length: 2\r\n\
         Cookie: a=b\r\nOrigin: https://app.example.com\r\nReferer: https://app.example.com/\r\n\
         Authorization: Bearer of-the-target\r\nX-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\n\
         X-Corsair-Set-Cookie: c\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nProxy-Connection: keep-alive\r\n\
         Proxy-Authorization: Basic secret\r\nVia: 1.1 before\r\n\r\nok"
    ));
    assert_eq!(response.status, 200, "{}", response.text());
    assert!(is_without_cors(&response), "{:?}", response.fields);
    let request = origin.only_request();
    assert_eq!(request.target, "/a/../%41//b?c=http://d/", "byte for byte");
    assert_eq!(request.body, b"ok");
    for (name, value) in [
        ("host", &*authority.to_string()),
        ("cookie", "a=b"),
        ("origin", "https://app.example.com"),
        ("referer", "https://app.example.com/"),
        ("authorization", "Bearer of-the-target"),
        ("x-forwarded-for", "192.0.2.1"),
        ("forwarded", "for=192.0.2.1"),
        ("x-corsair-set-cookie", "c"),
    ] {
        assert_eq!(request.fields.all(name), [value], "{name}");
    }
    for name in [
        "proxy-authorization",
        "proxy-connection",
        "x-hop",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
        "x-request-id",
        "traceparent",
    ] {
        assert!(!request.fields.has(name), "{name}");
    }
    let via = request.fields.members("via");
    assert!(via.len() == 2 && via[0] == "1.1 before" && via[1].starts_with("1.1 corsair"), "{via:?}");
}

#[test]
fn what_a_target_answers_passes_its_cors_cookies_and_redirects_too() {
    let fields = "Access-Control-Allow-Origin: https://only.example\r\nAccess-Control-Allow-Credentials: true\r\n\
                  Vary: Accept, Origin\r\nSet-Cookie: a=b; Domain=x.example\r\nLocation: http://elsewhere.example/\r\n\
                  Strict-Transport-Security: max-age=1\r\nTiming-Allow-Origin: *\r\nCorsair-Cors: of another\r\n\
                  WWW-Authenticate: Basic realm=\"r\"\r\nAlt-Svc: h3=\":443\"\r\n";
    let origin = Origin::always(answer("302 Found", fields, "moved"));
    let (corsair, _folder) = forward(&[], "");
    let mut client = corsair.connect();
    for _ in 0..2 {
        client.send(format!(
            "GET http://{}/ HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example.com\r\n\r\n",
            origin.address()
        ));
        let response = client.response();
        assert_eq!((response.status, &*response.text()), (302, "moved"));
        for line in fields.lines() {
            let (name, value) = line.split_once(": ").unwrap();
            assert_eq!(response.fields.all(&name.to_ascii_lowercase()), [value], "{name}");
        }
        assert!(response.fields.has("via") && !response.fields.has("access-control-expose-headers"));
    }
    let seen = origin.seen();
    assert_eq!(
        (seen.connections, seen.requests.len()),
        (1, 2),
        "a connection is used again, and no redirect followed"
    );
}

#[test]
fn what_looks_like_a_preflight_is_the_targets_to_answer() {
    let origin = Origin::echo();
    let (corsair, _folder) = forward(&[], "");
    let fields = "Origin: https://app.example.com\r\nAccess-Control-Request-Method: PUT\r\n\
                  Access-Control-Request-Headers: x-a\r\n";
    for target in ["/x", ""] {
        let url = format!("http://{}{target}", origin.address());
        let response = corsair.ask(format!("OPTIONS {url} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        assert_eq!(response.status, 200);
        assert!(is_without_cors(&response), "{:?}", response.fields);
    }
    let seen = origin.seen();
    assert_eq!(seen.requests.iter().map(|request| &*request.target).collect::<Vec<_>>(), ["/x", "*"]);
    for request in &seen.requests {
        assert_eq!(request.fields.all("access-control-request-method"), ["PUT"]);
        assert_eq!(request.fields.all("access-control-request-headers"), ["x-a"]);
    }
}

#[test]
fn what_is_not_of_http_is_told_how_to_come() {
    let (corsair, _folder) = forward(&[], "");
    for url in ["https://api.example.org/", "HTTPS://api.example.org", "ftp://a.example/"] {
        let response = corsair.ask(format!("GET {url} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!((response.status, cause(&response)), (400, "http_request_error"), "{url}");
        assert!(response.text().contains("CONNECT HOST:PORT"), "{url}: {}", response.text());
        assert!(is_without_cors(&response) || url.starts_with("ftp"), "{:?}", response.fields);
    }
    for target in ["http://a..b/", "http://a%00b/", "http://user@a.example/", "http:///x"] {
        assert_eq!(corsair.ask(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).status, 400, "{target}");
    }
}

/// Spellings of what nobody gets to unless it is allowed.
const PROHIBITED: &[&str] = &[
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "0xa9.254.0251.254",
    "169.254.43518",
    "%31%36%39.254.169.254",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b::169.254.169.254]",
    "[2002:a9fe:a9fe::1]",
    "[::169.254.169.254]",
    "127.0.0.1",
    "127.1",
    "0",
    "[::1]",
    "[::]",
    "localhost",
    "a.localhost.",
    "10.0.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "[fd00::1]",
    "[fe80::1]",
];

#[test]
fn no_spelling_of_an_address_gets_to_what_is_not_public() {
    let (corsair, _folder) = start("[forward]");
    for host in PROHIBITED {
        let url = corsair.ask(format!("GET http://{host}/latest HTTP/1.1\r\nHost: a\r\n\r\n"));
        let mut client = corsair.connect();
        client.send(format!("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\nGET / HTTP/1.1\r\n\r\n"));
        let connect = client.response();
        for response in [&url, &connect] {
            assert_eq!(
                (response.status, cause(response)),
                (403, "destination_ip_prohibited"),
                "{host}: {}",
                response.text()
            );
            assert!(response.text().contains("not public") && is_without_cors(response));
        }
        assert!(connect.closes(), "{host}");
        client.expect_end();
    }
    assert!(!corsair.stdout().contains("\"status\":200"), "{}", corsair.stdout());
}

#[test]
fn a_name_is_judged_by_the_address_that_is_connected_to() {
    let (folder, origin) = (tempfile::tempdir().unwrap(), Origin::echo());
    let hosts = folder.path().join("hosts");
    fs::write(&hosts, "127.0.0.1 rebound.example.com\n10.0.0.9 inside.example.com\n").unwrap();
    let port = origin.address().port();
    let (corsair, _folder) =
        start(&format!("[forward]\nconnect_ports = [{port}]\n[dns]\nhosts_file = {hosts:?}"));
    for name in ["rebound.example.com", "inside.example.com"] {
        for head in [format!("GET http://{name}:{port}/"), format!("CONNECT {name}:{port}")] {
            let response = corsair.ask(format!("{head} HTTP/1.1\r\nHost: a\r\n\r\n"));
            assert_eq!((response.status, cause(&response)), (403, "destination_ip_prohibited"), "{head}");
        }
    }
    assert_eq!(origin.connections(), 0);
    let (corsair, _folder) = start(&format!(
        "[forward]\nallow_targets = [\"rebound.example.com\"]\nconnect_ports = [{port}]\n[dns]\nhosts_file = {hosts:?}"
    ));
    let request = format!("GET http://rebound.example.com:{port}/ HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(corsair.ask(&request).status, 200, "named itself");
    let denied = corsair.ask("GET http://other.example.com/ HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((denied.status, cause(&denied)), (403, "http_request_denied"));
    assert!(denied.text().contains("--allow-target"), "{}", denied.text());
}

#[test]
fn a_connect_leads_to_the_ports_that_are_named() {
    let echo = raw_echo();
    let (corsair, _folder) = forward(&[echo], "");
    for port in [25, 443, 0, echo.port().wrapping_add(1)] {
        let mut client = corsair.connect();
        client.send(format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let response = client.response();
        assert_eq!((response.status, cause(&response)), (403, "http_request_denied"), "{port}");
        assert!(response.text().contains("forward.connect_ports"), "{}", response.text());
        client.expect_end();
    }
    for framing in ["Content-Length: 3", "Transfer-Encoding: chunked"] {
        let response = corsair.ask(format!("CONNECT {echo} HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\nabc"));
        assert_eq!((response.status, cause(&response)), (400, "http_request_error"), "{framing}");
    }
    tunnel(&corsair, &echo.to_string(), "").send("ping").until(b"ping");
    tunnel(&corsair, &format!("localhost:{}", echo.port()), "").send("ping").until(b"ping");
}

#[test]
fn a_tunnel_carries_bytes_both_ways_what_came_early_first_and_passes_a_half_close_on() {
    let echo = raw_echo();
    let (corsair, _folder) = forward(&[echo], "");
    let mut client = corsair.connect();
    let data = support::noise(100_000, 3);
    client.send([format!("CONNECT {echo} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(), b"early"].concat());
    assert_eq!(client.next_head().status().unwrap(), 200);
    client.until(b"early");
    let mut writer = client.writer();
    let copy = data.clone();
    let writing = thread::spawn(move || writer.write_all(&copy));
    client.0.allow(PATIENCE);
    assert!(client.0.exactly(data.len()).unwrap() == data);
    writing.join().unwrap().unwrap();
    client.shutdown_write();
    client.until(b"bye");
    client.expect_fin();
    let record = corsair.wait_for_record(&echo.to_string());
    for (key, value) in [("service", "forward"), ("route", "forward"), ("method", "CONNECT")] {
        assert_eq!(record[key], value, "{record}");
    }
    assert_eq!((record["status"].as_u64(), record["server"].as_str()), (Some(200), Some(&*echo.to_string())));
    assert!(record.get("cors").is_none() && record.get("policy").is_none(), "{record}");
    let out = record["bytes_out"].as_u64().unwrap();
    assert!(out > 100_000, "what went through the tunnel is counted: {out}");
}

#[test]
fn a_tunnel_in_which_nothing_moves_ends_and_so_does_one_that_is_half_closed() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    for timeouts in ["tunnel_idle = \"300ms\"", "tunnel_half_closed = \"300ms\""] {
        let (corsair, _folder) = forward(&[address], &format!("[timeouts]\n{timeouts}"));
        let mut client = tunnel(&corsair, &address.to_string(), "");
        let (mut there, _) = silent.accept().unwrap();
        client.send("x");
        there.read_exact(&mut [0]).unwrap();
        if timeouts.contains("half_closed") {
            client.shutdown_write();
        }
        client.expect_end();
        there.set_read_timeout(Some(PATIENCE)).unwrap();
        assert!(matches!(there.read(&mut [0]), Ok(0) | Err(_)));
    }
}

#[test]
fn a_target_that_cannot_be_reached_is_told_in_words() {
    let gone = nobody();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (corsair, _folder) = forward(
        &[gone],
        &format!("[dns]\nservers = [\"{}\"]\n[timeouts]\nconnect = \"400ms\"", silent.local_addr().unwrap()),
    );
    let port = gone.port();
    for (authority, expected) in [
        (gone.to_string(), (502, "connection_refused")),
        (format!("nobody.example.com:{port}"), (504, "dns_timeout")),
    ] {
        let mut client = corsair.connect();
        client.send(format!("CONNECT {authority} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let connect = client.response();
        assert!(connect.closes());
        client.expect_end();
        let url = corsair.ask(format!("GET http://{authority}/ HTTP/1.1\r\nHost: a\r\n\r\n"));
        for response in [connect, url] {
            assert_eq!((response.status, cause(&response)), expected, "{authority}");
            assert!(response.text().starts_with(expected.1) && is_without_cors(&response));
        }
        assert_eq!(corsair.wait_for_record(&authority)["cause"], expected.1);
    }
}

#[test]
fn a_client_that_leaves_while_a_connection_is_made_is_not_waited_for() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let servers =
        format!("[dns]\nservers = [\"{}\"]\n[timeouts]\nconnect = \"1h\"", silent.local_addr().unwrap());
    let (corsair, _folder) = forward(&[], &servers);
    let mut client = corsair.connect();
    client.send("CONNECT left.example.com:443 HTTP/1.1\r\nHost: a\r\n\r\n");
    silent.recv(&mut [0; 512]).unwrap();
    client.reset();
    assert_eq!(corsair.wait_for_record("left.example.com")["cause"], "client_gone");
}

/// `robots` with a token, `staff` with a password.
fn with_access(names: &str) -> (Corsair, [TempDir; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    let hash = bcrypt::hash_with_salt(PASSWORD, 4, [7; 16]).unwrap();
    fs::write(&users, format!("ann:{}\n", hash.format_for_version(bcrypt::Version::TwoY))).unwrap();
    let access = format!(
        "access = [{names}]\n[access.robots]\nbearer.tokens = [\"{TOKEN}\"]\n\
         [access.staff]\nbasic = {{ file = {users:?}, realm = \"the staff\" }}"
    );
    let (corsair, other) = forward(&[], &access);
    (corsair, [folder, other])
}

#[test]
fn who_may_use_it_shows_proxy_authorization_which_goes_no_further() {
    let basic = |password: &str| format!("Basic {}", STANDARD.encode(format!("ann:{password}")));
    let staff = "Basic realm=\"the staff\", charset=\"UTF-8\"";
    for (name, right, wrong, [missing, refused]) in [
        (
            "robots",
            format!("Bearer {TOKEN}"),
            "Bearer nothing-of-it-77aa".to_owned(),
            ["Bearer realm=\"robots\"", "Bearer realm=\"robots\", error=\"invalid_token\""],
        ),
        ("staff", basic(PASSWORD), basic("nothing-of-it-77aa"), [staff, staff]),
    ] {
        let origin = Origin::echo();
        let (corsair, _folders) = with_access(&format!("\"{name}\""));
        let url = format!("http://{}/{name}", origin.address());
        let ask = |method: &str, fields: &str| {
            corsair.ask(format!("{method} {url} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
        };
        let preflight = "Origin: https://a.example\r\nAccess-Control-Request-Method: PUT\r\n";
        for (method, fields, challenge) in [
            ("GET", String::new(), missing),
            ("OPTIONS", preflight.to_owned(), missing),
            ("GET", format!("Authorization: {right}\r\n"), missing),
            ("GET", format!("Proxy-Authorization: {wrong}\r\n"), refused),
        ] {
            let response = ask(method, &fields);
            assert_eq!(
                (response.status, cause(&response)),
                (407, "http_request_denied"),
                "{method} {fields}"
            );
            assert_eq!(response.fields.all("proxy-authenticate"), [challenge], "{method} {fields}");
            assert!(!response.fields.has("www-authenticate") && is_without_cors(&response));
            assert!(response.text().contains("Proxy-Authenticate"), "{}", response.text());
        }
        let mut client = corsair.connect();
        client.send("CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\n\r\n");
        let response = client.response();
        assert_eq!((response.status, response.fields.all("proxy-authenticate")), (407, vec![missing]));
        client.expect_end();
        assert_eq!(origin.connections(), 0);
        let fields = format!("Proxy-Authorization: {right}\r\nAuthorization: Bearer of-the-target\r\n");
        for _ in 0..2 {
            assert_eq!(ask("GET", &fields).status, 200);
        }
        for request in &origin.seen().requests {
            assert!(!request.fields.has("proxy-authorization"));
            assert_eq!(request.fields.all("authorization"), ["Bearer of-the-target"]);
        }
        let record = corsair.wait_for_record(&url);
        assert_eq!(record["access"], name, "{record}");
        for secret in [TOKEN, PASSWORD, "nothing-of-it-77aa", "of-the-target"] {
            assert!(!corsair.stdout().contains(secret) && !corsair.log().contains(secret), "{secret}");
        }
    }
}

#[test]
fn a_connect_with_the_right_credentials_becomes_a_tunnel() {
    let echo = raw_echo();
    let text = format!(
        "[access.robots]\nbearer.tokens = [\"{TOKEN}\"]\n[forward]\nallow_targets = [\"loopback\"]\n\
         connect_ports = [{}]\naccess = [\"robots\"]",
        echo.port()
    );
    let (corsair, _folder) = start(&text);
    let fields = format!("Proxy-Authorization: Bearer {TOKEN}\r\n");
    tunnel(&corsair, &echo.to_string(), &fields).send("ping").until(b"ping");
}

#[test]
fn an_open_proxy_is_none_by_accident() {
    let refused = |arguments: &[&str]| {
        let ended = Corsair::run_to_end(arguments);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        ended.stderr
    };
    let told = refused(&["--forward", "-l", "0.0.0.0:0"]);
    assert!(
        told.contains("a forward proxy on 0.0.0.0:0 would let anyone reach any site")
            && told.contains("--open"),
        "{told}"
    );
    refused(&["--forward", "-l", "0.0.0.0:0", "--allow-target", "api.example.org"]);
    let corsair = Corsair::start(&["--forward", "-l", "0.0.0.0:0", "--open"]);
    corsair.wait_for_log("--open: anyone who reaches 0.0.0.0:0 can reach every target of the forward proxy");
    let corsair = Corsair::start(&["--forward"]);
    corsair.wait_for_log("forward proxy: http://… and CONNECT to port 443 or 80; targets: public");
}

#[test]
fn check_and_explain_tell_of_it() {
    let checked = Corsair::run_to_end(&["check", "--forward", "--deny-target", "a.example"]);
    let line = "  forward   http://… and CONNECT to port 443 or 80; targets: public; never a.example\n";
    assert!(checked.code == Some(0) && checked.stdout.contains(line), "{}", checked.stdout);
    let explained = Corsair::run_to_end(&["explain", "--forward", "https://api.example.org/"]);
    let told = "through the forward proxy it is asked as it is, and CORS is for its own server to grant";
    assert!(explained.code == Some(2) && explained.stderr.contains(told), "{}", explained.stderr);
}

#[test]
fn it_stands_before_gateway_and_routes_but_for_their_own_names() {
    let origin = Origin::echo();
    let address = origin.address();
    let (corsair, _folder) = start(
        "[forward]\nallow_targets = [\"loopback\"]\n[gateway]\nallow_targets = [\"loopback\"]\n\
         [[route]]\nhost = \"app.test\"\nrespond = { body = \"the route\" }\n\
         [[listen]]\naddress = \"127.0.0.1:0\"",
    );
    let get =
        |target: &str, host: &str| corsair.ask(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    assert_eq!(get("/", "app.test").text(), "the route");
    assert_eq!(get("http://app.test/", "whatever").text(), "the route", "an own name");
    let forwarded = get(&format!("http://{address}/f"), "app.test");
    assert!(forwarded.status == 200 && is_without_cors(&forwarded), "{:?}", forwarded.fields);
    let through_gateway = get(&format!("/http://{address}/g"), "app.test");
    assert_eq!(through_gateway.field("access-control-allow-origin"), Some("*"));
    assert_eq!(origin.lines(), ["GET /f", "GET /g"]);
    assert_eq!(origin.connections(), 2, "what one has opened is nothing to the other");
    assert_eq!(get("/", "other.test").status, 403, "a page that was rebound gets nowhere");
}

#[test]
fn it_is_served_on_the_listeners_that_say_so() {
    let origin = Origin::echo();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("corsair.toml");
    let text = "[forward]\nallow_targets = [\"loopback\"]\n[[route]]\nrespond = { body = \"the route\" }\n\
                [[listen]]\naddress = \"127.0.0.1:0\"\nservices = [\"forward\"]\n\
                [[listen]]\naddress = \"127.0.0.1:0\"\nservices = [\"routes\"]\n";
    fs::write(&file, text).unwrap();
    let corsair = Corsair::start_listeners(&["-c", file.to_str().unwrap()], 2);
    let ask = |at: usize, request: String| {
        let mut client = Client::connect(corsair.addresses()[at]);
        client.send(request);
        client.response()
    };
    let url = format!("GET http://{}/ HTTP/1.1\r\nHost: a\r\n\r\n", origin.address());
    let own = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned();
    assert_eq!((ask(0, url.clone()).status, ask(0, own.clone()).status), (200, 404));
    assert_eq!((&*ask(1, url).text(), &*ask(1, own).text()), ("the route", "the route"));
    let connect = ask(1, "CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned());
    assert_eq!(connect.status, 405);
    assert_eq!(origin.seen().requests.len(), 1);
}

#[test]
fn a_circle_is_seen() {
    let (corsair, _folder) = forward(&[], "");
    let own = corsair.address();
    let response = corsair.ask(format!("GET http://{own}/ HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_eq!((response.status, cause(&response)), (508, "proxy_loop_detected"));
    // Where loopback is not allowed, nobody gets so far.
    let (corsair, _folder) = start("[forward]");
    let own = corsair.address();
    assert_eq!(corsair.ask(format!("GET http://{own}/ HTTP/1.1\r\nHost: a\r\n\r\n")).status, 403);
}

/// A parent proxy that answers a URL with that, and echoes in its tunnels; with the heads that it was sent.
fn parent() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let received = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&received);
    thread::spawn(move || {
        for socket in listener.incoming() {
            let (mut socket, told) = (socket.unwrap(), Arc::clone(&told));
            thread::spawn(move || {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if !matches!(socket.read(&mut byte), Ok(1)) {
                        return;
                    }
                    head.extend_from_slice(&byte);
                }
                let head = support::latin1(&head);
                let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let is_connect = head.starts_with("CONNECT ");
                told.lock().unwrap().push(head);
                if !is_connect {
                    socket.write_all(answer("200 OK", "Connection: close\r\n", &target).as_bytes()).unwrap();
                    return;
                }
                socket.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
                let mut room = [0; 4096];
                while let Ok(size @ 1..) = socket.read(&mut room) {
                    socket.write_all(&room[..size]).unwrap();
                }
            });
        }
    });
    (address, received)
}

#[test]
fn a_parent_gets_urls_and_connects_and_hears_by_whom_they_come() {
    let (parent, received) = parent();
    let (corsair, _folder) = start(&format!(
        "[forward]\n[proxy]\nhttp = \"http://user:pass@{parent}\"\nhttps = \"http://user:pass@{parent}\"",
    ));
    let via = "Via: 1.1 before\r\nProxy-Authorization: Basic mine\r\n";
    let response =
        corsair.ask(format!("GET http://API.example.org:8080/a/../b?c HTTP/1.1\r\nHost: a\r\n{via}\r\n"));
    assert_eq!((response.status, &*response.text()), (200, "http://api.example.org:8080/a/../b?c"));
    tunnel(&corsair, "api.example.org:443", via).send("ping").until(b"ping");
    let refused = corsair.ask("CONNECT inside:443 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(refused.status, 403, "a name that is of no public server");
    let received = received.lock().unwrap().clone();
    let [absolute, connect] = &received[..] else { panic!("{received:?}") };
    assert!(connect.starts_with("CONNECT api.example.org:443 HTTP/1.1\r\n"), "{connect}");
    for head in [absolute, connect] {
        assert!(
            head.contains("Proxy-Authorization: Basic dXNlcjpwYXNz\r\n") && !head.contains("mine"),
            "{head}"
        );
        assert!(head.contains("Via: 1.1 before\r\n") && head.contains("Via: 1.1 corsair ("), "{head}");
    }
    // What has been here comes back.
    let own = connect.lines().find(|line| line.starts_with("Via: 1.1 corsair")).unwrap();
    let again = corsair.ask(format!("CONNECT api.example.org:443 HTTP/1.1\r\nHost: a\r\n{own}\r\n\r\n"));
    assert_eq!((again.status, cause(&again)), (508, "proxy_loop_detected"));
}

#[test]
fn what_it_does_is_counted_under_its_name() {
    let (origin, folder) = (Origin::echo(), tempfile::tempdir().unwrap());
    let admin = folder.path().join("admin.sock").display().to_string();
    let (corsair, _folder) = forward(&[], &format!("[admin]\nlisten = \"unix:{admin}\""));
    let url = format!("GET http://{}/ HTTP/1.1\r\nHost: a\r\n\r\n", origin.address());
    assert_eq!(corsair.ask(url).status, 200);
    let metrics = || {
        let mut client = Client::connect_unix(&admin);
        client.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        client.response().text()
    };
    for line in [
        "corsair_requests_total{route=\"forward\",method=\"GET\",code=\"200\"} 1",
        "corsair_upstream_requests_total{upstream=\"forward\",server=\"forward\",code=\"200\"} 1",
    ] {
        eventually(line, || metrics().lines().any(|own| own == line));
    }
}

/// Ends of pipes that it has open.
fn pipes(corsair: &Corsair) -> usize {
    let links = fs::read_dir(format!("/proc/{}/fd", corsair.pid())).unwrap();
    let links = links.filter_map(|link| fs::read_link(link.unwrap().path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("pipe:")).count()
}

#[test]
fn two_hundred_megabytes_through_a_tunnel_take_no_memory() {
    const SIZE: usize = 200 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let writing = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let piece = support::noise(1 << 20, 5);
        for _ in 0..SIZE >> 20 {
            socket.write_all(&piece).unwrap();
        }
        piece
    });
    let (corsair, _folder) = forward(&[address], "");
    let (before, idle_pipes) = (corsair.peak_memory(), pipes(&corsair));
    let client = tunnel(&corsair, &address.to_string(), "");
    let mut reader = client.writer();
    reader.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut room = vec![0; 1 << 20];
    let (mut count, mut last) = (client.0.unread.len(), client.0.unread.clone());
    let mut is_spliced = false;
    while count < SIZE {
        if count > SIZE / 2 && !is_spliced {
            // What nobody takes stays in its pipe meanwhile.
            eventually("it goes through a pipe", || pipes(&corsair) > idle_pipes);
            is_spliced = true;
        }
        let size = reader.read(&mut room).unwrap();
        assert_ne!(size, 0, "it ended after {count} bytes");
        count += size;
        last.extend_from_slice(&room[..size]);
        let excess = last.len().saturating_sub(1 << 20);
        last.drain(..excess);
    }
    let piece = writing.join().unwrap();
    assert!(count == SIZE && last == piece, "the last of it is exact");
    let grown = corsair.peak_memory() - before;
    assert!(grown < 2 << 20, "{grown} bytes grown");
}

#[test]
fn it_is_reached_over_tls_too() {
    let (authority, echo) = (Authority::new(), raw_echo());
    let leaf = authority.leaf(&["proxy.example"]);
    let (certificate, key) = authority.write(&leaf);
    let (corsair, _folder) = start(&format!(
        "[forward]\nallow_targets = [\"loopback\"]\nconnect_ports = [{}]\n[[listen]]\naddress = \"127.0.0.1:0\"\n\
         tls.certificates = [{{ cert = {certificate:?}, key = {key:?} }}]",
        echo.port()
    ));
    let mut client = Client::connect_tls(corsair.address(), "proxy.example", authority.client(&["http/1.1"]));
    client.send(format!("CONNECT {echo} HTTP/1.1\r\nHost: {echo}\r\n\r\n"));
    assert_eq!(client.next_head().status().unwrap(), 200, "what it leads to is none of its certificate's");
    client.send("ping").until(b"ping");
}

#[test]
fn curl_uses_it_for_both_schemes() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: there is no curl");
        return;
    }
    let (authority, plain) = (Authority::new(), Origin::echo());
    let secure = Origin::start_tls(authority.leaf(&["localhost"]).server(), describe);
    let (corsair, _folder) = forward(&[secure.address()], "");
    for url in
        [format!("http://{}/a", plain.address()), format!("https://localhost:{}/a", secure.address().port())]
    {
        let output = Command::new("curl")
            .args(["-sS", "--max-time", "20", "--noproxy", "", "-x"])
            .arg(format!("http://{}", corsair.address()))
            .arg("--cacert")
            .arg(authority.file())
            .arg(&url)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.starts_with("GET /a"), "{url}: {text} {output:?}");
    }
}
