//! What the process shows of itself, and to whom: metrics, health, state, reload, and the commands that ask for them.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, process::Command};

use rustix::process::Signal;
use serde_json::Value;
use support::{Client, Corsair, Gate, Origin, Response, Then, answer, eventually};

/// A process with a file and an admin listener on a port of its own.
struct Scene {
    folder: tempfile::TempDir,
    corsair: Corsair,
    admin: SocketAddr,
}

impl Scene {
    fn start(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("corsair.toml");
        std::fs::write(&file, text).unwrap();
        let corsair = Corsair::start(&[
            "-c",
            file.to_str().unwrap(),
            "--access-log",
            "off",
            "--admin",
            "127.0.0.1:0",
            "--workers",
            "2",
        ]);
        let started = corsair.wait_for_log("started");
        let (_, admin) = started.split_once("admin=\"http://").unwrap();
        let admin = admin.split('"').next().unwrap().parse().unwrap();
        Self { folder, corsair, admin }
    }

    fn of_origin(origin: &Origin, more: &str) -> Self {
        Self::start(&file(origin, more))
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("corsair.toml")
    }

    fn ask(&self, method: &str, path: &str, fields: &str) -> Response {
        ask(self.admin, method, path, fields)
    }

    fn get(&self, path: &str) -> String {
        let response = self.ask("GET", path, "");
        assert_eq!(response.status, 200, "{path}: {}", response.text());
        response.text()
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.get("/status")).unwrap()
    }

    /// Every series with its value.
    fn series(&self) -> BTreeMap<String, f64> {
        let text = self.get("/metrics");
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        samples
            .map(|line| line.rsplit_once(' ').unwrap())
            .map(|(name, value)| (name.into(), value.parse().unwrap()))
            .collect()
    }
}

fn file(origin: &Origin, more: &str) -> String {
    format!(
        "[[listen]]\naddress = \"127.0.0.1:0\"\n\n[cors]\nallow_origins = [\"https://app.example.com\"]\n\n\
         [upstream.web]\nservers = [\"http://{}\"]\n\n[[route]]\nname = \"api\"\npath = \"/api\"\nupstream = \"web\"\n{more}",
        origin.address()
    )
}

fn ask(admin: SocketAddr, method: &str, path: &str, fields: &str) -> Response {
    let host = if fields.contains("Host:") { String::new() } else { format!("Host: {admin}\r\n") };
    let mut client = Client::connect(admin);
    client.send(format!("{method} {path} HTTP/1.1\r\n{host}{fields}\r\n"));
    client.response_to(method)
}

/// The command with these arguments: its code, and what it has said on both outputs.
fn command(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_corsair")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn counters_move_by_what_was_sent_and_gauges_return_to_zero() {
    let origin = Origin::always(answer("200 OK", "", "hello"));
    let scene = Scene::of_origin(&origin, "");
    for _ in 0..7 {
        assert_eq!(scene.corsair.get("/api/a", "Connection: close\r\n").status, 200);
    }
    scene.corsair.get("/elsewhere", "Connection: close\r\n");
    let preflight = "OPTIONS /api HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n\
                     Access-Control-Request-Method: PUT\r\nConnection: close\r\n\r\n";
    assert_eq!(scene.corsair.ask(preflight).status, 403);
    scene.corsair.get("/api", "Origin: https://app.example.com\r\nConnection: close\r\n");
    let server = format!("upstream=\"web\",server=\"http://{}\"", origin.address());
    // A request is counted when it has ended, which is a moment after its answer.
    eventually("all is counted", || scene.series().get("corsair_connections{side=\"client\"}") == Some(&0.0));
    let series = scene.series();
    let value = |name: &str| series.get(name).copied().unwrap_or(f64::NAN);
    for (name, expected) in [
        ("corsair_requests_total{route=\"api\",method=\"GET\",code=\"200\"}", 8.0),
        ("corsair_requests_total{route=\"api\",method=\"OPTIONS\",code=\"403\"}", 1.0),
        ("corsair_requests_total{route=\"local\",method=\"GET\",code=\"404\"}", 1.0),
        ("corsair_request_duration_seconds_count{route=\"api\"}", 9.0),
        ("corsair_connections_total{side=\"client\"}", 10.0),
        ("corsair_errors_total{cause=\"destination_not_found\"}", 1.0),
        ("corsair_upstream_first_byte_seconds_count{upstream=\"web\"}", 8.0),
        (&format!("corsair_upstream_requests_total{{{server},code=\"200\"}}"), 8.0),
        (&format!("corsair_upstream_failures_total{{{server}}}"), 0.0),
        (&format!("corsair_upstream_up{{{server}}}"), 1.0),
        ("corsair_upstream_verify{upstream=\"web\"}", 1.0),
        (
            "corsair_cors_requests_total{policy=\"default\",kind=\"preflight\",result=\"refused\",reason=\"origin_not_allowed\"}",
            1.0,
        ),
        (
            "corsair_cors_requests_total{policy=\"default\",kind=\"actual\",result=\"allowed\",reason=\"\"}",
            1.0,
        ),
        ("corsair_config_generation", 1.0),
        ("corsair_reloads_total{result=\"applied\"}", 0.0),
        ("corsair_panics_total", 0.0),
        ("corsair_buffers{state=\"used\"}", 0.0),
    ] {
        assert_eq!(value(name), expected, "{name}\n{series:#?}");
    }
    let pooled = ["reused", "new", "stale"]
        .map(|result| value(&format!("corsair_pool_reuse_total{{upstream=\"web\",result=\"{result}\"}}")));
    assert_eq!(pooled.iter().sum::<f64>(), 8.0);
    assert!(value("corsair_memory_bound_bytes") > 0.0 && value("process_resident_memory_bytes") > 0.0);
    let open = value("corsair_connections{side=\"upstream\"}");
    assert_eq!(value("corsair_pool_idle{upstream=\"web\"}"), open, "what is open waits");
}

#[test]
fn hostile_requests_add_no_series() {
    let origin = Origin::always(answer("200 OK", "", "hello"));
    let scene = Scene::of_origin(&origin, "");
    let mut client = scene.corsair.connect();
    let names = |scene: &Scene| scene.series().into_keys().collect::<Vec<_>>();
    let ask = |client: &mut Client, number: usize| {
        client.send(format!(
            "M{number} /api/{number} HTTP/1.1\r\nHost: h{number}.example\r\nOrigin: https://o{number}.example\r\n\r\n"
        ));
        assert_eq!(client.response().status, 200);
    };
    ask(&mut client, 0);
    // All that one of them can add is there.
    eventually("the first is counted", || {
        names(&scene).iter().any(|name| name.contains("method=\"OTHER\",code=\"200\""))
    });
    let before = names(&scene);
    for number in 1..10_000 {
        ask(&mut client, number);
    }
    eventually("all are counted", || {
        let count = "corsair_requests_total{route=\"api\",method=\"OTHER\",code=\"200\"}";
        scene.series().get(count) == Some(&10_000.0)
    });
    let after = names(&scene);
    assert!(after.iter().all(|name| before.contains(name)), "{before:#?} {after:#?}");
}

#[test]
fn no_page_of_another_origin_can_use_it() {
    let scene = Scene::start("[[listen]]\naddress = \"127.0.0.1:0\"\n[gateway]\n");
    let own = format!("Origin: http://{}\r\nSec-Fetch-Site: same-origin\r\n", scene.admin);
    assert_eq!(scene.ask("GET", "/status", &own).status, 200);
    assert_eq!(scene.ask("GET", "/status", "Host:\r\n").status, 200, "a probe");
    for fields in [
        "Host: evil.example\r\n",
        "Origin: https://evil.example\r\n",
        "Origin: null\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
    ] {
        for (method, path) in [("GET", "/"), ("GET", "/status"), ("GET", "/metrics"), ("POST", "/reload")] {
            let response = scene.ask(method, path, fields);
            assert_eq!(response.status, 403, "{method} {path} {fields}");
            assert!(!response.fields.has("access-control-allow-origin"));
        }
    }
    assert_eq!(scene.status()["generation"], 1);
}

#[test]
fn what_is_not_there_is_told_what_is() {
    let scene = Scene::start("[[listen]]\naddress = \"127.0.0.1:0\"\n[gateway]\n");
    for (method, path, status) in [
        ("GET", "/nothing", 404),
        ("POST", "/status", 405),
        ("GET", "/reload", 405),
        ("HEAD", "/metrics", 200),
        ("GET", "/livez", 200),
        ("GET", "/healthz?x", 200),
        ("GET", "/readyz?upstreams", 200),
    ] {
        assert_eq!(scene.ask(method, path, "").status, status, "{method} {path}");
    }
    let mut client = Client::connect(scene.admin);
    client.send(format!("GET / HTTP/1.1\r\nX: {}\r\n", "x".repeat(10_000)));
    assert_eq!(client.response().status, 431);
    let mut client = Client::connect(scene.admin);
    client.send("nonsense\r\n\r\n");
    assert_eq!(client.response().status, 400);
}

#[test]
fn it_is_ready_until_it_is_told_to_stop() {
    let gate = Gate::new();
    let waits = gate.clone();
    let origin = Origin::on_head(move |exchange| {
        exchange.request();
        waits.wait();
        exchange.send(answer("200 OK", "", "late"));
        Then::Close
    });
    let mut scene = Scene::of_origin(&origin, "");
    assert_eq!(scene.ask("GET", "/readyz", "").status, 200);
    let mut client = scene.corsair.connect();
    client.send("GET /api HTTP/1.1\r\nHost: localhost\r\n\r\n");
    origin.wait("the request", |seen| !seen.requests.is_empty());
    scene.corsair.terminate();
    eventually("it is not ready any more", || scene.ask("GET", "/readyz", "").status == 503);
    assert_eq!(scene.ask("GET", "/livez", "").status, 200, "it lives while it drains");
    assert_eq!(scene.status()["state"], "draining");
    assert_eq!(scene.ask("POST", "/reload", "").status, 409);
    gate.open();
    assert_eq!(client.response().text(), "late");
    assert!(scene.corsair.wait_exit().success());
}

#[test]
fn a_reload_is_answered_with_its_generation_or_its_faults() {
    let origin = Origin::always(answer("200 OK", "", "hello"));
    let scene = Scene::of_origin(&origin, "");
    let reloaded = scene.ask("POST", "/reload", "");
    assert_eq!((reloaded.status, reloaded.text().trim()), (200, "{\"generation\":2}"));
    std::fs::write(scene.file(), file(&origin, "surprise = 1\n[cor]\n")).unwrap();
    let refused = scene.ask("POST", "/reload", "");
    let faults: Value = serde_json::from_str(&refused.text()).unwrap();
    assert_eq!((refused.status, faults["faults"].as_array().unwrap().len()), (409, 2), "{faults}");
    let status = scene.status();
    assert_eq!((&status["generation"], &status["config"]["generation"]), (&2.into(), &2.into()));
    assert!(status["config"]["fault"].as_str().unwrap().contains("surprise"));
    let series = scene.series();
    assert_eq!(series["corsair_reloads_total{result=\"refused\"}"], 1.0);
    // A signal says the same as a question.
    std::fs::write(scene.file(), file(&origin, "")).unwrap();
    scene.corsair.signal(Signal::HUP);
    eventually("the fault is gone", || scene.status()["config"]["fault"].is_null());
    assert_eq!(scene.status()["generation"], 3);
}

#[test]
fn whoever_is_refused_stands_there_with_the_line_that_would_change_it() {
    let origin = Origin::always(answer("200 OK", "", "hello"));
    let scene = Scene::of_origin(&origin, "");
    scene.corsair.get("/api/x?token=secret", "Origin: https://evil.example\r\n");
    eventually("it is written down", || !scene.status()["refused"].as_array().unwrap().is_empty());
    let status = scene.status();
    let refused = &status["refused"][0];
    for (key, expected) in [
        ("origin", "https://evil.example"),
        ("method", "GET"),
        ("path", "/api/x?token=***"),
        ("route", "api"),
        ("policy", "default"),
        ("kind", "actual"),
        ("reason", "origin not allowed"),
        ("setting", "cors.allow_origins"),
        ("hint", "add \"https://evil.example\" to cors.allow_origins"),
    ] {
        assert_eq!(refused[key], expected, "{status:#}");
    }
    let place = refused["place"].as_str().unwrap();
    assert!(place.ends_with("corsair.toml:5:18"), "{place}");
    // What the next configuration allows is no refusal of it.
    scene.ask("POST", "/reload", "");
    assert_eq!(scene.status()["refused"].as_array().unwrap().len(), 0);
}

#[test]
fn the_state_names_all_that_the_contract_names() {
    let origin = Origin::always(answer("200 OK", "", "hello"));
    let scene = Scene::of_origin(&origin, "");
    scene.corsair.get("/api", "");
    let status = scene.status();
    for key in [
        "version",
        "generation",
        "started",
        "time",
        "state",
        "workers",
        "listeners",
        "connections",
        "upstreams",
        "cors",
        "refused",
        "certificates",
        "limits",
        "errors",
        "requests",
        "memory",
        "log",
        "config",
        "history",
    ] {
        assert!(status.get(key).is_some(), "{key}");
    }
    let listener = format!("http://{}", scene.corsair.address());
    assert_eq!(status["listeners"][0]["address"], listener.as_str());
    assert_eq!(status["workers"].as_array().unwrap().len(), 2);
    eventually("the server's request is counted", || {
        let server = &scene.status()["upstreams"][0]["servers"][0];
        server["requests"] == 1 && server["state"] == "up" && server["in_use"] == 0 && server["idle"] == 1
    });
    eventually("seconds pass", || scene.status()["history"]["requests"].as_array().unwrap().len() >= 2);
}

#[test]
fn the_page_comes_whole_and_may_ask_this_listener_alone() {
    let scene = Scene::start("[[listen]]\naddress = \"127.0.0.1:0\"\n[gateway]\n");
    let page = scene.ask("GET", "/", "");
    assert_eq!((page.status, page.field("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.field("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none';") && policy.contains("connect-src 'self'"), "{policy}");
    assert!(page.text().contains("<title>corsair") && page.text().contains("uPlot"));
}

#[test]
fn status_and_reload_ask_from_the_command_line() {
    let origin = Origin::always(answer("200 OK", "", "hello"));
    let scene = Scene::of_origin(&origin, "");
    scene.corsair.get("/api", "Origin: https://evil.example\r\n");
    eventually("it is written down", || !scene.status()["refused"].as_array().unwrap().is_empty());
    let admin = scene.admin.to_string();
    let (code, out, _) = command(&["status", "--admin", &admin]);
    assert_eq!(code, Some(0));
    for wanted in [
        "serving",
        "upstream web",
        "origin not allowed",
        "add \"https://evil.example\" to cors.allow_origins",
    ] {
        assert!(out.contains(wanted), "{wanted}: {out}");
    }
    assert!(!out.contains('\u{1b}'), "a pipe gets plain text");
    let (code, out, _) = command(&["reload", "--admin", &admin]);
    assert_eq!((code, out.as_str()), (Some(0), "reloaded, generation 2\n"));
    std::fs::write(scene.file(), "surprise = 1").unwrap();
    let (code, _, err) = command(&["reload", "--admin", &admin]);
    assert_eq!(code, Some(1));
    assert!(err.contains("surprise") && err.contains("refused"), "{err}");
    let (code, _, err) = command(&["status", "--admin", "127.0.0.1:1"]);
    assert!(code == Some(1) && err.contains("nobody answers at http://127.0.0.1:1"), "{err}");
    let (code, _, err) = command(&["status", "--admin", "nonsense"]);
    assert!(code == Some(2) && err.contains("--admin"), "{err}");
}

#[test]
fn a_unix_socket_serves_it_too_and_its_file_goes_with_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let address = format!("unix:{}", socket.display());
    let mut corsair = Corsair::start(&["--admin", &address]);
    corsair.wait_for_log("started");
    let (code, out, err) = command(&["status", "--admin", &address]);
    assert!(code == Some(0) && out.contains("serving"), "{out} {err}");
    let (code, ..) = command(&["reload", "--admin", &address]);
    assert_eq!(code, Some(0));
    corsair.terminate();
    assert!(corsair.wait_exit().success());
    assert!(!socket.exists());
}
