//! Presets: what browser clients of MCP servers and of OpenAI-style APIs need, and nobody else.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use support::{Corsair, Origin, Response, Then, answer, gate::Gate};

const PAGE: &str = "Origin: http://localhost:5173\r\n";

/// A server behind a flag such as `--mcp`, at this path.
fn in_front_of(origin: &Origin, flag: &str, path: &str, more: &[&str]) -> Corsair {
    let url = format!("http://{}{path}", origin.address());
    Corsair::start(&[&[flag, &url], more].concat())
}

fn preflight(corsair: &Corsair, origin: &str, method: &str, fields: &str) -> Response {
    corsair.ask(format!(
        "OPTIONS /mcp HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: {method}\r\n\
         Access-Control-Request-Headers: {fields}\r\n\r\n"
    ))
}

#[test]
fn what_browser_clients_of_such_servers_ask_for_is_granted() {
    let origin = Origin::echo();
    for (flag, asked, refused) in [
        (
            "--mcp",
            "accept,authorization,content-type,last-event-id,mcp-session-id,mcp-protocol-version,mcp-method,mcp-name,\
             mcp-param-region",
            "x-stainless-os",
        ),
        (
            "--llm",
            "authorization,content-type,user-agent,openai-organization,openai-project,openai-beta,x-stainless-arch,\
             x-stainless-retry-count,x-stainless-timeout,anthropic-version,anthropic-beta,\
             anthropic-dangerous-direct-browser-access,x-api-key,idempotency-key",
            "mcp-session-id",
        ),
    ] {
        let corsair = in_front_of(&origin, flag, "/mcp", &[]);
        for method in ["GET", "POST", "DELETE"] {
            let response = preflight(&corsair, "http://localhost:5173", method, asked);
            assert_eq!(response.status, 204, "{flag} {method}: {:?}", response.fields);
            assert_eq!(response.field("access-control-allow-headers"), Some(asked), "{flag}");
            assert_eq!(response.field("access-control-allow-origin"), Some("http://localhost:5173"));
        }
        for (origin, method, asked, reason) in [
            ("https://evil.example", "POST", asked, "origin not allowed"),
            ("http://localhost:5173", "PUT", asked, "method not allowed: PUT"),
            ("http://localhost:5173", "POST", refused, &*format!("header not allowed: {refused}")),
        ] {
            let response = preflight(&corsair, origin, method, asked);
            let verdict = format!("refused; reason=\"{reason}\"");
            assert_eq!((response.status, response.field("corsair-cors")), (403, Some(&*verdict)), "{flag}");
        }
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn what_such_servers_answer_with_is_exposed() {
    let origin = Origin::echo();
    for (flag, names) in [
        ("--mcp", &["mcp-session-id", "mcp-protocol-version", "www-authenticate", "retry-after"][..]),
        (
            "--llm",
            &[
                "x-request-id",
                "request-id",
                "x-ratelimit-remaining-tokens",
                "anthropic-ratelimit-tokens-reset",
                "retry-after",
                "openai-processing-ms",
            ],
        ),
    ] {
        let response = in_front_of(&origin, flag, "/", &[]).get("/mcp", PAGE);
        let exposed = response.fields.members("access-control-expose-headers");
        for name in names {
            assert!(exposed.contains(&(*name).to_owned()), "{flag} {name}: {exposed:?}");
        }
    }
    let corsair = in_front_of(&origin, "--mcp", "/", &["--expose-header", "x-own"]);
    assert_eq!(corsair.get("/mcp", PAGE).field("access-control-expose-headers"), Some("x-own"));
}

#[test]
fn only_pages_and_programs_of_this_machine_get_to_a_server_behind_a_preset() {
    let origin = Origin::echo();
    let corsair = in_front_of(&origin, "--mcp", "/mcp", &[]);
    let ask = |method: &str, host: &str, fields: &str| {
        corsair
            .ask(format!("{method} /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n{fields}\r\n"))
            .status
    };
    for host in ["localhost", "localhost:3000", "127.0.0.1:3000", "[::1]:3000"] {
        assert_eq!(ask("POST", host, ""), 200, "a program, {host}");
        assert_eq!(ask("POST", host, PAGE), 200, "a page of this machine, {host}");
        assert_eq!(ask("POST", host, "Origin: https://evil.example\r\n"), 403, "another page, {host}");
        assert_eq!(ask("GET", host, "Origin: null\r\n"), 403, "a sandboxed frame, {host}");
    }
    let reached = origin.seen().requests.len();
    // A page whose name was bound to this machine is no other origin to its browser, and sends none with GET.
    for (method, fields) in
        [("GET", ""), ("POST", "Origin: http://rebound.example\r\n"), ("DELETE", ""), ("GET", PAGE)]
    {
        assert_eq!(ask(method, "rebound.example", fields), 403, "{method} {fields}");
    }
    assert_eq!(origin.seen().requests.len(), reached);
    // A route that names another policy asks for no host.
    let plain = Corsair::reverse(origin.address(), &[]);
    assert_eq!(plain.ask("GET / HTTP/1.1\r\nHost: rebound.example\r\n\r\n").status, 200);
}

#[test]
fn off_loopback_the_hosts_that_were_named_are_asked_for() {
    let origin = Origin::echo();
    let url = format!("http://{}/mcp", origin.address());
    let arguments = ["--mcp", &url, "-l", "0.0.0.0:0", "--allow-host", "mcp.example.com"];
    let more = ["--allow-origin", "https://app.example.com"];
    let corsair = Corsair::start(&[&arguments[..], &more].concat());
    for (host, status) in [("mcp.example.com", 200), ("localhost", 403), ("192.0.2.1", 403)] {
        let fields = "Origin: https://app.example.com\r\n";
        let response = corsair.ask(format!("GET /mcp HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"));
        assert_eq!(response.status, status, "{host}");
    }
    let ended = Corsair::run_to_end(&["--mcp", &url, "-l", "0.0.0.0:0"]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.starts_with("corsair: --allow-host: is missing: others reach 0.0.0.0:0"),
        "{}",
        ended.stderr
    );
}

#[test]
fn the_path_of_the_server_is_told_and_no_prefix() {
    let origin = Origin::echo();
    for (flag, path) in [("--mcp", "/mcp"), ("--llm", "/v1")] {
        let corsair = in_front_of(&origin, flag, path, &[]);
        let told = format!("client=\"http://{}{path}\"", corsair.address());
        corsair.wait_for_log(&told);
        for target in [path, "/.well-known/oauth-protected-resource"] {
            assert_eq!(corsair.get(target, PAGE).status, 200);
            let seen = origin.seen();
            assert_eq!(seen.requests.last().unwrap().target, target);
        }
    }
}

#[test]
fn each_event_of_a_stream_reaches_the_page_before_the_next_one_is_sent() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nMcp-Session-Id: s1\r\n\
                        Transfer-Encoding: chunked\r\n\r\n";
    let gates = [Gate::new(), Gate::new(), Gate::new()];
    let came = gates.clone();
    let origin = Origin::on_head(move |exchange| {
        exchange.request();
        exchange.send(HEAD);
        for (event, came) in came.iter().enumerate() {
            let event = format!("id: {event}\ndata: {{}}\n\n");
            exchange.send(format!("{:x}\r\n{event}\r\n", event.len()));
            came.wait();
        }
        exchange.send("0\r\n\r\n");
        Then::KeepAlive
    });
    let corsair = in_front_of(&origin, "--mcp", "/mcp", &[]);
    let mut client = corsair.connect();
    client.send(format!(
        "GET /mcp HTTP/1.1\r\nHost: localhost\r\n{PAGE}Accept: text/event-stream\r\nLast-Event-ID: 7\r\n\
         Mcp-Session-Id: s1\r\n\r\n"
    ));
    for (event, gate) in gates.iter().enumerate() {
        // The server sends no other one before this has come.
        client.until(format!("id: {event}\n").as_bytes());
        gate.open();
    }
    client.until(b"0\r\n\r\n");
    let request = origin.only_request();
    assert_eq!(request.fields.get("last-event-id"), Some("7"));
    assert_eq!(request.fields.get("mcp-session-id"), Some("s1"));
}

#[test]
fn a_preset_of_a_file_holds_for_the_routes_that_name_it() {
    let origin = Origin::start(|_| answer("200 OK", "Mcp-Session-Id: s1\r\n", "ok").into());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("corsair.toml");
    let text = format!(
        "[[listen]]\naddress = \"127.0.0.1:0\"\n[log]\naccess = \"off\"\n[upstream.a]\nservers = [\"http://{}\"]\n\
         [policy.tools]\npreset = \"mcp\"\nallow_origins = [\"https://app.example.com\"]\n\
         [[route]]\npath = \"/mcp\"\nupstream = \"a\"\ncors = \"tools\"\n[[route]]\nupstream = \"a\"\n",
        origin.address()
    );
    std::fs::write(&file, text).unwrap();
    let corsair = Corsair::start(&["-c", file.to_str().unwrap()]);
    for (target, origin, status) in [
        ("/mcp", "https://app.example.com", 200),
        ("/mcp", "http://localhost:5173", 403),
        ("/other", "http://localhost:5173", 200),
    ] {
        let response = corsair.get(target, &format!("Origin: {origin}\r\n"));
        assert_eq!(response.status, status, "{target} {origin}");
    }
    let printed = Corsair::run_to_end(&["check", "--print", "-c", file.to_str().unwrap()]).stdout;
    assert!(printed.contains("preset = \"mcp\""), "{printed}");
}
