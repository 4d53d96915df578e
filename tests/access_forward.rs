//! A service that says who is let in: what it is asked, and what becomes of its answers.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{fs, net::SocketAddr, time::Duration};

use support::{Client, Corsair, Gate, Origin, Response, Then, answer, eventually};

const ORIGIN: &str = "Origin: https://app.example.com\r\n";

/// A process whose route `/app` asks a service, and what is behind both.
struct Scene {
    folder: tempfile::TempDir,
    corsair: Corsair,
    service: Origin,
    origin: Origin,
}

impl Scene {
    /// With a service that always answers so.
    fn answering(response: impl Into<Vec<u8>>) -> Self {
        Self::with(Origin::always(response), "")
    }

    fn with(service: Origin, more: &str) -> Self {
        let origin = Origin::echo();
        let url = format!("http://{}/verify?realm=a%20b", service.address());
        let (folder, corsair) = start(&url, origin.address(), more);
        Self { folder, corsair, service, origin }
    }

    fn ask(&self, method: &str, fields: &str) -> Response {
        let mut client = self.corsair.connect();
        client.send(format!("{method} /app/x?y=1 HTTP/1.1\r\nHost: app.example\r\n{fields}\r\n"));
        client.response_to(method)
    }

    /// The value of this metric.
    fn counted(&self, begins: &str) -> Option<String> {
        let name = self.folder.path().join("admin.sock").display().to_string();
        let mut client = Client::connect_unix(&name);
        client.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let text = client.response().text();
        text.lines().find_map(|line| line.strip_prefix(begins)).map(|value| value.trim().to_owned())
    }
}

fn start(service: &str, origin: SocketAddr, more: &str) -> (tempfile::TempDir, Corsair) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("corsair.toml");
    let users = folder.path().join("users");
    let hash = bcrypt::hash_with_salt("pw", 4, [7; 16]).unwrap().format_for_version(bcrypt::Version::TwoY);
    fs::write(&users, format!("ann:{hash}\n")).unwrap();
    let text = format!(
        "[[listen]]\naddress = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n[admin]\nlisten = \"unix:{}\"\n\
         [upstream.web]\nservers = [\"http://{origin}\"]\n\
         [access.sso]\nforward = {{ url = \"{service}\", pass = [\"Remote-User\", \"x-groups\"], timeout = \"5s\" }}\n\
         [access.staff]\nbasic.file = {users:?}\n\
         [access.hasty]\nforward = {{ url = \"{service}\", timeout = \"300ms\" }}\n\
         [[route]]\nname = \"app\"\npath = \"/app\"\nupstream = \"web\"\naccess = [\"sso\"]\n\
         [[route]]\nname = \"hasty\"\npath = \"/hasty\"\nupstream = \"web\"\naccess = [\"hasty\"]\n\
         [[route]]\nname = \"both\"\npath = \"/both\"\nupstream = \"web\"\naccess = [\"sso\", \"staff\"]\n{more}",
        folder.path().join("admin.sock").display(),
    );
    fs::write(&file, text).unwrap();
    let corsair = Corsair::start(&["-c", file.to_str().unwrap(), "-v"]);
    (folder, corsair)
}

fn is_exposed(response: &Response, name: &str) -> bool {
    response.fields.members("access-control-expose-headers").iter().any(|exposed| exposed == name)
}

#[test]
fn the_service_is_asked_about_the_request_and_gets_nothing_of_its_body() {
    let scene = Scene::answering(answer("200 OK", "", ""));
    let fields = "Cookie: session=1\r\nAuthorization: Bearer t\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Uri: /public\r\n\
                  X-Original-URL: /public\r\nX-Forwarded-For: 10.0.0.1\r\nIf-None-Match: \"a\"\r\nRange: bytes=0-1\r\n\
                  Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\nConnection: x-hop\r\nX-Hop: 1\r\nX-Own: 2\r\n\
                  Accept: text/html\r\n";
    let mut client = scene.corsair.connect();
    client
        .send(format!("PUT /app/x?y=1 HTTP/1.1\r\nHost: app.example\r\n{fields}\r\n5\r\nhello\r\n0\r\n\r\n"));
    assert_eq!(client.response().status, 200);
    let question = scene.service.only_request();
    assert_eq!((&*question.method, &*question.target), ("GET", "/verify?realm=a%20b"));
    assert_eq!(question.body, b"");
    let service = scene.service.address().to_string();
    for (name, expected) in [
        ("host", Some(&*service)),
        ("x-forwarded-method", Some("PUT")),
        ("x-forwarded-uri", Some("/app/x?y=1")),
        ("x-forwarded-host", Some("app.example")),
        ("x-forwarded-proto", Some("http")),
        ("x-forwarded-for", Some("127.0.0.1")),
        ("cookie", Some("session=1")),
        ("authorization", Some("Bearer t")),
        ("accept", Some("text/html")),
        ("x-own", Some("2")),
        ("x-original-url", None),
        ("content-length", None),
        ("content-type", None),
        ("transfer-encoding", None),
        ("connection", None),
        ("x-hop", None),
        ("if-none-match", None),
        ("range", None),
    ] {
        assert_eq!(question.fields.get(name), expected, "{name}: {question:?}");
    }
    let request = scene.origin.only_request();
    assert_eq!((&*request.method, &*request.body), ("PUT", &b"hello"[..]));
    for (name, expected) in
        [("cookie", Some("session=1")), ("range", Some("bytes=0-1")), ("x-forwarded-method", None)]
    {
        assert_eq!(request.fields.get(name), expected, "{name}: {request:?}");
    }
}

#[test]
fn what_the_service_says_of_who_asks_takes_the_place_of_what_the_client_says() {
    let named = Scene::answering(answer(
        "202 Accepted",
        "Remote-User: ann\r\nX-Groups: a\r\nX-Groups: b\r\nX-Own: no\r\n",
        "ok",
    ));
    let nameless = Scene::answering("HTTP/1.1 204 No Content\r\n\r\n");
    for claim in
        ["", "Remote-User: root\r\n", "remote_user: root\r\nREMOTE-USER: root\r\nx_groups: admin\r\n"]
    {
        assert_eq!(named.ask("GET", claim).status, 200);
        let fields = named.origin.seen().requests.last().unwrap().fields.clone();
        assert_eq!(
            (fields.all("remote-user"), fields.all("x-groups")),
            (vec!["ann"], vec!["a", "b"]),
            "{claim}"
        );
        assert!(!fields.has("remote_user") && !fields.has("x_groups") && !fields.has("x-own"), "{fields:?}");
        assert_eq!(nameless.ask("GET", claim).status, 200);
        let fields = nameless.origin.seen().requests.last().unwrap().fields.clone();
        for name in ["remote-user", "remote_user", "x-groups", "x_groups"] {
            assert!(!fields.has(name), "{claim}: {fields:?}");
        }
    }
}

#[test]
fn anything_but_a_2xx_is_the_answer_and_a_page_can_read_it() {
    let portal = "Location: https://auth.example/?rd=x\r\nSet-Cookie: s=1; Path=/\r\n";
    for (status, fields, body) in [
        ("401 Unauthorized", "WWW-Authenticate: Bearer realm=\"sso\"\r\n", "log in"),
        ("302 Found", portal, ""),
        (
            "403 Forbidden",
            "Access-Control-Allow-Origin: https://evil.example\r\nConnection: x-hop\r\nX-Hop: 1\r\n",
            "no",
        ),
        ("500 Internal Server Error", "", "broken"),
    ] {
        let scene = Scene::answering(answer(status, fields, body));
        let mut client = scene.corsair.connect();
        for method in ["GET", "HEAD", "POST"] {
            let length = if method == "POST" { "Content-Length: 5\r\n" } else { "" };
            let upload = if method == "POST" { "hello" } else { "" };
            client.send(format!("{method} /app HTTP/1.1\r\nHost: a\r\n{ORIGIN}{length}\r\n{upload}"));
            let response = client.response_to(method);
            let context = format!("{method} {status}: {response:?}");
            assert_eq!(response.status.to_string(), status[..3], "{context}");
            assert_eq!(response.text(), if method == "HEAD" { "" } else { body }, "{context}");
            assert_eq!(response.field("content-length"), Some(&*body.len().to_string()), "{context}");
            assert_eq!(response.field("access-control-allow-origin"), Some("*"), "{context}");
            assert_eq!(response.field("corsair-cors"), Some("allowed"), "{context}");
            assert!(!response.fields.has("x-hop") && !response.closes(), "{context}");
            match status {
                "401 Unauthorized" => {
                    assert_eq!(response.field("www-authenticate"), Some("Bearer realm=\"sso\""), "{context}");
                    assert!(is_exposed(&response, "www-authenticate"), "{context}");
                }
                "302 Found" => {
                    assert_eq!(response.field("location"), Some("https://auth.example/?rd=x"), "{context}");
                    assert_eq!(response.field("set-cookie"), Some("s=1; Path=/"), "{context}");
                }
                _ => {}
            }
        }
        assert_eq!(scene.service.lines(), ["GET /verify?realm=a%20b"; 3], "{status}");
        assert_eq!(scene.origin.connections(), 0, "the upstream sees nothing of who is refused");
    }
}

#[test]
fn a_long_answer_is_relayed_as_it_comes() {
    let (begun, rest) = (Gate::new(), Gate::new());
    let (first, second) = (begun.clone(), rest.clone());
    let service = Origin::on_head(move |exchange| {
        exchange.request();
        exchange.send("HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n");
        for _ in 0..16 {
            exchange.send(vec![b'a'; 64 << 10]);
        }
        first.open();
        second.wait();
        exchange.send("\r\n3\r\nend\r\n0\r\n\r\n");
        Then::KeepAlive
    });
    let scene = Scene::with(service, "");
    let mut client = scene.corsair.connect();
    client.send("GET /app HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.head().start.starts_with("HTTP/1.1 403"));
    client.until(b"aaaa");
    begun.wait();
    rest.open();
    client.until(b"end");
}

#[test]
fn where_the_service_cannot_be_asked_it_is_a_503_that_a_page_can_read() {
    let closing = |_: &mut support::Exchange<'_>| Then::Close;
    let silent = |_: &mut support::Exchange<'_>| Then::Hold;
    let saying = |text: &'static str| {
        move |exchange: &mut support::Exchange<'_>| {
            exchange.send(text);
            Then::Close
        }
    };
    let scenes = [
        ("closes", Scene::with(Origin::on_head(closing), "")),
        ("is silent", Scene::with(Origin::on_head(silent), "")),
        ("is no HTTP", Scene::with(Origin::on_head(saying("SSH-2.0-x\r\n\r\n")), "")),
        (
            "switches",
            Scene::with(
                Origin::on_head(saying(
                    "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
                )),
                "",
            ),
        ),
        (
            "has two lengths",
            Scene::with(
                Origin::on_head(saying("HTTP/1.1 403 x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")),
                "",
            ),
        ),
    ];
    let origin = Origin::echo();
    let (_folder, dead) = start("http://127.0.0.1:9/verify", origin.address(), "");
    let corsairs =
        scenes.iter().map(|(what, scene)| (*what, &scene.corsair)).chain([("is not there", &dead)]);
    for (what, corsair) in corsairs {
        let mut client = corsair.connect();
        // The connection goes on behind it.
        for _ in 0..2 {
            client.send(format!("GET /hasty/x HTTP/1.1\r\nHost: a\r\n{ORIGIN}\r\n"));
            let response = client.response();
            let context = format!("a service that {what}: {response:?}");
            assert_eq!((response.status, response.field("retry-after")), (503, Some("1")), "{context}");
            assert_eq!(
                response.field("proxy-status"),
                Some("corsair; error=destination_unavailable"),
                "{context}"
            );
            assert_eq!(response.field("access-control-allow-origin"), Some("*"), "{context}");
            assert!(is_exposed(&response, "retry-after"), "{context}");
        }
        assert_eq!(corsair.wait_for_record("/hasty/x")["access"], "hasty");
    }
    let closing = &scenes[0].1;
    assert_eq!(
        closing.counted("corsair_access_total{access=\"hasty\",result=\"error\"}").as_deref(),
        Some("2")
    );
    assert!(scenes.iter().all(|(_, scene)| scene.origin.connections() == 0) && origin.connections() == 0);
}

#[test]
fn each_request_is_asked_about_and_over_one_connection() {
    for ok in [
        answer("200 OK", "", ""),
        answer("200 OK", "", "welcome"),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".into(),
    ] {
        let scene = Scene::answering(&*ok);
        for _ in 0..3 {
            assert_eq!(scene.ask("GET", "").status, 200);
        }
        assert_eq!((scene.service.lines().len(), scene.service.connections()), (3, 1), "{ok}");
        assert_eq!(
            scene.counted("corsair_access_total{access=\"sso\",result=\"admitted\"}").as_deref(),
            Some("3")
        );
    }
}

#[test]
fn a_preflight_is_never_asked_and_what_is_passed_on_of_one_says_nothing_of_who_asks() {
    let more = "[policy.own]\npreflight = \"forward\"\n[[route]]\npath = \"/own\"\nupstream = \"web\"\naccess = [\"sso\"]\n\
                cors = \"own\"\n";
    let scene = Scene::with(Origin::always(answer("403 Forbidden", "", "")), more);
    let preflight = format!("{ORIGIN}Access-Control-Request-Method: PUT\r\nRemote-User: root\r\n");
    assert_eq!(scene.ask("OPTIONS", &preflight).status, 204);
    let forwarded = format!("OPTIONS /own HTTP/1.1\r\nHost: a\r\n{preflight}\r\n");
    assert_eq!(scene.corsair.ask(forwarded).status, 200);
    assert!(!scene.origin.only_request().fields.has("remote-user"));
    assert_eq!(scene.service.connections(), 0);
    assert_eq!(scene.ask("OPTIONS", ORIGIN).status, 403, "no preflight is asked");
}

#[test]
fn a_body_is_not_asked_for_before_the_request_is_let_in() {
    let (asked, lets_in) = (Gate::new(), Gate::new());
    let (is_asked, waits) = (asked.clone(), lets_in.clone());
    let service = Origin::on_head(move |exchange| {
        exchange.request();
        exchange.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n");
        is_asked.open();
        waits.wait();
        exchange.send(answer("200 OK", "", ""));
        Then::KeepAlive
    });
    let origin = Origin::on_head(|exchange| {
        exchange.send("HTTP/1.1 100 Continue\r\n\r\n");
        let body = exchange.request().map(|request| request.body).unwrap_or_default();
        exchange.send(answer("200 OK", "", &String::from_utf8_lossy(&body)));
        Then::KeepAlive
    });
    let url = format!("http://{}/", service.address());
    let (_folder, corsair) = start(&url, origin.address(), "");
    let mut client = corsair.connect();
    client.send("POST /app HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    asked.wait();
    assert!(client.is_quiet_for(Duration::from_millis(200)), "what the service says meanwhile is for nobody");
    assert_eq!(origin.connections(), 0);
    lets_in.open();
    assert!(client.next_head().start.starts_with("HTTP/1.1 100"));
    client.send("hello");
    assert_eq!(client.response().text(), "hello");
    assert!(!service.only_request().fields.has("expect"));
}

#[test]
fn a_client_that_leaves_takes_the_question_with_it() {
    for leaves in ["by a reset", "by a FIN of a browser"] {
        let (asked, left) = (Gate::new(), Gate::new());
        let (is_asked, is_left) = (asked.clone(), left.clone());
        let service = Origin::on_head(move |exchange| {
            is_asked.open();
            if exchange.peer_closes() {
                is_left.open();
            }
            Then::Close
        });
        let scene = Scene::with(service, "");
        let mut client = scene.corsair.connect();
        client.send(format!("POST /app/left HTTP/1.1\r\nHost: a\r\n{ORIGIN}Content-Length: 9\r\n\r\nhell"));
        asked.wait();
        if leaves == "by a reset" {
            client.reset();
        } else {
            client.shutdown_write();
        }
        left.wait();
        assert_eq!(scene.corsair.wait_for_record("/app/left")["status"], 499, "{leaves}");
        assert_eq!(scene.origin.connections(), 0, "{leaves}");
        assert_eq!(scene.counted("corsair_access_total{access=\"sso\",result=\"error\"}"), None, "{leaves}");
    }
}

#[test]
fn a_refusal_reaches_a_client_that_is_still_sending() {
    let scene = Scene::answering(answer("401 Unauthorized", "", "log in"));
    let mut client = scene.corsair.connect();
    client.send("POST /app HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    client.offer(vec![b'a'; 200_000]);
    let response = client.response();
    assert_eq!((response.status, &*response.text()), (401, "log in"));
    assert!(response.closes(), "{response:?}");
}

#[test]
fn what_lets_somebody_in_at_a_gateway_goes_to_no_target() {
    let service = Origin::always(answer("200 OK", "Remote-User: ann\r\n", ""));
    let more = "[gateway]\nallow_targets = [\"any\"]\naccess = [\"sso\"]\n";
    let scene = Scene::with(service, more);
    let credentials =
        "Authorization: Bearer t\r\nCookie: session=1\r\nRemote-User: root\r\nSec-Fetch-Mode: cors\r\n";
    let target = format!("/?url=http://{}/x", scene.origin.address());
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{credentials}\r\n");
    assert_eq!(scene.corsair.ask(request).status, 200);
    let question = scene.service.only_request().fields;
    assert_eq!(
        (question.get("cookie"), question.get("authorization")),
        (Some("session=1"), Some("Bearer t"))
    );
    assert_eq!(question.get("x-forwarded-uri"), Some(&*target));
    let asked = scene.origin.only_request().fields;
    for name in ["authorization", "cookie", "remote-user", "x-forwarded-for", "x-forwarded-uri"] {
        assert!(!asked.has(name), "{name}: {asked:?}");
    }
}

#[test]
fn a_password_is_verified_before_the_service_is_asked_and_both_must_admit() {
    let scene = Scene::answering(answer("403 Forbidden", "", "not you"));
    let ask = |credentials: &str| {
        let fields = format!("Authorization: Basic {credentials}\r\n");
        scene.corsair.ask(format!("GET /both HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
    };
    assert_eq!(ask("YW5uOnh4").status, 401);
    assert_eq!(scene.service.connections(), 0, "nobody asks for whom a table refuses");
    for _ in 0..2 {
        assert_eq!(ask("YW5uOnB3").text(), "not you");
    }
    let counted = |table: &str, result: &str| {
        scene.counted(&format!("corsair_access_total{{access=\"{table}\",result=\"{result}\"}}"))
    };
    assert_eq!(counted("staff", "refused").as_deref(), Some("1"));
    // What a service answers has arrived before it is counted.
    eventually("both are counted", || {
        counted("staff", "admitted").as_deref() == Some("2")
            && counted("sso", "refused").as_deref() == Some("2")
    });
}

#[test]
fn a_websocket_is_asked_about_like_any_request() {
    let upgrade =
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\nSec-WebSocket-Version: 13\r\n";
    let refusing = Scene::answering(answer("403 Forbidden", "", ""));
    assert_eq!(refusing.ask("GET", upgrade).status, 403);
    assert!(!refusing.service.only_request().fields.has("upgrade"));
    let service = Origin::always(answer("200 OK", "Remote-User: ann\r\n", ""));
    let origin = Origin::on_head(|exchange| {
        exchange.request();
        exchange.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nhello",
        );
        Then::Hold
    });
    let (_folder, corsair) = start(&format!("http://{}/", service.address()), origin.address(), "");
    let mut client = corsair.connect();
    client.send(format!("GET /app HTTP/1.1\r\nHost: a\r\n{upgrade}\r\n"));
    assert!(client.head().start.starts_with("HTTP/1.1 101"));
    client.until(b"hello");
    assert_eq!(origin.only_request().fields.get("remote-user"), Some("ann"));
}

#[test]
fn a_service_behind_tls_is_verified_by_its_own_authorities() {
    let authority = support::certificates::Authority::new();
    let leaf = authority.leaf(&["localhost"]);
    let service = Origin::start_tls(leaf.server(), |_| answer("200 OK", "", "").into());
    let origin = Origin::echo();
    let more = format!(
        "[access.known]\nforward = {{ url = \"https://localhost:{}/v\", ca = {:?} }}\n\
         [access.strange]\nforward = {{ url = \"https://localhost:{0}/v\" }}\n\
         [[route]]\npath = \"/known\"\nupstream = \"web\"\naccess = [\"known\"]\n\
         [[route]]\npath = \"/strange\"\nupstream = \"web\"\naccess = [\"strange\"]\n",
        service.address().port(),
        authority.file(),
    );
    let (_folder, corsair) = start("http://127.0.0.1:9", origin.address(), &more);
    assert_eq!(corsair.get("/known", "").status, 200);
    assert_eq!(corsair.get("/strange", "").status, 503);
    eventually("the handshake was ended", || service.seen().failed_handshakes > 0);
}

#[test]
fn what_is_explained_says_that_a_service_decides() {
    let scene = Scene::answering(answer("403 Forbidden", "", ""));
    let file = scene.folder.path().join("corsair.toml");
    let arguments = [
        "explain",
        "-c",
        file.to_str().unwrap(),
        "--origin",
        "https://app.example.com",
        "http://127.0.0.1/app",
    ];
    let ended = Corsair::run_to_end(&arguments);
    assert!(ended.stdout.contains("access.sso asks its service"), "{} {}", ended.stdout, ended.stderr);
    assert_eq!(scene.service.connections(), 0);
}
