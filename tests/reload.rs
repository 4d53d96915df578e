//! Another configuration for the same process: what changes, when, and what goes on.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::Signal;
use support::{
    Client, Corsair, Gate, Origin, Then, answer, certificates::Authority, eventually, noise, sha256,
};

/// A configuration file, and the process that was started with it.
struct Scene {
    _folder: tempfile::TempDir,
    file: PathBuf,
    corsair: Corsair,
}

impl Scene {
    fn start(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("corsair.toml");
        std::fs::write(&file, text).unwrap();
        let corsair = Corsair::start(&["-c", file.to_str().unwrap(), "--access-log", "off"]);
        Self { _folder: folder, file, corsair }
    }

    /// Has it read this, and waits for the line that says what came of it.
    fn reload(&self, text: &str, told: &str) -> String {
        std::fs::write(&self.file, text).unwrap();
        self.corsair.signal(Signal::HUP);
        self.corsair.wait_for_log(told)
    }
}

/// One route to `origin`, whose answers bear this number.
fn numbered(origin: &Origin, number: usize) -> String {
    format!(
        "[[listen]]\naddress = \"127.0.0.1:0\"\n\n{}",
        route_to(origin, &format!("response_headers = {{ set = {{ x-number = \"{number}\" }} }}\n"))
    )
}

fn route_to(origin: &Origin, more: &str) -> String {
    format!(
        "[[route]]\nupstream = \"web\"\n{more}\n[upstream.web]\nservers = [\"http://{}\"]\n",
        origin.address()
    )
}

fn number(client: &mut Client, path: &str) -> Option<String> {
    client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    client.response().field("x-number").map(str::to_owned)
}

#[test]
fn a_kept_connection_gets_the_new_configuration_and_a_request_under_way_keeps_its_own() {
    let gate = Gate::new();
    let (origin, held) = {
        let held = gate.clone();
        let origin = Origin::start(move |request| {
            if request.target == "/held" {
                held.wait();
            }
            answer("200 OK", "", "x").into_bytes()
        });
        (origin, gate)
    };
    let scene = Scene::start(&numbered(&origin, 1));
    let (mut kept, mut busy) = (scene.corsair.connect(), scene.corsair.connect());
    assert_eq!(number(&mut kept, "/").as_deref(), Some("1"));
    busy.send("GET /held HTTP/1.1\r\nHost: localhost\r\n\r\n");
    origin.wait("the request is under way", |seen| {
        seen.requests.iter().any(|request| request.target == "/held")
    });
    scene.reload(&numbered(&origin, 2), "reloaded generation=2");
    assert_eq!(number(&mut kept, "/").as_deref(), Some("2"));
    held.open();
    assert_eq!(busy.response().field("x-number"), Some("1"));
    assert_eq!(number(&mut busy, "/").as_deref(), Some("2"));
}

#[test]
fn nothing_is_closed_by_a_reload() {
    let body = noise(4 << 20, 7);
    let (first, rest) = body.split_at(1 << 20);
    let gate = Gate::new();
    let origin = {
        let (gate, first, rest) = (gate.clone(), first.to_vec(), rest.to_vec());
        Origin::on_head(move |exchange| {
            let Some(request) = exchange.request() else { return Then::Close };
            if request.target == "/large" {
                let length = first.len() + rest.len();
                exchange.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"));
                exchange.send(&first);
                gate.wait();
                exchange.send(&rest);
            } else {
                exchange.send(answer("200 OK", "", "x"));
            }
            Then::KeepAlive
        })
    };
    let scene = Scene::start(&numbered(&origin, 1));
    let mut idle = scene.corsair.connect();
    assert_eq!(number(&mut idle, "/").as_deref(), Some("1"));
    let mut download = scene.corsair.connect();
    download.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    download.head();
    let mut got = download.piece();
    for round in 2..=4 {
        scene.reload(&numbered(&origin, round), &format!("reloaded generation={round}"));
        assert_eq!(number(&mut idle, "/").as_deref(), Some(&*round.to_string()));
    }
    gate.open();
    while got.len() < body.len() {
        got.extend(download.piece());
    }
    assert_eq!(sha256(&got), sha256(&body));
    // What was open to the upstream served the idle client throughout: pools survive.
    assert_eq!(origin.connections(), 2);
}

#[test]
fn a_file_with_faults_changes_nothing_and_each_of_them_is_told() {
    let origin = Origin::always(answer("200 OK", "", "x"));
    let scene = Scene::start(&numbered(&origin, 1));
    let mut client = scene.corsair.connect();
    assert_eq!(number(&mut client, "/").as_deref(), Some("1"));
    let broken = format!("wrkers = 2\nmax_connections = \"many\"\n{}", numbered(&origin, 2));
    let told = scene.reload(&broken, "reload refused");
    for fault in
        ["corsair.toml:1:1: wrkers: ", "did you mean workers?", "corsair.toml:2:19: max_connections: "]
    {
        assert!(told.contains(fault), "{fault}: {told}");
    }
    assert_eq!(number(&mut client, "/").as_deref(), Some("1"));
    scene.reload(&numbered(&origin, 3), "reloaded generation=2");
    assert_eq!(number(&mut client, "/").as_deref(), Some("3"));
}

#[test]
fn listen_addresses_come_and_go_and_their_connections_live_on() {
    let origin = Origin::always(answer("200 OK", "", "x"));
    let scene = Scene::start(&numbered(&origin, 1));
    let mut old = scene.corsair.connect();
    assert_eq!(number(&mut old, "/").as_deref(), Some("1"));
    let both = format!("[[listen]]\naddress = \"127.0.0.2:0\"\n\n{}", numbered(&origin, 2));
    let told = scene.reload(&both, "reloaded generation=2");
    let (_, rest) = told.split_once("listeners=\"").unwrap();
    let new = rest.split(' ').next().unwrap().parse().unwrap();
    let mut client = Client::connect(new);
    assert_eq!(number(&mut client, "/").as_deref(), Some("2"));
    let other = both.replace("127.0.0.1:0", "127.0.0.3:0");
    let told = scene.reload(&other, "reloaded generation=3");
    assert!(told.contains(&format!("{} is closed", scene.corsair.address())), "{told}");
    eventually("connections to the old address are refused", || {
        std::net::TcpStream::connect(scene.corsair.address()).is_err()
    });
    assert_eq!(number(&mut old, "/").as_deref(), Some("2"), "of a listener that is gone");
    assert_eq!(number(&mut client, "/").as_deref(), Some("2"));
}

#[test]
fn what_holds_for_the_life_of_the_process_is_named_and_kept() {
    let origin = Origin::always(answer("200 OK", "", "x"));
    let scene = Scene::start(&numbered(&origin, 1));
    let more = format!("max_connections = 17\nwatch = true\n{}", numbered(&origin, 2));
    scene.reload(&more, "reloaded generation=2");
    for key in ["max_connections", "watch"] {
        scene.corsair.wait_for_log(&format!("{key}: holds for the life of the process"));
    }
    assert_eq!(number(&mut scene.corsair.connect(), "/").as_deref(), Some("2"));
}

#[test]
fn a_reload_that_could_take_more_memory_than_may_be_is_refused() {
    let origin = Origin::always(answer("200 OK", "", "x"));
    let before = format!("max_memory = \"48m\"\n{}", numbered(&origin, 1));
    let scene = Scene::start(&before);
    let more = format!(
        "{}[limit.a]\nrate = \"1/1s\"\nkeys = 1000000\n",
        before.replace("upstream = \"web\"", "upstream = \"web\"\nlimit = [\"a\"]")
    );
    let told = scene.reload(&more, "reload refused");
    assert!(
        told.contains("max_memory: ") && told.contains("restart the process, so that it serves fewer"),
        "{told}"
    );
    assert_eq!(number(&mut scene.corsair.connect(), "/").as_deref(), Some("1"));
    let next = before.replace("x-number = \"1\"", "x-number = \"2\"");
    scene.reload(&next, "reloaded generation=2");
    assert_eq!(number(&mut scene.corsair.connect(), "/").as_deref(), Some("2"));
}

#[test]
fn a_file_that_is_watched_is_read_when_its_content_changes() {
    let origin = Origin::always(answer("200 OK", "", "x"));
    let scene = Scene::start(&format!("watch = true\n{}", numbered(&origin, 1)));
    let folder = scene.file.parent().unwrap();
    // As an orchestrator does it: another file under the name.
    let next = folder.join("next");
    std::fs::write(&next, format!("watch = true\n{}", numbered(&origin, 2))).unwrap();
    std::fs::rename(&next, &scene.file).unwrap();
    scene.corsair.wait_for_log("reloaded generation=2");
    assert_eq!(number(&mut scene.corsair.connect(), "/").as_deref(), Some("2"));
}

#[test]
fn descriptors_do_not_grow_with_reloads() {
    let origin = Origin::always(answer("200 OK", "", "x"));
    let scene = Scene::start(&numbered(&origin, 1));
    let mut client = scene.corsair.connect();
    let open = || std::fs::read_dir(format!("/proc/{}/fd", scene.corsair.pid())).unwrap().count();
    assert_eq!(number(&mut client, "/").as_deref(), Some("1"));
    let before = open();
    for round in 2..=30 {
        scene.reload(&numbered(&origin, round), &format!("reloaded generation={round}"));
        assert_eq!(number(&mut client, "/").as_deref(), Some(&*round.to_string()));
    }
    assert_eq!(open(), before);
}

/// The configuration of a TLS listener with the certificate at `stem`.
fn tls(origin: &Origin, stem: &Path) -> String {
    let (cert, key) = (stem.with_extension("pem"), stem.with_extension("key"));
    format!(
        "[[listen]]\naddress = \"127.0.0.1:0\"\ntls = {{ certificates = [{{ cert = {cert:?}, key = {key:?} }}] }}\n\n{}",
        route_to(origin, "")
    )
}

#[test]
fn certificates_are_read_anew_and_a_file_that_cannot_be_read_keeps_the_last_good_one() {
    let origin = Origin::always(answer("200 OK", "", "x"));
    let authority = Authority::new();
    let write = |names: &[&str]| authority.write_as("server", &authority.leaf(names));
    let (cert, _) = write(&["a.test"]);
    let scene = Scene::start(&tls(&origin, &cert.with_extension("")));
    let shake = |name: &'static str| {
        let mut client = Client::connect_tls(scene.corsair.address(), name, authority.client(&["http/1.1"]));
        client.send(format!("GET / HTTP/1.1\r\nHost: {name}\r\n\r\n")).response().status
    };
    assert_eq!(shake("a.test"), 200);
    let mut old = Client::connect_tls(scene.corsair.address(), "a.test", authority.client(&["http/1.1"]));
    // Its handshake is over before the certificate is another one.
    old.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(old.response().status, 200);
    write(&["b.test"]);
    scene.corsair.signal(Signal::HUP);
    scene.corsair.wait_for_log("reloaded generation=2");
    assert_eq!(shake("b.test"), 200);
    old.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(old.response().status, 200, "an established connection goes on");
    std::fs::write(&cert, "no certificate").unwrap();
    scene.corsair.signal(Signal::HUP);
    scene.corsair.wait_for_log("meanwhile what was read last is used");
    scene.corsair.wait_for_log("reloaded generation=3");
    assert_eq!(shake("b.test"), 200);
}

#[test]
fn without_a_file_certificates_are_read_anew_all_the_same() {
    let origin = Origin::always(answer("200 OK", "", "x"));
    let authority = Authority::new();
    let (cert, key) = authority.write_as("server", &authority.leaf(&["a.test"]));
    let files = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let corsair = Corsair::reverse(origin.address(), &files);
    authority.write_as("server", &authority.leaf(&["b.test"]));
    corsair.signal(Signal::HUP);
    corsair.wait_for_log("reloaded generation=2");
    let mut client = Client::connect_tls(corsair.address(), "b.test", authority.client(&["http/1.1"]));
    client.send("GET / HTTP/1.1\r\nHost: b.test\r\n\r\n");
    assert_eq!(client.response().status, 200);
    assert!(client.is_quiet_for(Duration::from_millis(10)));
}
