//! How often somebody may ask, and how much at a time: limits over real sockets, alone and shared.
//!
//! What is counted at a redis server wants Debian's `redis-server`. Without it such a test says that it was skipped, unless
//! `REQUIRE_REDIS` is set, as `.ci/run` does.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use support::{Client, Corsair, Gate, NameServer, Origin, Response, Then, answer, eventually, nobody};
use tempfile::TempDir;

const ORIGIN: &str = "Origin: https://app.example.com\r\n";
const PREFLIGHT: &str = "Origin: https://app.example.com\r\nAccess-Control-Request-Method: PUT\r\n";

/// A process of which the file says this, in front of an origin that echoes.
struct Scene {
    folder: TempDir,
    corsair: Corsair,
    origin: Origin,
}

impl Scene {
    fn of(text: &str) -> Self {
        Self::before(Origin::echo(), text)
    }

    fn before(origin: Origin, text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("corsair.toml");
        fs::write(&file, whole(&folder, &origin, text)).unwrap();
        let corsair = Corsair::start(&["-c", file.to_str().unwrap()]);
        Self { folder, corsair, origin }
    }

    fn reload(&self, text: &str, told: &str) {
        fs::write(self.folder.path().join("corsair.toml"), whole(&self.folder, &self.origin, text)).unwrap();
        self.corsair.signal(Signal::HUP);
        self.corsair.wait_for_log(told);
    }

    fn get(&self, target: &str, fields: &str) -> Response {
        self.corsair.get(target, fields)
    }

    /// The statuses of so many requests.
    fn statuses(&self, target: &str, fields: &str, count: usize) -> Vec<u16> {
        (0..count).map(|_| self.get(target, fields).status).collect()
    }

    /// How many requests were counted here, although the limit is shared at a server.
    fn counted_alone(&self) -> usize {
        let failures = self.metrics("corsair_limit_shared_failures_total{");
        failures[0].rsplit_once(' ').unwrap().1.parse().unwrap()
    }

    /// The metrics whose names begin so.
    fn metrics(&self, begin: &str) -> Vec<String> {
        let mut client = Client::connect_unix(&self.folder.path().join("admin.sock").display().to_string());
        client.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let text = client.response().text();
        text.lines().filter(|line| line.starts_with(begin)).map(str::to_owned).collect()
    }
}

fn whole(folder: &TempDir, origin: &Origin, text: &str) -> String {
    format!(
        "workers = 2\ntrusted_proxies = [\"loopback\"]\n[[listen]]\naddress = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n\
         [admin]\nlisten = \"unix:{}\"\n[upstream.web]\nservers = [\"http://{}\"]\n{text}",
        folder.path().join("admin.sock").display(),
        origin.address(),
    )
}

/// A limit called `api` for a route to everything.
fn limited(limit: &str) -> String {
    format!("[limit.api]\n{limit}\n[[route]]\nupstream = \"web\"\nlimit = [\"api\"]\n")
}

#[test]
fn too_many_requests_are_a_429_that_a_page_can_read() {
    let scene = Scene::of(&limited("rate = \"3/1h\""));
    assert_eq!(scene.statuses("/", ORIGIN, 3), [200; 3]);
    let refused = scene.get("/x", ORIGIN);
    assert_eq!(refused.status, 429, "{refused:?}");
    let number = |name: &str| refused.field(name).and_then(|value| value.parse::<u32>().ok()).unwrap();
    assert!((1_190..=1_200).contains(&number("retry-after")), "{refused:?}");
    assert_eq!((number("ratelimit-limit"), number("ratelimit-remaining")), (3, 0));
    assert!((3_590..=3_600).contains(&number("ratelimit-reset")), "{refused:?}");
    assert_eq!(refused.field("access-control-allow-origin"), Some("*"));
    let exposed = refused.fields.members("access-control-expose-headers");
    for name in ["retry-after", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"] {
        assert!(exposed.iter().any(|exposed| exposed == name), "{name}: {exposed:?}");
    }
    assert!(refused.text().starts_with("http_request_denied: too many requests have come from you"));
    assert!(!refused.closes());
    let record = scene.corsair.wait_for_record("/x");
    assert_eq!((&record["limit"], &record["status"]), (&"api".into(), &429.into()));
    assert_eq!(scene.origin.seen().heads, 3, "the upstream sees nothing of what is refused");
    assert_eq!(scene.metrics("corsair_limited_total{"), ["corsair_limited_total{limit=\"api\"} 1"]);
    let kept = scene.metrics("corsair_limit_keys_dropped_total{");
    assert_eq!(kept, ["corsair_limit_keys_dropped_total{limit=\"api\"} 0"]);
}

#[test]
fn time_lets_the_next_one_come() {
    let scene = Scene::of(&limited("rate = \"2/1s\"\nburst = 1"));
    assert_eq!(scene.get("/", "").status, 200);
    let refused = scene.get("/", "");
    assert_eq!((refused.status, refused.field("retry-after")), (429, Some("1")));
    eventually("half a second later one more may come", || scene.get("/", "").status == 200);
}

#[test]
fn two_hundred_at_once_are_admitted_as_often_as_the_burst_says() {
    let scene = Scene::of(&limited("rate = \"100/1h\""));
    let ask = || {
        let mut client = scene.corsair.connect();
        let mut statuses = Vec::new();
        for _ in 0..25 {
            client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
            statuses.push(client.response().status);
        }
        statuses
    };
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let count = |status| statuses.iter().filter(|known| **known == status).count();
    assert_eq!((count(200), count(429)), (100, 100));
    assert_eq!(
        scene.corsair.ask(format!("OPTIONS / HTTP/1.1\r\nHost: localhost\r\n{PREFLIGHT}\r\n")).status,
        204
    );
}

#[test]
fn what_is_refused_before_takes_no_place() {
    let scene = Scene::of(
        "[policy.strict]\nallow_origins = [\"https://app.example.com\"]\nrefuse_other_origins = true\npreflight = \"forward\"\n\
         upstream_headers = \"keep\"\n[access.robots]\nbearer.tokens = [\"t\"]\n[limit.one]\nrate = \"1/1h\"\n\
         [[route]]\nupstream = \"web\"\nmethods = [\"GET\", \"POST\", \"OPTIONS\"]\ncors = \"strict\"\naccess = [\"robots\"]\nlimit = [\"one\"]\n\
         limits.body = 4\n",
    );
    let ask = |method: &str, fields: &str| {
        scene.corsair.ask(format!("{method} / HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")).status
    };
    let right = "Authorization: Bearer t\r\n";
    for (method, fields, expected) in [
        ("GET", "Origin: https://other.example\r\n".to_owned(), 403),
        ("DELETE", right.to_owned(), 405),
        ("GET", String::new(), 401),
        ("POST", format!("{right}Content-Length: 5\r\n"), 413),
        ("GET", format!("{right}Via: nonsense\r\nExpect: x\r\n"), 417),
        ("OPTIONS", PREFLIGHT.to_owned(), 200),
        ("OPTIONS", PREFLIGHT.to_owned(), 200),
        ("GET", right.to_owned(), 200),
        ("GET", right.to_owned(), 429),
        ("GET", String::new(), 401),
        ("OPTIONS", PREFLIGHT.to_owned(), 200),
    ] {
        assert_eq!(ask(method, &fields), expected, "{method} {fields}");
    }
}

#[test]
fn all_limits_must_admit_and_one_that_refuses_costs_nothing_at_the_others() {
    let scene = Scene::of(
        "[limit.two]\nrate = \"2/1h\"\n[limit.one]\nrate = \"1/1h\"\nkey = \"route\"\n\
         [[route]]\npath = \"/both\"\nupstream = \"web\"\nlimit = [\"two\", \"one\"]\n\
         [[route]]\npath = \"/two\"\nupstream = \"web\"\nlimit = [\"two\"]\n\
         [[route]]\npath = \"/says\"\nrespond = { body = \"said\" }\nlimit = [\"one\"]\n",
    );
    assert_eq!(scene.statuses("/both", "", 4), [200, 429, 429, 429]);
    assert_eq!(scene.statuses("/two", "", 2), [200, 429], "one of two is left");
    assert_eq!(scene.statuses("/says", "", 2), [200, 429], "another route, and no upstream");
    let counted = scene.metrics("corsair_limited_total{");
    assert_eq!(counted, ["corsair_limited_total{limit=\"one\"} 4", "corsair_limited_total{limit=\"two\"} 1"]);
}

#[test]
fn those_are_counted_together_who_are_the_same() {
    let scene = Scene::of(
        "[access.robots]\nbearer.tokens = [\"t\", \"u\"]\n\
         [limit.client]\nrate = \"1/1h\"\n[limit.origin]\nrate = \"1/1h\"\nkey = \"origin\"\nexempt = [\"https://*.ours.example\"]\n\
         [limit.header]\nrate = \"1/1h\"\nkey = \"header:X-Api-Key\"\n[limit.access]\nrate = \"1/1h\"\nkey = \"access\"\n\
         [[route]]\npath = \"/client\"\nupstream = \"web\"\nlimit = [\"client\"]\n\
         [[route]]\npath = \"/origin\"\nupstream = \"web\"\nlimit = [\"origin\"]\n\
         [[route]]\npath = \"/header\"\nupstream = \"web\"\nlimit = [\"header\"]\n\
         [[route]]\npath = \"/access\"\nupstream = \"web\"\naccess = [\"robots\"]\nlimit = [\"access\"]\n",
    );
    for (target, fields, expected) in [
        ("/client", "X-Forwarded-For: 192.0.2.1\r\n", 200),
        ("/client", "X-Forwarded-For: 192.0.2.1\r\n", 429),
        ("/client", "X-Forwarded-For: 192.0.2.2\r\n", 200),
        ("/client", "X-Forwarded-For: 2001:db8::1\r\n", 200),
        ("/client", "X-Forwarded-For: 2001:db8::ffff:1\r\n", 429),
        ("/origin", "Origin: https://a.example\r\n", 200),
        ("/origin", "Origin: https://a.example\r\n", 429),
        ("/origin", "Origin: https://b.example\r\n", 200),
        ("/origin", "", 200),
        ("/origin", "", 429),
        ("/origin", "Origin: https://a.ours.example\r\n", 200),
        ("/origin", "Origin: https://a.ours.example\r\n", 200),
        ("/header", "x-api-key: one\r\n", 200),
        ("/header", "X-API-Key:   one\r\n", 429),
        ("/header", "X-API-Key: two\r\n", 200),
        ("/access", "Authorization: Bearer t\r\n", 200),
        ("/access", "Authorization: Bearer t\r\n", 429),
        ("/access", "Authorization: Bearer u\r\n", 200),
    ] {
        assert_eq!(scene.get(target, fields).status, expected, "{target} {fields}");
    }
}

#[test]
fn so_many_are_under_way_at_a_time() {
    let (gate, opened) = (Gate::new(), Gate::new());
    let origin = {
        let (gate, opened) = (gate.clone(), opened.clone());
        Origin::on_head(move |exchange| {
            exchange.request();
            opened.open();
            gate.wait();
            exchange.send(answer("200 OK", "", "late"));
            Then::KeepAlive
        })
    };
    let scene = Scene::before(origin, &limited("concurrent = 1"));
    let mut first = scene.corsair.connect();
    first.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    opened.wait();
    let refused = scene.get("/", ORIGIN);
    assert_eq!((refused.status, refused.field("retry-after")), (429, Some("1")));
    assert_eq!(refused.field("ratelimit-limit"), None);
    assert!(refused.fields.members("access-control-expose-headers").contains(&"retry-after".to_owned()));
    gate.open();
    assert_eq!(first.response().text(), "late");
    eventually("its place is free", || scene.get("/", "").status == 200);
}

#[test]
fn a_client_that_leaves_gives_its_place_back() {
    let opened = Gate::new();
    let origin = {
        let opened = opened.clone();
        Origin::on_head(move |exchange| {
            exchange.request();
            opened.open();
            exchange.peer_closes();
            Then::Close
        })
    };
    let scene = Scene::before(origin, &limited("concurrent = 1"));
    let mut first = scene.corsair.connect();
    first.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    opened.wait();
    assert_eq!(scene.get("/", "").status, 429);
    first.reset();
    eventually("another one has the place", || {
        let mut next = scene.corsair.connect();
        next.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        // It is answered at once, or not at all.
        next.is_quiet_for(Duration::from_millis(200))
    });
}

#[test]
fn a_tunnel_has_its_place_until_it_ends() {
    let origin = Origin::on_head(|exchange| {
        let Some(request) = exchange.request() else { return Then::Close };
        if !request.fields.has("upgrade") {
            exchange.send(answer("200 OK", "", "plain"));
            return Then::KeepAlive;
        }
        exchange
            .send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        exchange.peer_closes();
        Then::Close
    });
    let scene = Scene::before(origin, &limited("concurrent = 1"));
    let mut tunnel = scene.corsair.connect();
    tunnel.send(
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert_eq!(tunnel.next_head().status().unwrap(), 101);
    assert_eq!(scene.get("/", "").status, 429);
    tunnel.reset();
    eventually("its place is free", || scene.get("/", "").status == 200);
}

#[test]
fn a_flag_limits_each_client_of_the_gateway_and_of_the_upstream() {
    let origin = Origin::echo();
    let target = format!("/?url=http://{}/", origin.address());
    let upstream = format!("http://{}", origin.address());
    for (arguments, target) in [
        (&["-l", "127.0.0.1:0", "--rate-limit", "2/1h", "--allow-target", "any"][..], &*target),
        (&["-l", "127.0.0.1:0", "--rate-limit=2/1h", "-u", &upstream], "/"),
    ] {
        let corsair = Corsair::start(arguments);
        let statuses = [(); 3].map(|()| corsair.get(target, "").status);
        assert_eq!(statuses, [200, 200, 429], "{arguments:?}");
        assert_eq!(corsair.get("/healthcheck", "").status, if target == "/" { 429 } else { 200 });
    }
}

#[test]
fn what_is_known_outlives_a_reload() {
    let scene = Scene::of(&limited("rate = \"2/1h\""));
    assert_eq!(scene.statuses("/", "", 3), [200, 200, 429]);
    scene.reload(&limited("rate = \"3/1h\""), "reloaded generation=2");
    assert_eq!(scene.get("/", "").field("ratelimit-limit"), Some("3"), "the time that was used is used");
    scene.reload(&limited("rate = \"3/1h\"\nkey = \"route\""), "reloaded generation=3");
    assert_eq!(scene.statuses("/", "", 4), [200, 200, 200, 429], "whoever is counted otherwise is new");
}

#[test]
fn whoever_is_forgotten_too_soon_is_counted() {
    let scene = Scene::of(&limited("rate = \"1/1h\"\nkey = \"header:X-Id\"\nkeys = 8"));
    for id in 0..20 {
        assert_eq!(scene.get("/", &format!("X-Id: {id}\r\n")).status, 200);
    }
    let dropped = scene.metrics("corsair_limit_keys_dropped_total{");
    assert_eq!(dropped, ["corsair_limit_keys_dropped_total{limit=\"api\"} 12"]);
}

#[test]
fn a_client_has_so_many_connections_and_another_one_is_told() {
    let origin = Origin::echo();
    let corsair = Corsair::reverse(origin.address(), &["--max-connections-per-client=2"]);
    let ask = |client: &mut Client| {
        client.send(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{ORIGIN}\r\n"));
        client.response()
    };
    let mut held = [corsair.connect(), corsair.connect()];
    assert!(held.iter_mut().all(|client| ask(client).status == 200));
    let refused = ask(&mut corsair.connect());
    assert_eq!((refused.status, refused.field("retry-after"), refused.closes()), (429, Some("1"), true));
    assert_eq!(refused.field("access-control-allow-origin"), Some("*"));
    assert!(refused.text().contains("too many connections are open from your network"), "{}", refused.text());
    let preflight = corsair.ask(format!("OPTIONS / HTTP/1.1\r\nHost: localhost\r\n{PREFLIGHT}\r\n"));
    assert_eq!((preflight.status, preflight.closes()), (204, true), "a page hears why");
    assert!(held.iter_mut().all(|client| ask(client).status == 200));
    let [first, _second] = held;
    first.reset();
    eventually("there is a place again", || ask(&mut corsair.connect()).status == 200);
}

#[test]
fn a_trusted_proxy_has_any_number_of_connections() {
    let origin = Origin::echo();
    let arguments = ["--max-connections-per-client=1", "--trusted-proxy=loopback"];
    let corsair = Corsair::reverse(origin.address(), &arguments);
    let mut clients = [(); 4].map(|()| corsair.connect());
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(client.response().status, 200);
    }
}

/// A redis server on a port of its own.
struct Redis {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Redis {
    /// One; nothing where none is installed and none is required.
    fn start() -> Option<Self> {
        let is_installed = Command::new("redis-server")
            .arg("--version")
            .stdout(Stdio::null())
            .status()
            .is_ok_and(|s| s.success());
        if !is_installed {
            let missing = "redis-server is not installed (apt-get install redis-server)";
            assert!(std::env::var_os("REQUIRE_REDIS").is_none(), "{missing}");
            // Past the capture of the test's output: who looks must see it.
            let mut stderr = std::io::stderr();
            writeln!(stderr, "SKIPPED, nothing was tested: {missing}").unwrap();
            return None;
        }
        // Somebody else may have taken the port meanwhile.
        (0..10).find_map(|_| Self::at(nobody().port()))
    }

    fn at(port: u16) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .arg("--dir")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let is_ready = lines.into_iter().any(|line| line.contains("eady to accept connections"));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if is_ready && TcpStream::connect(address).is_ok() {
            return Some(Self { child, address, _folder: folder });
        }
        child.kill().ok();
        child.wait().ok();
        None
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// How many of so many requests each of these admits, in turns; nothing but 200 and 429 comes.
fn admitted(scenes: &[Scene], count: usize) -> usize {
    let mut admitted = 0;
    for scene in scenes.iter().cycle().take(count) {
        match scene.get("/", "").status {
            200 => admitted += 1,
            status => assert_eq!(status, 429),
        }
    }
    admitted
}

#[test]
fn processes_that_count_at_a_redis_server_admit_as_many_as_may_come_in_all() {
    let Some(redis) = Redis::start() else { return };
    let text = limited(&format!("rate = \"60/1h\"\nshared = \"redis://{}\"", redis.address));
    let scenes = [(); 3].map(|()| Scene::of(&text));
    let admitted_in_all = admitted(&scenes, 210);
    // On a busy machine an answer may come too late; then one is counted alone.
    let alone: usize = scenes.iter().map(Scene::counted_alone).sum();
    assert!((60..=60 + alone).contains(&admitted_in_all), "{admitted_in_all}, {alone} of them alone");
    assert!(alone < 60, "{alone}");
    redis.signal(Signal::STOP);
    let begun = Instant::now();
    let alone = admitted(&scenes, 150);
    assert!(alone <= 60, "{alone} beside a server that stands still: a third each");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(scenes.iter().map(Scene::counted_alone).sum::<usize>() >= 150, "each of them was told");
    redis.signal(Signal::CONT);
    let is_refused = || scenes.iter().all(|scene| scene.get("/", "").field("ratelimit-limit") == Some("60"));
    eventually("it counts again", is_refused);
    drop(redis);
    admitted(&scenes, 30);
}

#[test]
fn a_redis_server_that_is_not_there_refuses_nobody() {
    let text = limited(&format!("rate = \"2/1h\"\nshared = \"redis://127.0.0.1:{}\"", nobody().port()));
    let scene = Scene::of(&text);
    assert_eq!(scene.statuses("/", "", 3), [200, 200, 429]);
    assert_eq!(scene.counted_alone(), 3);
}

#[test]
fn replicas_that_dns_tells_of_divide_the_rate() {
    let names = NameServer::with_ttl(1);
    let addresses = [1, 2, 3].map(|last| Ipv4Addr::new(192, 0, 2, last).into());
    names.set_addresses("corsairs.test", &addresses);
    let text = format!(
        "{}[dns]\nservers = [\"{}\"]\n",
        limited("rate = \"60/1h\"\nshared = \"replicas:corsairs.test\""),
        names.address()
    );
    let scenes = [(); 3].map(|()| Scene::of(&text));
    for scene in &scenes {
        scene.corsair.wait_for_log("a limit is shared by so many name=corsairs.test replicas=3");
    }
    assert_eq!(admitted(&scenes, 150), 60);
    names.set_addresses("corsairs.test", &addresses[..2]);
    scenes[0].corsair.wait_for_log("replicas=2");
    assert_eq!(scenes[0].get("/", "").field("ratelimit-limit"), Some("30"), "there is more for each");
}
