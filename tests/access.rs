//! Who is let in: each way in over real sockets, by a route and by the gateway.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustix::process::Signal;
use support::{Client, Corsair, Origin, Response, eventually};

const ORIGIN: &str = "Origin: https://app.example.com\r\n";
const PREFLIGHT: &str = "Origin: https://app.example.com\r\nAccess-Control-Request-Method: POST\r\n\
                         Access-Control-Request-Headers: authorization\r\n";
/// Routes that ask nobody.
const OPEN: &str =
    "[[route]]\npath = \"/open\"\nupstream = \"web\"\n[[route]]\npath = \"/dead\"\nupstream = \"dead\"\n";
const TOKEN: &str = "of-the-robots-51c2";
const PASSWORD: &str = "of-ann-9f3e";

/// A line of htpasswd.
fn line(user: &str, password: &str, cost: u32) -> String {
    let hash = bcrypt::hash_with_salt(password, cost, [7; 16]).unwrap();
    format!("{user}:{}\n", hash.format_for_version(bcrypt::Version::TwoY))
}

fn basic(user: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{user}:{password}")))
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// A process with tables of all ways in: `office`, `robots`, `staff` and `page`.
struct Scene {
    folder: tempfile::TempDir,
    corsair: Corsair,
    origin: Origin,
}

impl Scene {
    /// With routes `/office`, `/robots` and so on that name one table each, and `more` beside them.
    fn routes(more: &str) -> Self {
        let routes = ["office", "robots", "staff", "page"].map(|name| {
            format!("[[route]]\nname = \"{name}\"\npath = \"/{name}\"\nupstream = \"web\"\naccess = [\"{name}\"]\n")
        });
        Self::start(&(routes.concat() + OPEN + more), |_| {})
    }

    /// With a gateway that names these tables.
    fn gateway(access: &str) -> Self {
        Self::start(&format!("[gateway]\nallow_targets = [\"any\"]\naccess = [{access}]\n"), |_| {})
    }

    fn start(more: &str, prepare: impl FnOnce(&Path)) -> Self {
        let (folder, origin) = (tempfile::tempdir().unwrap(), Origin::echo());
        fs::write(folder.path().join("tokens"), format!("# of the robots\n{TOKEN}\n")).unwrap();
        fs::write(folder.path().join("users"), line("ann", PASSWORD, 4)).unwrap();
        prepare(folder.path());
        let text = Self::text(folder.path(), &origin, more);
        fs::write(folder.path().join("corsair.toml"), text).unwrap();
        let file = folder.path().join("corsair.toml");
        let corsair = Corsair::start(&["-c", file.to_str().unwrap(), "-vv"]);
        Self { folder, corsair, origin }
    }

    fn text(folder: &Path, origin: &Origin, more: &str) -> String {
        let file = |name: &str| folder.join(name).display().to_string();
        format!(
            "trusted_proxies = [\"loopback\"]\n[[listen]]\naddress = \"127.0.0.1:0\"\n\
             [log]\nformat = \"json\"\n[admin]\nlisten = \"unix:{}\"\n\
             [upstream.web]\nservers = [\"http://{}\"]\n[upstream.dead]\nservers = [\"http://127.0.0.1:9\"]\n\
             [access.office]\nclients = {{ allow = [\"10.0.0.0/8\"], deny = [\"10.9.0.0/16\"] }}\n\
             [access.robots]\nbearer.file = {:?}\n\
             [access.staff]\nbasic = {{ file = {:?}, realm = \"the staff\" }}\n\
             [access.page]\nfetch_site = {{}}\n{more}",
            file("admin.sock"),
            origin.address(),
            file("tokens"),
            file("users"),
        )
    }

    /// Answers to a request with these fields.
    fn ask(&self, method: &str, target: &str, fields: &str) -> Response {
        let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
        self.corsair.ask(format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{length}{fields}\r\n"))
    }

    fn reload(&self, told: &str) -> String {
        self.corsair.signal(Signal::HUP);
        self.corsair.wait_for_log(told)
    }

    /// The metrics of access, without what is told of them.
    fn counted(&self) -> Vec<String> {
        let name = self.folder.path().join("admin.sock").display().to_string();
        let mut client = Client::connect_unix(&name);
        client.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let text = client.response().text();
        text.lines().filter(|line| line.starts_with("corsair_access_total")).map(str::to_owned).collect()
    }
}

/// A way in: its name, the method that is asked with, fields that show nothing, the wrong thing and the right one, and
/// what a refusal says: its status, and its challenge to the first two.
struct Case {
    name: &'static str,
    method: &'static str,
    wrong: String,
    right: String,
    status: u16,
    challenges: [Option<&'static str>; 2],
    /// Who shows nothing is a program, and is let in.
    admits_programs: bool,
}

fn cases() -> [Case; 4] {
    let staff = Some("Basic realm=\"the staff\", charset=\"UTF-8\"");
    [
        Case {
            name: "office",
            method: "GET",
            wrong: "X-Forwarded-For: 10.9.0.1\r\n".into(),
            right: "X-Forwarded-For: 10.0.0.5\r\n".into(),
            status: 403,
            challenges: [None, None],
            admits_programs: false,
        },
        Case {
            name: "robots",
            method: "GET",
            wrong: bearer("nothing-of-it-77aa"),
            right: bearer(TOKEN),
            status: 401,
            challenges: [
                Some("Bearer realm=\"robots\""),
                Some("Bearer realm=\"robots\", error=\"invalid_token\""),
            ],
            admits_programs: false,
        },
        Case {
            name: "staff",
            method: "GET",
            wrong: basic("ann", "nothing-of-it-77aa"),
            right: basic("ann", PASSWORD),
            status: 401,
            challenges: [staff, staff],
            admits_programs: false,
        },
        Case {
            name: "page",
            method: "POST",
            wrong: "Sec-Fetch-Site: cross-site\r\n".into(),
            right: "Sec-Fetch-Site: same-origin\r\n".into(),
            status: 403,
            challenges: [None, None],
            admits_programs: true,
        },
    ]
}

/// Holds one way in to what it promises, where it protects `target`.
fn hold(scene: &Scene, case: &Case, target: &str) {
    let Case { name, method, wrong, right, status, challenges, admits_programs } = case;
    for origin in ["", ORIGIN] {
        let nothing = String::new();
        let shown = [(&nothing, challenges[0]), (wrong, challenges[1])];
        for (fields, challenge) in shown {
            let response = scene.ask(method, target, &format!("{fields}{origin}"));
            let context = format!("{name} at {target} with {fields:?} {origin:?}: {response:?}");
            if *admits_programs && fields.is_empty() && origin.is_empty() {
                assert_eq!(response.status, 200, "{context}");
                continue;
            }
            assert_eq!(
                (response.status, response.field("www-authenticate")),
                (*status, challenge),
                "{context}"
            );
            assert_eq!(
                response.field("proxy-status"),
                Some("corsair; error=http_request_denied"),
                "{context}"
            );
            assert!(!response.closes(), "{context}");
            let exposed = response.fields.members("access-control-expose-headers");
            let is_exposed = exposed.iter().any(|name| name.eq_ignore_ascii_case("www-authenticate"));
            assert_eq!(is_exposed, challenge.is_some(), "{context}");
            assert_eq!(response.field("access-control-allow-origin"), Some("*"), "{context}");
        }
        let response = scene.ask(method, target, &format!("{right}{origin}"));
        assert_eq!(response.status, 200, "{name} at {target} with {right:?} {origin:?}: {response:?}");
    }
    let heads = scene.origin.seen().heads;
    let response = scene.ask("OPTIONS", target, PREFLIGHT);
    assert_eq!(response.status, 204, "{name} at {target}: a preflight is never asked: {response:?}");
    assert_eq!(response.field("access-control-allow-headers"), Some("authorization"));
    assert_eq!(scene.origin.seen().heads, heads, "nor passed on");
}

#[test]
fn each_way_in_admits_what_it_should_and_its_refusals_are_readable() {
    let scene = Scene::routes("");
    for case in cases() {
        hold(&scene, &case, &format!("/{}/x", case.name));
        let heads = scene.origin.seen().heads;
        assert_eq!(scene.ask(case.method, &format!("/{}", case.name), &case.wrong).status, case.status);
        assert_eq!(
            scene.origin.seen().heads,
            heads,
            "{}: the upstream sees nothing of who is refused",
            case.name
        );
    }
    for case in cases() {
        let gateway = Scene::gateway(&format!("{:?}", case.name));
        let target = format!("/?url=http://{}/x", gateway.origin.address());
        hold(&gateway, &case, &target);
        assert_eq!(gateway.ask("GET", "/healthcheck", "").status, 200, "who looks on is not asked");
    }
}

#[test]
fn an_options_that_is_no_preflight_is_asked() {
    let scene = Scene::routes("");
    for (fields, expected) in [
        ("", 401),
        (ORIGIN, 401),
        ("Access-Control-Request-Method: GET\r\n", 401),
        ("Origin: http://localhost\r\nAccess-Control-Request-Method: GET\r\n", 204),
        (PREFLIGHT, 204),
    ] {
        assert_eq!(scene.ask("OPTIONS", "/robots", fields).status, expected, "{fields:?}");
    }
    assert_eq!(scene.ask("OPTIONS", "/robots", &bearer(TOKEN)).status, 200);
}

#[test]
fn a_preflight_that_the_application_answers_is_not_asked_either() {
    let scene = Scene::routes(
        "[policy.own]\npreflight = \"forward\"\n[[route]]\npath = \"/own\"\nupstream = \"web\"\naccess = [\"robots\"]\n\
         cors = \"own\"\n",
    );
    assert_eq!(scene.ask("OPTIONS", "/own", PREFLIGHT).status, 200);
    assert_eq!(scene.ask("OPTIONS", "/own", ORIGIN).status, 401);
    let with_body = format!("{PREFLIGHT}Transfer-Encoding: chunked\r\n");
    let request = format!("OPTIONS /own HTTP/1.1\r\nHost: localhost\r\n{with_body}\r\n0\r\n\r\n");
    assert_eq!(scene.corsair.ask(request).status, 401, "no browser sends a body with one");
    let own = "Origin: http://localhost\r\nAccess-Control-Request-Method: GET\r\n";
    assert_eq!(scene.ask("OPTIONS", "/own", own).status, 401, "no browser asks so for the page's own origin");
}

#[test]
fn two_tables_must_both_admit() {
    let scene = Scene::routes(
        "[[route]]\npath = \"/both\"\nupstream = \"web\"\naccess = [\"staff\", \"office\"]\n\
         [[route]]\npath = \"/says\"\nrespond = { body = \"said\" }\naccess = [\"office\", \"robots\"]\n",
    );
    let (inside, outside) = ("X-Forwarded-For: 10.0.0.5\r\n", "X-Forwarded-For: 192.0.2.1\r\n");
    let right = basic("ann", PASSWORD);
    for (fields, expected) in [
        (String::new(), 403),
        (right.clone(), 403),
        (format!("{outside}{right}"), 403),
        (inside.to_owned(), 401),
        (format!("{inside}{}", basic("ann", "x")), 401),
        (format!("{inside}{right}"), 200),
    ] {
        assert_eq!(scene.ask("GET", "/both", &fields).status, expected, "{fields}");
    }
    assert_eq!(scene.ask("GET", "/says", inside).status, 401);
    assert_eq!(scene.ask("GET", "/says", &format!("{inside}{}", bearer(TOKEN))).text(), "said");
    let counted = scene.counted();
    let of = |table: &str, result: &str| {
        let begins = format!("corsair_access_total{{access=\"{table}\",result=\"{result}\"}} ");
        counted.iter().find_map(|line| line.strip_prefix(&begins)).map(str::to_owned)
    };
    for (table, result, expected) in [
        ("office", "admitted", Some("5")),
        ("office", "refused", Some("3")),
        ("staff", "admitted", Some("1")),
        ("staff", "refused", Some("2")),
        ("robots", "admitted", Some("1")),
        ("robots", "refused", Some("1")),
        ("robots", "error", None),
    ] {
        assert_eq!(of(table, result).as_deref(), expected, "{table} {result}: {counted:#?}");
    }
}

#[test]
fn access_is_asked_behind_cors_and_methods_and_before_the_body_and_the_upstream() {
    let scene = Scene::routes(
        "[policy.strict]\nallow_origins = [\"https://other.example\"]\nrefuse_other_origins = true\n\
         [[route]]\npath = \"/strict\"\nupstream = \"dead\"\naccess = [\"robots\"]\ncors = \"strict\"\n\
         methods = [\"GET\", \"POST\"]\nlimits.body = 4\n",
    );
    let request = |method: &str, fields: &str| {
        scene.corsair.ask(format!("{method} /strict HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")).status
    };
    let long = "Content-Length: 5\r\n";
    assert_eq!(request("GET", ORIGIN), 403);
    assert_eq!(request("DELETE", ""), 405);
    assert_eq!(request("POST", long), 401);
    assert_eq!(request("POST", &format!("{long}{}", bearer(TOKEN))), 413);
    assert_eq!(request("GET", ""), 401);
    assert_eq!(request("GET", &bearer(TOKEN)), 502);
    let upgrade =
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\nSec-WebSocket-Version: 13\r\n";
    assert_eq!(request("GET", upgrade), 401, "a WebSocket is a request like any");
}

#[test]
fn a_refused_upload_leaves_the_connection_to_the_next_request() {
    let scene = Scene::routes("");
    let mut client = scene.corsair.connect();
    for credentials in [basic("ann", "wrong"), basic("nobody", PASSWORD), basic("ann", PASSWORD)] {
        client.send(format!(
            "POST /staff HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n{credentials}\r\nhello"
        ));
        let expected = if credentials == basic("ann", PASSWORD) { 200 } else { 401 };
        assert_eq!(client.response().status, expected, "{credentials}");
    }
    assert_eq!(scene.origin.only_request().body, b"hello");
}

#[test]
fn the_client_is_who_a_trusted_proxy_says() {
    let scene = Scene::routes("");
    for (fields, expected) in [
        ("X-Forwarded-For: 10.0.0.5\r\n", 200),
        ("X-Forwarded-For: 10.0.0.5, 192.0.2.1\r\n", 403),
        ("X-Forwarded-For: 192.0.2.1, 10.0.0.5\r\n", 200),
        ("X-Forwarded-For: unknown\r\n", 403),
        ("X-Real-IP: 10.0.0.5\r\n", 403),
    ] {
        assert_eq!(scene.ask("GET", "/office", fields).status, expected, "{fields}");
    }
}

#[test]
fn a_balancer_that_names_no_client_is_not_let_in_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("corsair.toml");
    let text = "trusted_proxies = [\"loopback\"]\n[[listen]]\naddress = \"127.0.0.1:0\"\nproxy_protocol = true\n\
                [access.here]\nclients.allow = [\"127.0.0.0/8\"]\n[[route]]\nrespond = {}\naccess = [\"here\"]\n";
    fs::write(&file, text).unwrap();
    let corsair = Corsair::start(&["-c", file.to_str().unwrap()]);
    for (header, expected) in [("PROXY TCP4 127.0.0.9 127.0.0.1 1 2\r\n", 200), ("PROXY UNKNOWN\r\n", 403)] {
        let mut client = corsair.connect();
        client.send(format!("{header}GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!(client.response().status, expected, "{header}");
    }
}

#[test]
fn what_was_verified_goes_to_an_upstream_and_to_no_target() {
    let scene = Scene::routes("");
    for (path, credentials) in [("/robots", bearer(TOKEN)), ("/staff", basic("ann", PASSWORD))] {
        assert_eq!(scene.ask("GET", path, &credentials).status, 200);
        let seen =
            scene.origin.seen().requests.last().unwrap().fields.get("authorization").map(str::to_owned);
        assert_eq!(seen.as_deref(), credentials.trim_end().strip_prefix("Authorization: "));
    }
    for (access, credentials) in
        [("\"robots\"", bearer(TOKEN)), ("\"page\", \"staff\"", basic("ann", PASSWORD))]
    {
        let gateway = Scene::gateway(access);
        let target = format!("/?url=http://{}/x", gateway.origin.address());
        let fields = format!("{credentials}Sec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-origin\r\n");
        assert_eq!(gateway.ask("GET", &target, &fields).status, 200);
        assert!(!gateway.origin.only_request().fields.has("authorization"), "{access}");
    }
    // Where nobody reads them, they are the target's.
    let office = Scene::gateway("\"office\"");
    let target = format!("/?url=http://{}/x", office.origin.address());
    let fields = format!("X-Forwarded-For: 10.0.0.5\r\n{}Sec-Fetch-Mode: cors\r\n", bearer("of-the-target"));
    assert_eq!(office.ask("GET", &target, &fields).status, 200);
    assert_eq!(office.origin.only_request().fields.get("authorization"), Some("Bearer of-the-target"));
}

/// What each thread of a process is called, and how far it lets others go first.
fn nice_by_thread(pid: u32) -> Vec<(String, i32)> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    // One may end meanwhile.
    let stats = threads.filter_map(|thread| fs::read_to_string(thread.unwrap().path().join("stat")).ok());
    let about = stats.map(|stat| {
        let (name, rest) = stat.split_once('(').unwrap().1.rsplit_once(") ").unwrap();
        // The 19th field, where the name is the second.
        (name.to_owned(), rest.split(' ').nth(16).unwrap().parse().unwrap())
    });
    about.collect()
}

#[test]
fn guessing_passwords_keeps_nobody_else_waiting() {
    let scene = Scene::start(
        &format!(
            "{OPEN}[[route]]\npath = \"/staff\"\nupstream = \"web\"\naccess = [\"staff\"]\n\
             [[route]]\npath = \"/robots\"\nupstream = \"web\"\naccess = [\"robots\"]\n"
        ),
        |folder| {
            // To verify that of bob takes longer than this test.
            let bob = line("bob", "any", 4).replace("$04$", "$14$");
            fs::write(folder.join("users"), line("ann", PASSWORD, 4) + &bob).unwrap();
        },
    );
    let known = basic("ann", PASSWORD);
    assert_eq!(scene.ask("GET", "/staff", &known).status, 200);
    let mut guesses: Vec<Client> = (0..24).map(|_| scene.corsair.connect()).collect();
    for (number, guess) in guesses.iter_mut().enumerate() {
        let credentials = basic("bob", &number.to_string());
        guess.send(format!("GET /staff HTTP/1.1\r\nHost: localhost\r\n{credentials}\r\n"));
    }
    let refused = || {
        let begin = "corsair_access_total{access=\"staff\",result=\"error\"} ";
        let count = scene.counted().iter().find_map(|line| line.strip_prefix(begin)?.parse::<usize>().ok());
        count.unwrap_or(0)
    };
    eventually("all but eight of one network are told to come again", || refused() >= 16);
    eventually("whoever verifies leaves the cores to traffic", || {
        let (verifying, others): (Vec<_>, Vec<_>) =
            nice_by_thread(scene.corsair.pid()).into_iter().partition(|(name, _)| name == "verify");
        assert!(others.iter().all(|(_, nice)| *nice < 19), "{others:?}");
        verifying.iter().any(|(_, nice)| *nice == 19)
    });
    for _ in 0..8 {
        assert_eq!(scene.ask("GET", "/staff", &known).status, 200, "who was right before");
        assert_eq!(scene.ask("GET", "/robots", &bearer(TOKEN)).status, 200);
        assert_eq!(scene.ask("GET", "/open", "").status, 200);
    }
    let busy = scene.ask("GET", "/staff", &format!("{}{ORIGIN}", basic("bob", "x")));
    assert_eq!((busy.status, busy.field("retry-after")), (503, Some("1")), "{busy:?}");
    let exposed = busy.fields.members("access-control-expose-headers");
    assert!(exposed.iter().any(|name| name.eq_ignore_ascii_case("retry-after")), "{busy:?}");
}

#[test]
fn a_file_is_read_anew_at_a_reload_and_kept_where_it_cannot_be() {
    let scene = Scene::routes("");
    let file = |name: &str| scene.folder.path().join(name);
    let admitted = |token: &str, password: &str| {
        [
            scene.ask("GET", "/robots", &bearer(token)).status,
            scene.ask("GET", "/staff", &basic("ann", password)).status,
        ]
    };
    assert_eq!(admitted(TOKEN, PASSWORD), [200, 200]);
    fs::write(file("tokens"), format!("sha256:{}\n", support::sha256(b"another"))).unwrap();
    fs::write(file("users"), line("ann", "changed", 4)).unwrap();
    scene.reload("reloaded generation=2");
    assert_eq!(admitted(TOKEN, PASSWORD), [401, 401]);
    assert_eq!(admitted("another", "changed"), [200, 200]);
    fs::remove_file(file("tokens")).unwrap();
    fs::write(file("users"), "ann:in-the-clear-3c3c\n").unwrap();
    scene.reload("reloaded generation=3");
    assert_eq!(admitted("another", "changed"), [200, 200]);
    let log = scene.corsair.log();
    for told in ["access.robots.bearer.file: cannot read ", "users: line 1 has no bcrypt hash"] {
        let line = log.lines().find(|line| line.contains(told)).unwrap_or_else(|| panic!("{told}: {log}"));
        assert!(line.contains("meanwhile what was read last is used"), "{line}");
    }
    assert!(!log.contains("3c3c"), "{log}");
    let config = file("corsair.toml");
    let ended = Corsair::run_to_end(&["check", "-c", config.to_str().unwrap()]);
    assert_eq!(ended.code, Some(2), "at the start it is a fault");
    assert!(
        ended.stderr.contains("tokens: No such file") && !ended.stderr.contains("3c3c"),
        "{}",
        ended.stderr
    );
}

#[test]
fn no_credential_reaches_a_log() {
    let scene = Scene::routes("");
    let wrong = "nothing-of-it-77aa";
    for (path, credentials) in [
        ("/robots/1", bearer(TOKEN)),
        ("/robots/2", bearer(wrong)),
        ("/staff/1", basic("ann", PASSWORD)),
        ("/staff/2", basic("annabel-8888", wrong)),
        ("/staff/3", format!("{}{}", basic("ann", PASSWORD), bearer(TOKEN))),
        ("/open/4", basic("ann", PASSWORD)),
    ] {
        scene.ask("GET", path, &credentials);
    }
    for (path, table) in [("/robots/1", "robots"), ("/robots/2", "robots"), ("/staff/2", "staff")] {
        assert_eq!(scene.corsair.wait_for_record(path)["access"], table);
    }
    assert!(scene.corsair.wait_for_record("/open/4").get("access").is_none());
    let config = scene.folder.path().join("corsair.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace("bearer.file = ", "bearer.tokens = [\"of-the-robots-51c2\"] #");
    fs::write(&config, text).unwrap();
    let file = config.to_str().unwrap();
    let printed = Corsair::run_to_end(&["check", "--print", "-c", file]);
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    assert!(printed.stdout.contains("bearer.tokens = [\"***\"]"), "{}", printed.stdout);
    let header = format!("--header={}", bearer(wrong).trim_end());
    let explained = Corsair::run_to_end(&["explain", "-c", file, &header, "http://127.0.0.1/robots"]);
    let told = [
        scene.corsair.log(),
        scene.corsair.stdout(),
        printed.stdout,
        printed.stderr,
        explained.stdout,
        explained.stderr,
    ];
    let encoded = STANDARD.encode(format!("ann:{PASSWORD}"));
    for secret in [TOKEN, wrong, PASSWORD, &encoded, "annabel-8888", "\"ann\"", "$2y$"] {
        assert!(told.iter().all(|told| !told.contains(secret)), "{secret}: {told:#?}");
    }
}

#[test]
fn who_is_refused_is_explained_by_the_table_that_asks() {
    let scene = Scene::routes("");
    let config = scene.folder.path().join("corsair.toml");
    let explained = |path: &str, fields: &[&str]| {
        let url = format!("http://localhost{path}");
        let headers = fields.iter().map(|field| format!("--header={}", field.trim_end()));
        let mut arguments = vec!["explain".to_owned(), "-c".into(), config.to_str().unwrap().into()];
        arguments.extend(headers.chain([url]));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Corsair::run_to_end(&arguments).stdout
    };
    for (path, fields, expected) in [
        (
            "/robots",
            String::new(),
            "asked by access.robots: send one of its tokens, as Authorization: Bearer TOKEN",
        ),
        (
            "/staff",
            basic("ann", "wrong"),
            "asked by access.staff: send the name and the password of one of its users",
        ),
        ("/office", String::new(), "asked by access.office: come from a network that it allows"),
    ] {
        let fields: Vec<&str> =
            Some(fields.as_str()).filter(|fields| !fields.is_empty()).into_iter().collect();
        let told = explained(path, &fields);
        assert!(told.contains(expected), "{path}: {told}");
    }
    let right = basic("ann", PASSWORD);
    let told = explained("/staff", &[&right]);
    assert!(told.contains("the upstream's") && !told.contains("asked by"), "{told}");
}

#[test]
fn a_published_gateway_with_tokens_starts_and_keeps_programs_out() {
    let gateway = Scene::start(
        "[[listen]]\naddress = \"0.0.0.0:0\"\n[gateway]\nallow_targets = [\"any\"]\naccess = [\"robots\"]\n",
        |_| {},
    );
    let target = format!("/?url=http://{}/x", gateway.origin.address());
    assert_eq!(gateway.ask("GET", &target, "").status, 401);
    assert_eq!(gateway.ask("GET", &target, &bearer(TOKEN)).status, 200);
}
