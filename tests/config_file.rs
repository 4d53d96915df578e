//! A configuration file as an operator meets it: what is wrong with it is told at once and with its place, what is right
//! serves as it says, and its secrets are shown to nobody.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use support::{
    Client, Corsair, Origin, PATIENCE, Request, Then,
    certificates::Authority,
    daemon::{Ended, command},
    nobody,
};
use tempfile::TempDir;

/// What every file that is started says: one worker, whose pools can be foreseen, and a port that is free.
const LISTEN: &str = "workers = 1\n[[listen]]\naddress = \"127.0.0.1:0\"\n";

/// A file in a folder of its own.
struct File {
    _folder: TempDir,
    path: PathBuf,
}

impl File {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("corsair.toml");
        fs::write(&path, text).unwrap();
        Self { _folder: folder, path }
    }

    fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// The command with this file, and more arguments.
    fn command(&self, before: &[&str], behind: &[&str]) -> Command {
        command(&[before, &["-c", self.path()], behind].concat())
    }

    fn check(&self) -> Ended {
        Corsair::command_to_end(self.command(&["check"], &[]))
    }
}

/// The daemon with a file that serves at so many addresses.
fn serve(text: &str, listeners: usize) -> Corsair {
    Corsair::listening(File::new(text).command(&[], &[]), listeners)
}

/// Names the request in its answer: method, target, Host and all fields that begin with `x-`.
fn naming(name: &'static str) -> Origin {
    Origin::start(move |request| {
        let Request { method, target, fields, .. } = request;
        let own = fields.0.iter().filter(|(name, _)| {
            name.to_ascii_lowercase().starts_with("x-t") || name.eq_ignore_ascii_case("authorization")
        });
        let own: String = own.map(|(name, value)| format!(" {name}={value}")).collect();
        let host = fields.get("host").unwrap_or_default();
        let text = format!("{name} {method} {target} {host}{own}");
        support::answer("200 OK", "X-Secret: s\r\nX-Kept: k\r\n", if method == "HEAD" { "" } else { &text })
            .into_bytes()
    })
}

/// The text of a GET for this host and target.
fn text(corsair: &Corsair, host: &str, target: &str) -> String {
    let response = corsair.ask(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    format!("{} {}", response.status, response.text())
}

/// What is told of a file, as `LINE:COLUMN KEY: MESSAGE`; a dash where there is no place.
fn told(stderr: &str, file: &str) -> Vec<String> {
    let mut told = Vec::new();
    let mut title = "";
    for line in stderr.lines() {
        if let Some(fault) = line.strip_prefix("error: ") {
            title = fault;
        } else if let Some(fault) = line.strip_prefix("corsair: ") {
            told.push(format!("- {fault}"));
        } else if let Some(place) = line.trim_start().strip_prefix("--> ") {
            let place = place.strip_prefix(file).and_then(|place| place.strip_prefix(':'));
            told.push(format!("{} {title}", place.unwrap_or_else(|| panic!("no place in {file}: {line}"))));
        }
    }
    told
}

#[test]
fn every_fault_of_a_broken_file_is_told_at_once_with_its_place() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let mut files = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        let expected = fs::read_to_string(path.with_extension("expected")).unwrap();
        let expected: Vec<&str> = expected.lines().collect();
        assert!(expected.len() > 1, "{name} has several faults");
        for arguments in [&["check", "-c", name][..], &["-t", "-c", name], &["-c", name]] {
            let mut command = command(arguments);
            command.current_dir(&folder).env("BROKEN_SECRET", "hunter2hunter2");
            let ended = Corsair::command_to_end(command);
            let told = told(&ended.stderr, name);
            assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{arguments:?}: {}", ended.stderr);
            assert_eq!(told.len(), expected.len(), "{arguments:?}: {told:#?}");
            for (told, expected) in told.iter().zip(&expected) {
                assert!(told.starts_with(expected), "{arguments:?}: {told}, not {expected}");
            }
            assert!(!ended.stderr.contains("hunter2"), "{arguments:?}: {}", ended.stderr);
        }
        files += 1;
    }
    assert!(files >= 20, "only {files} broken files");
}

#[test]
fn a_route_takes_its_requests_by_host_and_then_by_the_longest_path() {
    let (api, any, docs) = (naming("api"), naming("any"), naming("docs"));
    let corsair = serve(
        &format!(
            "{LISTEN}
            [upstream.api]
            servers = [\"http://{}\"]
            [upstream.any]
            servers = [\"http://{}\"]
            [upstream.docs]
            servers = [\"http://{}/base\"]
            [[route]]
            host = \"api.example.com\"
            upstream = \"api\"
            [[route]]
            host = \"api.example.com\"
            path = \"/docs\"
            upstream = \"docs\"
            strip_prefix = true
            [[route]]
            host = \"*.example.com\"
            upstream = \"any\"
            [[route]]
            path = \"/docs\"
            upstream = \"docs\"
            host_header = \"docs.internal\"
            ",
            api.address(),
            any.address(),
            docs.address()
        ),
        1,
    );
    for (host, target, expected) in [
        ("api.example.com", "/", "200 api GET / api.example.com"),
        ("API.example.com:80", "/docsx?a", "200 api GET /docsx?a API.example.com:80"),
        ("api.example.com", "/docs/a?b=/c", "200 docs GET /base/a?b=/c api.example.com"),
        ("api.example.com", "/docs", "200 docs GET /base/ api.example.com"),
        ("b.example.com", "/docs/a", "200 any GET /docs/a b.example.com"),
        ("a.b.example.com", "/", "200 any GET / a.b.example.com"),
        ("example.com", "/docs/a", "200 docs GET /base/docs/a docs.internal"),
        ("other", "/docs/", "200 docs GET /base/docs/ docs.internal"),
    ] {
        assert_eq!(text(&corsair, host, target), expected, "{host}{target}");
    }
    for (host, target) in [("other", "/"), ("example.com", "/docsx")] {
        assert!(text(&corsair, host, target).starts_with("404 "), "{host}{target}");
    }
    assert!(text(&corsair, "other", "/docs/../..").starts_with("400 "));
}

#[test]
fn a_stripped_prefix_is_put_back_where_the_upstream_names_a_path() {
    let origin = Origin::start(|request| {
        let host = request.fields.get("host").unwrap_or_default();
        let fields = format!(
            "Location: http://{host}{}next\r\nSet-Cookie: a=b; Path=/in; Domain=elsewhere.example\r\n",
            request.target
        );
        support::answer("302 Found", &fields, "").into_bytes()
    });
    let address = origin.address();
    let corsair = serve(
        &format!(
            "{LISTEN}
            [upstream.a]
            servers = [\"http://{address}/in\"]
            [[route]]
            path = \"/out\"
            upstream = \"a\"
            strip_prefix = true
            host_header = \"upstream\"
            [[route]]
            path = \"/plain\"
            upstream = \"a\"
            strip_prefix = true
            rewrite = false
            "
        ),
        1,
    );
    let response = corsair.get("/out/x/", "");
    assert_eq!(response.field("location"), Some("http://localhost/out/x/next"));
    assert_eq!(response.field("set-cookie"), Some("a=b; Path=/out; Domain=elsewhere.example"));
    assert_eq!(origin.lines(), ["GET /in/x/"]);
    let response = corsair.get("/plain/x/", "");
    assert_eq!(response.field("location"), Some("http://localhost/in/x/next"));
    assert_eq!(response.field("set-cookie"), Some("a=b; Path=/in; Domain=elsewhere.example"));
}

#[test]
fn fields_are_edited_on_both_ways() {
    let origin = naming("a");
    let corsair = serve(
        &format!(
            "{LISTEN}
            [upstream.a]
            servers = [\"http://{}\"]
            [[route]]
            upstream = \"a\"
            request_headers = {{ set = {{ x-team = \"web\" }}, add = {{ x-tag = [\"1\", \"2\"] }}, remove = [\"X-Trace\"] }}
            response_headers = {{ set = {{ x-set = \"1\" }}, add = {{ x-kept = \"2\" }}, remove = [\"x-secret\"] }}
            ",
            origin.address()
        ),
        1,
    );
    let response = corsair.get("/", "X-Team: mine\r\nx-trace: 1\r\nX-Tag: 0\r\n");
    assert_eq!(response.text(), "a GET / localhost X-Tag=0 x-team=web x-tag=1 x-tag=2");
    assert_eq!((response.field("x-set"), response.field("x-secret")), (Some("1"), None));
    assert_eq!(response.fields.all("x-kept"), ["k", "2"]);
}

/// Two policies, a route of each, and one that leads to nobody.
fn two_policies(origin: &Origin, dead: std::net::SocketAddr) -> String {
    format!(
        "{LISTEN}
        [cors]
        allow_origins = [\"https://app.example\"]
        allow_credentials = true
        [policy.open]
        max_age = \"1m\"
        [upstream.a]
        servers = [\"http://{}\"]
        [upstream.dead]
        servers = [\"http://{dead}\"]
        [[route]]
        path = \"/app\"
        upstream = \"a\"
        methods = [\"GET\", \"PUT\"]
        [[route]]
        path = \"/open\"
        upstream = \"a\"
        methods = [\"GET\"]
        cors = \"open\"
        [[route]]
        path = \"/open/dead\"
        upstream = \"dead\"
        cors = \"open\"
        [[route]]
        path = \"/app/moved\"
        respond = {{ status = 308, location = \"https://new.example/x\", body = \"moved\\n\" }}
        [[route]]
        path = \"/open/gone\"
        respond = {{ status = 410, body = \"<p>gone\", content_type = \"text/html\" }}
        cors = \"open\"
        ",
        origin.address()
    )
}

#[test]
fn every_answer_follows_the_policy_of_its_route() {
    let origin = naming("a");
    let corsair = serve(&two_policies(&origin, nobody()), 1);
    let stranger = "Origin: https://stranger.example\r\n";
    let app = "Origin: https://app.example\r\n";
    let readable =
        |response: &support::Response| response.field("access-control-allow-origin").map(str::to_owned);
    for (method, target, status, to_app, to_stranger) in [
        ("GET", "/app/x", 200, Some("https://app.example"), None),
        ("GET", "/open/x", 200, Some("*"), Some("*")),
        ("DELETE", "/app/x", 405, Some("https://app.example"), None),
        ("DELETE", "/open/x", 405, Some("*"), Some("*")),
        ("GET", "/open/dead", 502, Some("*"), Some("*")),
        ("GET", "/nowhere", 404, Some("https://app.example"), None),
        ("GET", "/app/moved", 308, Some("https://app.example"), None),
        ("GET", "/open/gone", 410, Some("*"), Some("*")),
    ] {
        for (origin, expected) in [(app, to_app), (stranger, to_stranger)] {
            let response = corsair.ask(format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{origin}\r\n"));
            assert_eq!(
                (response.status, readable(&response).as_deref()),
                (status, expected),
                "{method} {target} {origin}"
            );
            let credentials = response.field("access-control-allow-credentials");
            let expected = expected.filter(|origin| *origin != "*").map(|_| "true");
            assert_eq!(credentials, expected, "{method} {target} {origin}");
        }
    }
    for (target, allow) in [("/app", "GET, PUT, HEAD"), ("/open", "GET, HEAD")] {
        let response = corsair.ask(format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!((response.status, response.field("allow")), (405, Some(allow)));
    }
    let moved = corsair.get("/app/moved", "");
    assert_eq!((moved.field("location"), &*moved.text()), (Some("https://new.example/x"), "moved\n"));
    let gone = corsair.get("/open/gone/x", "");
    assert_eq!((gone.field("content-type"), &*gone.text()), (Some("text/html"), "<p>gone"));
    let head = corsair.ask("HEAD /open/gone HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((head.status, head.field("content-length"), head.body.len()), (410, Some("7"), 0));
}

#[test]
fn a_preflight_is_answered_by_the_policy_of_the_route_that_it_is_for() {
    let origin = naming("a");
    let corsair = serve(&two_policies(&origin, nobody()), 1);
    for (target, from, status, allowed, max_age) in [
        ("/app", "https://app.example", 204, Some("https://app.example"), Some("600")),
        ("/app", "https://stranger.example", 403, None, None),
        ("/open", "https://stranger.example", 204, Some("*"), Some("60")),
        ("/open/dead", "https://stranger.example", 204, Some("*"), Some("60")),
        ("/open/gone", "https://stranger.example", 204, Some("*"), Some("60")),
        ("/nowhere", "https://stranger.example", 403, None, None),
    ] {
        let response = corsair.ask(format!(
            "OPTIONS {target} HTTP/1.1\r\nHost: a\r\nOrigin: {from}\r\nAccess-Control-Request-Method: PUT\r\n\r\n"
        ));
        let (origin, age) =
            (response.field("access-control-allow-origin"), response.field("access-control-max-age"));
        assert_eq!((response.status, origin, age), (status, allowed, max_age), "{target} {from}");
    }
    assert_eq!(origin.lines(), Vec::<String>::new(), "the application sees none of them");
}

#[test]
fn a_route_has_its_own_bounds_waits_and_upgrades() {
    let origin = Origin::on_head(|exchange| match &*exchange.target {
        "/slow" | "/patient" => Then::Hold,
        _ => {
            let Some(request) = exchange.request() else { return Then::Close };
            let upgrade = request.fields.get("upgrade").unwrap_or("none").to_owned();
            exchange.send(support::answer("200 OK", "", &upgrade));
            Then::KeepAlive
        }
    });
    let corsair = serve(
        &format!(
            "{LISTEN}
            [timeouts]
            response = \"1h\"
            [limits]
            body = 8
            [upstream.a]
            servers = [\"http://{}\"]
            [[route]]
            upstream = \"a\"
            upgrades = [\"none\"]
            [[route]]
            path = \"/small\"
            upstream = \"a\"
            limits.body = 2
            [[route]]
            path = \"/slow\"
            upstream = \"a\"
            timeouts.response = \"50ms\"
            ",
            origin.address()
        ),
        1,
    );
    let post = |target: &str, body: &str| {
        let length = body.len();
        corsair
            .ask(format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}"))
            .status
    };
    assert_eq!((post("/", "12345678"), post("/", "123456789")), (200, 413));
    assert_eq!((post("/small", "12"), post("/small", "123")), (200, 413));
    let chunked =
        "POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assert_eq!(corsair.ask(chunked).status, 413);
    assert_eq!(corsair.get("/slow", "").status, 504);
    let mut patient = corsair.connect();
    patient.send("GET /patient HTTP/1.1\r\nHost: a\r\n\r\n");
    origin.wait("the patient request", |seen| seen.heads > 3);
    assert!(patient.is_quiet_for(std::time::Duration::from_millis(200)), "its wait is that of the file");
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    assert_eq!(corsair.get("/", upgrade).text(), "none");
    assert_eq!(corsair.get("/small", upgrade).text(), "websocket");
}

#[test]
fn a_listener_serves_what_it_is_for() {
    let (origin, target) = (naming("app"), naming("target"));
    let corsair = serve(
        &format!(
            "workers = 1
            [[listen]]
            address = \"127.0.0.1:0\"
            services = [\"routes\"]
            [[listen]]
            address = \"127.0.0.1:0\"
            services = [\"gateway\"]
            [[listen]]
            address = \"[::1]:0\"
            [gateway]
            allow_targets = [\"loopback\"]
            query = \"url\"
            path = false
            [upstream.a]
            servers = [\"http://{}\"]
            [[route]]
            path = \"/app\"
            upstream = \"a\"
            ",
            origin.address()
        ),
        3,
    );
    let url = format!("/?url=http://{}/t", target.address());
    let ask = |at: usize, target: &str| {
        let mut client = Client::connect(corsair.addresses()[at]);
        client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let response = client.response();
        (response.status, response.text())
    };
    let (app, gateway) =
        (|at| ask(at, "/app").1.starts_with("app GET"), |at| ask(at, &url).1.starts_with("target GET"));
    let listeners = [0, 1, 2].map(|at| (app(at), gateway(at)));
    assert_eq!(listeners, [(true, false), (false, true), (true, true)]);
    assert_eq!(ask(2, &format!("/http://{}/t", target.address())).0, 404, "this form is off");
    assert_eq!(ask(0, &url).0, 404);
}

#[test]
fn servers_take_turns_and_may_be_unix_sockets() {
    use std::io::{Read as _, Write as _};
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("app.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            if stream.read(&mut head).is_ok_and(|count| count > 0) {
                drop(stream.write_all(support::answer("200 OK", "Connection: close\r\n", "unix").as_bytes()));
            }
        }
    });
    let (first, second) = (naming("first"), naming("second"));
    let corsair = serve(
        &format!(
            "{LISTEN}
            [upstream.turns]
            servers = [\"http://{}\", {{ url = \"http://{}\" }}]
            [upstream.socket]
            servers = [\"unix:{}\"]
            [[route]]
            upstream = \"turns\"
            [[route]]
            path = \"/socket\"
            upstream = \"socket\"
            ",
            first.address(),
            second.address(),
            socket.display()
        ),
        1,
    );
    let names: Vec<String> = (0..4)
        .map(|_| corsair.get("/", "").text().split(' ').next().unwrap_or_default().to_owned())
        .collect();
    assert!(names[0] != names[1] && names[..2] == names[2..], "{names:?}");
    assert_eq!(corsair.get("/socket", "").text(), "unix");
}

#[test]
fn a_flag_outranks_a_variable_that_the_file_and_that_the_default() {
    let fault_of = |text: &str, flags: &[&str], variable: Option<&str>| {
        let file = File::new(text);
        let mut command = file.command(&["check"], flags);
        command.envs(variable.map(|value| ("CORSAIR_MAX_AGE", value)));
        let ended = Corsair::command_to_end(command);
        let line = ended.stderr.lines().next().unwrap_or_default().to_owned();
        line.split(": ").nth(1).unwrap_or_default().to_owned()
    };
    let file = "[cors]\nmax_age = \"file\"\n";
    assert_eq!(fault_of(file, &["--max-age", "flag"], Some("variable")), "--max-age");
    assert_eq!(fault_of(file, &[], Some("variable")), "CORSAIR_MAX_AGE");
    assert_eq!(fault_of(file, &[], None), "cors.max_age");
    assert_eq!(fault_of("[cors]\n", &[], None), "");
    assert_eq!(fault_of(file, &["--max-age", "1s"], Some("variable")), "");
    assert_eq!(fault_of(file, &[], Some("1s")), "");
    let file = File::new(&format!("{LISTEN}[cors]\nmax_age = \"7s\"\n[gateway]\n"));
    let served = |flags: &[&str], variable: Option<&str>| {
        let mut command = file.command(&[], flags);
        command.envs(variable.map(|value| ("CORSAIR_MAX_AGE", value)));
        let corsair = Corsair::listening(command, 1);
        let response = corsair.ask(
            "OPTIONS / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://a.example\r\nAccess-Control-Request-Method: PUT\r\n\r\n",
        );
        response.field("access-control-max-age").unwrap_or_default().to_owned()
    };
    assert_eq!(served(&["--max-age", "9s"], Some("8s")), "9");
    assert_eq!(served(&[], Some("8s")), "8");
    assert_eq!(served(&[], None), "7");
}

#[test]
fn a_file_writes_the_access_log_to_standard_output_unless_it_says_otherwise() {
    let origin = naming("a");
    let file = |log: &str| {
        format!(
            "{LISTEN}[upstream.a]\nservers = [\"http://{}\"]\n[[route]]\nname = \"all\"\nupstream = \"a\"\n{log}",
            origin.address()
        )
    };
    let corsair = serve(&file(""), 1);
    assert_eq!(corsair.get("/seen", "").status, 200);
    corsair.wait_for_stdout("/seen");
    let mut corsair = serve(&file("[log]\naccess = \"off\"\n"), 1);
    assert_eq!(corsair.get("/seen", "").status, 200);
    corsair.terminate();
    assert_eq!((corsair.wait_exit().code(), &*corsair.stdout()), (Some(0), ""));
}

#[test]
fn a_check_says_that_all_is_well_and_what_is_effective() {
    let origin = naming("a");
    let file = File::new(&two_policies(&origin, nobody()));
    for ended in [file.check(), Corsair::command_to_end(file.command(&["-t"], &[]))] {
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
        let mut lines = ended.stdout.lines();
        assert_eq!(lines.next(), Some("ok"));
        for expected in [
            "  listen    http://127.0.0.1:0".to_owned(),
            format!("  route     /app -> a (http://{}); ", origin.address()),
            "  route     /app/moved -> answer 308; ".to_owned(),
            "  process   1 workers, ".to_owned(),
        ] {
            assert!(lines.clone().any(|line| line.starts_with(&expected)), "{expected}: {}", ended.stdout);
        }
    }
    let idle = File::new(&format!("{LISTEN}[gateway]\n[policy.idle]\n"));
    let ended = idle.check();
    assert!(ended.code == Some(0) && ended.stdout.starts_with("ok\n"), "{}", ended.stderr);
    assert!(ended.stderr.starts_with("warning: policy.idle: has no effect"), "{}", ended.stderr);
}

#[test]
fn what_a_check_prints_is_accepted_and_is_printed_again() {
    let origin = naming("a");
    let authority = Authority::new();
    let (cert, key) = authority.write(&authority.leaf(&["localhost"]));
    let text = two_policies(&origin, nobody());
    for (text, flags) in [
        (&*text, &[][..]),
        (&text, &["-u", "http://127.0.0.1:9", "--host-header", "keep", "--limit-body", "1m"]),
        (
            "",
            &[
                "--tls-cert",
                cert.to_str().unwrap(),
                "--tls-key",
                key.to_str().unwrap(),
                "--allow-origin",
                "null",
            ],
        ),
        ("[gateway]\n", &["-l", "[::1]:0,127.0.0.1:0", "--gateway", "path", "--no-verdict"]),
    ] {
        let file = File::new(text);
        let print = |file: &File, flags: &[&str]| {
            let ended = Corsair::command_to_end(file.command(&["check", "--print"], flags));
            assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{text}");
            ended.stdout
        };
        let first = print(&file, flags);
        assert_eq!(print(&file, flags), first);
        let second = print(&File::new(&first), &[]);
        assert_eq!(print(&File::new(&second), &[]), second);
        let sorted = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(sorted(&first), sorted(&second));
    }
}

#[test]
fn secrets_reach_the_upstream_and_no_output() {
    let origin = naming("a");
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "of-a-file-5e1f\nsecond line\n").unwrap();
    let text = format!(
        "{LISTEN}[log]\naccess = \"stderr\"\n[upstream.a]\nservers = [\"http://{}\"]\n[[route]]\nupstream = \"a\"\n\
         request_headers.set = {{ authorization = \"Bearer ${{HIDDEN_TOKEN}}\", x-test = \"${{file:{}}}\", x-tail = \"$${{x}}\" }}\n",
        origin.address(),
        secret.display()
    );
    let with = |mut command: Command| {
        command.env("HIDDEN_TOKEN", "of-the-environment-77ab");
        command
    };
    let hidden = |what: &str, text: &str| {
        for secret in ["of-the-environment-77ab", "of-a-file-5e1f"] {
            assert!(!text.contains(secret), "{what} shows {secret}: {text}");
        }
    };
    let file = File::new(&text);
    let mut corsair = Corsair::listening(with(file.command(&[], &["-vv"])), 1);
    assert_eq!(
        corsair.get("/seen", "").text(),
        "a GET /seen localhost authorization=Bearer of-the-environment-77ab x-tail=${x} x-test=of-a-file-5e1f"
    );
    corsair.wait_for_log("/seen");
    corsair.terminate();
    assert_eq!(corsair.wait_exit().code(), Some(0));
    hidden("a running process", &(corsair.log() + &corsair.stdout()));
    for arguments in [&["check"][..], &["check", "--print"]] {
        let ended = Corsair::command_to_end(with(file.command(arguments, &[])));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        hidden("check", &(ended.stdout.clone() + &ended.stderr));
        if arguments.len() > 1 {
            assert!(ended.stdout.contains("${HIDDEN_TOKEN}"), "{}", ended.stdout);
        }
    }
    let prefix = File::new(&format!(
        "{LISTEN}[upstream.a]\nservers = [\"http://127.0.0.1:9/${{HIDDEN_TOKEN}}\"]\n[[route]]\nupstream = \"a\"\n"
    ));
    let ended = Corsair::command_to_end(with(prefix.command(&["check"], &[])));
    assert!(ended.stdout.contains("http://127.0.0.1:9/***"), "{}", ended.stdout);
    let told = Corsair::listening(with(prefix.command(&[], &[])), 1).wait_for_log("started");
    assert!(told.contains("http://127.0.0.1:9/***"), "{told}");
    hidden("a start", &told);
    let faulty = File::new(&format!(
        "{text}host = \"${{HIDDEN_TOKEN}} x\"\ncors = \"${{file:{0}}}\"\nmethods = [\"${{HIDDEN_TOKEN}} \"]\n\
         timeouts.response = \" ${{HIDDEN_TOKEN}}\"\n[policy.b]\nallow_origins = [\"${{HIDDEN_TOKEN}}\"]\nallow_methods = [\"x ${{file:{0}}}\"]\n",
        secret.display()
    ));
    for arguments in [&["check"][..], &["check", "--print"], &["-vv"]] {
        let ended = Corsair::command_to_end(with(faulty.command(arguments, &[])));
        assert_eq!(ended.code, Some(2));
        assert!(ended.stderr.matches("***").count() >= 5, "{}", ended.stderr);
        hidden("a fault", &(ended.stdout + &ended.stderr));
    }
}

#[test]
fn a_field_of_a_flag_takes_its_secret_from_the_environment() {
    let origin = naming("a");
    let url = format!("http://{}", origin.address());
    let field = "Authorization: Bearer ${HIDDEN_TOKEN}";
    let arguments = ["-u", &url, "-l", "127.0.0.1:0", "-vv", "--set-request-header", field];
    let with = |before: &[&str]| {
        let mut command = command(&[before, &arguments].concat());
        command.env("HIDDEN_TOKEN", "of-the-environment-77ab");
        command
    };
    let corsair = Corsair::listening(with(&[]), 1);
    assert_eq!(corsair.get("/", "").text(), "a GET / localhost Authorization=Bearer of-the-environment-77ab");
    let arguments_shown = fs::read_to_string(format!("/proc/{}/cmdline", corsair.pid())).unwrap();
    assert!(!arguments_shown.contains("77ab") && !corsair.log().contains("77ab"), "{}", corsair.log());
    let printed = Corsair::command_to_end(with(&["check", "--print"])).stdout;
    assert!(printed.contains("\"Authorization\" = \"Bearer ${HIDDEN_TOKEN}\""), "{printed}");
    let ended = Corsair::run_to_end(&["check", "-u", &url, "--set-request-header", "X-A: ${NO_SUCH_NAME}"]);
    assert_eq!(
        (ended.code, &*ended.stderr),
        (Some(2), "corsair: --set-request-header: there is no environment variable NO_SUCH_NAME; set it\n")
    );
}

/// What stands in the place of an example that is none: the names of things that a machine must have.
fn given(key: &str, authority: &(PathBuf, PathBuf), folder: &Path) -> Option<String> {
    let quoted = |path: &Path| format!("{:?}", path.display().to_string());
    Some(match key {
        "max_connections" => "100".to_owned(),
        "user" | "group" => "\"nobody\"".to_owned(),
        "hosts_file" => quoted(&folder.join("hosts")),
        "tls.ca" | "tls.client_ca" | "tls.cert" | "cert" => quoted(&authority.0),
        "tls.key" | "key" => quoted(&authority.1),
        "tls.server_name" => "\"api.internal\"".to_owned(),
        "resource_policy" => "\"same-site\"".to_owned(),
        "preset" => "\"mcp\"".to_owned(),
        "name" => "\"api\"".to_owned(),
        "host" => "\"api.example.com\"".to_owned(),
        "upstream" => "\"api\"".to_owned(),
        "servers" => "[\"127.0.0.1\"]".to_owned(),
        "http" | "https" => "\"http://127.0.0.1:3128\"".to_owned(),
        "listen" => "\"127.0.0.1:9900\"".to_owned(),
        "health.path" => "\"/healthz\"".to_owned(),
        "retry.statuses" => "[503]".to_owned(),
        "trusted_proxies" => "[\"loopback\"]".to_owned(),
        "clients.allow" | "clients.deny" => "[\"10.0.0.0/8\"]".to_owned(),
        "bearer.tokens" => "[\"${PATH}\"]".to_owned(),
        "signed.keys" => "{ k1 = \"0123456789abcdef0123456789abcdef\" }".to_owned(),
        "bearer.file" => quoted(&folder.join("tokens")),
        "basic.file" => quoted(&folder.join("users")),
        "basic.realm" => "\"staff\"".to_owned(),
        "rate" => "\"200/1m\"".to_owned(),
        "burst" => "5".to_owned(),
        "exempt" => "[\"https://app.example.com\"]".to_owned(),
        "jwt.jwks" => "\"https://id.example/jwks\"".to_owned(),
        "jwt.secret" => "\"${PATH}${PATH}${PATH}\"".to_owned(),
        "jwt.issuer" => "\"https://id.example\"".to_owned(),
        "jwt.audience" => "[\"api\"]".to_owned(),
        "jwt.algorithms" => "[\"RS256\", \"EdDSA\"]".to_owned(),
        "jwt.ca" => quoted(&authority.0),
        "forward.url" => "\"http://127.0.0.1:9091/verify\"".to_owned(),
        "forward.ca" => quoted(&authority.0),
        "forward.pass" => "[\"Remote-User\"]".to_owned(),
        "respond.location" => "\"https://a.example/\"".to_owned(),
        _ => return None,
    })
}

/// What stands before the table of a setting, how that begins, and what it needs beside the setting.
fn around<'a>(table: &'a str, key: &str) -> (&'static str, &'a str, &'static str) {
    let upstream = "[upstream.api]\nservers = [\"http://127.0.0.1:9001\"]\n";
    let (before, behind) = match (table, key) {
        ("[[route]]", "upstream") => (upstream, ""),
        ("[[route]]", "respond.location") => ("", "respond.status = 301\n"),
        ("[[route]]", key) if key.starts_with("respond.") => ("", ""),
        ("[[route]]", _) => (upstream, "upstream = \"api\"\n"),
        ("[upstream.NAME]", "servers") => ("[gateway]\n", ""),
        ("[[upstream.NAME.servers]]", _) => ("[gateway]\n", "url = \"http://127.0.0.1:9001\"\n"),
        ("[upstream.NAME]", _) => ("[gateway]\n", "servers = [\"http://127.0.0.1:9001\"]\n"),
        ("[[listen]]", "address") | ("[[listen.tls.certificates]]", _) => ("", ""),
        ("[[gateway.target]]", "host") => ("", ""),
        ("[[gateway.target]]", _) => ("", "host = \"api.example.org\"\n"),
        ("[[listen]]", _) => ("", "address = \"127.0.0.1:3000\"\n"),
        ("", "group") => ("user = \"nobody\"\n", ""),
        _ => ("", ""),
    };
    let header = match table {
        "[upstream.NAME]" => "[upstream.test]",
        "[access.NAME]" => "[access.test]",
        "[limit.NAME]" => "[limit.test]",
        "[[upstream.NAME.servers]]" => "[[upstream.test.servers]]",
        "[[listen.tls.certificates]]" => {
            "[[listen]]\naddress = \"127.0.0.1:3000\"\n[[listen.tls.certificates]]"
        }
        other => other,
    };
    (before, header, behind)
}

#[test]
fn every_line_of_the_sample_is_accepted_in_its_table() {
    let ended = Corsair::run_to_end(&["generate", "config"]);
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("hosts"), "").unwrap();
    fs::write(folder.path().join("tokens"), "a-token\n").unwrap();
    let users = folder.path().join("users");
    fs::write(&users, format!("ann:$2y$04${}\n", ".".repeat(53))).unwrap();
    let authority = Authority::new();
    let files = authority.write(&authority.leaf(&["localhost"]));
    let (mut table, mut lines, mut keys) = (String::new(), 0, BTreeSet::new());
    for line in ended.stdout.lines() {
        let Some(line) = line.strip_prefix("# ") else { continue };
        if line.starts_with('[') {
            line.split(" #").next().unwrap_or_default().trim().clone_into(&mut table);
            continue;
        }
        let Some((key, value)) = line.split_once(" = ").filter(|(key, _)| !key.contains(' ')) else {
            continue;
        };
        let value = value.split("  #").next().unwrap_or(value);
        let value = value.rsplit_once(" # ").map_or(value, |(value, _)| value).trim();
        let given = given(key, &files, folder.path()).filter(|_| (&*table, key) != ("[limit.NAME]", "key"));
        let value = given.unwrap_or_else(|| value.to_owned());
        let (before, header, behind) = around(&table, key);
        let value = if (&*table, key) == ("[upstream.NAME]", "servers") {
            "[\"http://127.0.0.1:9001\"]"
        } else {
            &*value
        };
        let behind = match (&*table, key) {
            ("[[listen.tls.certificates]]", "cert") => format!("key = {:?}\n", files.1.display().to_string()),
            ("[[listen.tls.certificates]]", "key") => format!("cert = {:?}\n", files.0.display().to_string()),
            ("[limit.NAME]", key) if key != "rate" => "rate = \"10/1s\"\n".to_owned(),
            ("[access.NAME]", "basic.realm") => {
                format!("basic.file = {:?}\n", users.display().to_string())
            }
            ("[access.NAME]", key)
                if key.starts_with("jwt.") && !["jwt.jwks", "jwt.secret"].contains(&key) =>
            {
                "jwt.jwks = \"https://id.example/jwks\"\n".to_owned()
            }
            ("[access.NAME]", key) if key.starts_with("forward.") && key != "forward.url" => {
                "forward.url = \"https://127.0.0.1:9091/verify\"\n".to_owned()
            }
            ("[upstream.NAME]", "tls.cert") => {
                format!("{behind}tls.key = {:?}\n", files.1.display().to_string())
            }
            ("[upstream.NAME]", "tls.key") => {
                format!("{behind}tls.cert = {:?}\n", files.0.display().to_string())
            }
            ("[[listen]]", key) if key.starts_with("tls.") => format!(
                "{behind}tls.certificates = [{{ cert = {:?}, key = {:?} }}]\n",
                files.0.display().to_string(),
                files.1.display().to_string()
            ),
            _ => behind.to_owned(),
        };
        let file = File::new(&format!("{before}{header}\n{key} = {value}\n{behind}"));
        let ended = file.check();
        assert_eq!(ended.code, Some(0), "{table} {key} = {value}: {}", ended.stderr);
        keys.insert(format!("{table} {key}"));
        lines += 1;
    }
    assert_eq!(lines, keys.len(), "each stands there once");
    assert!(lines > 85, "only {lines} settings");
}

#[test]
fn commands_that_cannot_be_done_are_faults() {
    for (arguments, expected) in [
        (&["generate"][..], "corsair: generate: needs to know what: config, man, completions, "),
        (
            &["generate", "systmd"],
            "corsair: systmd: is nothing that can be generated; did you mean systemd? There are config, ",
        ),
        (&["generate", "completions"], "corsair: completions: needs to know for which shell: bash, zsh, "),
        (&["generate", "man", "-q"], "corsair: --quiet: changes nothing of what is generated; leave it out"),
        (
            &["-u", "http://127.0.0.1:9", "check"],
            "corsair: check: is a command, which comes first: corsair check",
        ),
        (&["check", "-c", "/no/such/file"], "corsair: -c: cannot read /no/such/file: "),
    ] {
        let ended = Corsair::run_to_end(arguments);
        assert_eq!(ended.code, Some(2));
        let expected = expected.replace("-c:", "--config:");
        assert!(ended.stderr.starts_with(&expected), "{}", ended.stderr);
    }
}

#[test]
fn a_process_reads_its_file_again_when_it_is_told_to() {
    let origin = naming("a");
    let text = |path: &str, more: &str| {
        format!(
            "{LISTEN}[upstream.a]\nservers = [\"http://{}\"]\n[[route]]\npath = \"{path}\"\nupstream = \"a\"\n{more}",
            origin.address()
        )
    };
    let file = File::new(&text("/a", ""));
    let corsair = Corsair::listening(file.command(&[], &[]), 1);
    let statuses = || ["/a", "/b"].map(|target| corsair.get(target, "").status);
    assert_eq!(statuses(), [200, 404]);
    fs::write(&file.path, text("/b", "pathh = 1\n[limits]\nhead = \"x\"\n")).unwrap();
    corsair.signal(rustix::process::Signal::HUP);
    let refused = corsair.wait_for_log("reload refused");
    assert!(refused.contains("route.pathh") && refused.contains("limits.head"), "{refused}");
    assert_eq!(statuses(), [200, 404]);
    // Heads that the buffers of the process do not hold are kept, on every route.
    fs::write(&file.path, text("/b", "[limits]\nresponse_head = \"64k\"\n")).unwrap();
    corsair.signal(rustix::process::Signal::HUP);
    corsair.wait_for_log("reloaded");
    let end = std::time::Instant::now() + PATIENCE;
    while statuses() != [404, 200] {
        assert!(std::time::Instant::now() < end, "never took up the other file: {}", corsair.log());
    }
}
