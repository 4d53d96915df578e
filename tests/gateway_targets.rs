//! What an operator adds for a target of the gateway: it goes there, and nowhere else.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::fs;

use rustix::process::Signal;
use support::{Client, Corsair, Origin, answer, daemon::command, eventually};
use tempfile::TempDir;

const SECRET: &str = "of-the-operator-4d1f";
const PAGE: &str = "Origin: https://app.example.com\r\n";

/// A server that tells what it got as `Authorization`, and as `X-Added`; at `/to?URL` it redirects.
fn target() -> Origin {
    Origin::start(|request| {
        if let Some(location) = request.target.strip_prefix("/to?") {
            return answer("302 Found", &format!("Location: {location}\r\n"), "").into();
        }
        let told = ["authorization", "x-added", "x-own", "x-gone"]
            .map(|name| format!("{name}={}", request.fields.all(name).join("+")));
        answer("200 OK", "Content-Type: text/plain\r\n", &told.join(" ")).into()
    })
}

struct Scene {
    corsair: Corsair,
    folder: TempDir,
}

impl Scene {
    /// A gateway of which the file says this of its targets.
    fn new(targets: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("corsair.toml");
        let text = format!(
            "[[listen]]\naddress = \"127.0.0.1:0\"\n[log]\naccess = \"stdout\"\nformat = \"json\"\n\
             [admin]\nlisten = \"unix:{}\"\n[cors]\nallow_origins = [\"https://app.example.com\"]\n\
             [gateway]\nallow_targets = [\"loopback\"]\n{targets}",
            folder.path().join("admin.sock").display()
        );
        fs::write(&file, text).unwrap();
        let corsair = Corsair::listening(Self::command(&folder, &["-vv"]), 1);
        Self { corsair, folder }
    }

    fn command(folder: &TempDir, arguments: &[&str]) -> std::process::Command {
        let file = folder.path().join("corsair.toml").display().to_string();
        let mut command = command(&[arguments, &["-c", &file]].concat());
        command.env("OPERATORS_KEY", SECRET);
        command
    }

    fn admin(&self, path: &str) -> String {
        let name = self.folder.path().join("admin.sock").display().to_string();
        let mut client = Client::connect_unix(&name);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        let response = client.response();
        format!("{:?}\n{}", response.fields, response.text())
    }
}

fn set(host: &str, value: &str) -> String {
    format!(
        "[[gateway.target]]\nhost = \"http://{host}\"\nrequest_headers = {{ set = {{ authorization = \"{value}\" }} }}\n"
    )
}

#[test]
fn what_is_added_for_a_target_takes_the_place_of_what_came() {
    let (own, other) = (target(), target());
    let scene = Scene::new(&format!(
        "set_headers = [\"Authorization\"]\n[[gateway.target]]\nhost = \"http://{}\"\n\
         request_headers = {{ set = {{ authorization = \"Bearer ${{OPERATORS_KEY}}\" }}, add = {{ x-added = \"a\" }}, \
         remove = [\"x-gone\"] }}\n{}",
        own.address(),
        // The first that is for it counts.
        set(&own.address().to_string(), "Bearer second")
    ));
    let fields = "Authorization: Bearer mine\r\nX-Added: b\r\nX-Own: c\r\nX-Gone: d\r\n";
    for form in ["/http://", "/?url=http://"] {
        for set in ["", "X-Corsair-Set-Authorization: Bearer set\r\n"] {
            let got = |origin: &Origin| {
                scene
                    .corsair
                    .get(&format!("{form}{}/a", origin.address()), &format!("{PAGE}{fields}{set}"))
                    .text()
            };
            let expected = format!("authorization=Bearer {SECRET} x-added=b+a x-own=c x-gone=");
            assert_eq!(got(&own), expected, "{form} {set}");
            let kept = if set.is_empty() { "mine" } else { "set" };
            assert_eq!(
                got(&other),
                format!("authorization=Bearer {kept} x-added=b x-own=c x-gone=d"),
                "{form}"
            );
        }
    }
}

#[test]
fn at_a_redirect_each_target_gets_its_own() {
    let (first, second, other) = (target(), target(), target());
    let [first, second, other] = [&first, &second, &other].map(|origin| origin.address().to_string());
    let scene = Scene::new(&(set(&first, "Bearer first") + &set(&second, "Bearer second")));
    for (way, expected) in [
        (vec![&first], "Bearer first"),
        (vec![&first, &first], "Bearer first"),
        (vec![&first, &second], "Bearer second"),
        (vec![&first, &other], ""),
        (vec![&other, &second], "Bearer second"),
        (vec![&first, &other, &second], "Bearer second"),
        (vec![&first, &second, &other], ""),
    ] {
        let hops = way.iter().map(|host| format!("http://{host}"));
        let target = hops.collect::<Vec<_>>().join("/to?");
        let got =
            scene.corsair.get(&format!("/{target}/end"), &format!("{PAGE}Authorization: Bearer mine\r\n"));
        assert_eq!(got.status, 200);
        let expected = format!("authorization={expected} ");
        assert!(got.text().starts_with(&expected), "{way:?}: {} instead of {expected}", got.text());
    }
}

#[test]
fn a_trace_brings_nothing_back() {
    let origin = target();
    let host = origin.address().to_string();
    let scene = Scene::new(&set(&host, "Bearer ${OPERATORS_KEY}"));
    let got = scene.corsair.ask(format!("TRACE /http://{host}/ HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    assert!(!got.text().contains(SECRET), "{}", got.text());
    assert!(origin.seen().requests.iter().all(|request| !request.fields.has("authorization")));
}

#[test]
fn a_page_that_may_not_read_uses_no_secret() {
    let origin = target();
    let host = origin.address().to_string();
    let scene = Scene::new(&set(&host, "Bearer ${OPERATORS_KEY}"));
    for (fields, is_added) in [
        (PAGE, true),
        ("", true),
        ("Origin: https://evil.example\r\n", false),
        ("Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n", false),
    ] {
        assert_eq!(scene.corsair.get(&format!("/http://{host}/"), fields).status, 200);
        let added = origin.seen().requests.last().unwrap().fields.has("authorization");
        assert_eq!(added, is_added, "{fields}");
    }
}

#[test]
fn no_byte_that_leaves_corsair_holds_the_secret() {
    // It answers with less than it is asked, and in no way that could be relayed.
    let broken = Origin::always("HTTP/1.1 200 OK\r\nContent-Length: nonsense\r\n\r\n");
    let silent = target();
    let (host, dead) = (broken.address().to_string(), "127.0.0.1:9");
    let add = "request_headers = { add = { x-key = \"literal-of-the-operator-88ac\" } }\n";
    let targets = set(&host, "Bearer ${OPERATORS_KEY}")
        + &set(dead, "Bearer ${OPERATORS_KEY}")
        + &set(&silent.address().to_string(), "Bearer ${OPERATORS_KEY}")
        + "[[gateway.target]]\nhost = \"api.example.org\"\n"
        + add;
    let scene = Scene::new(&targets);
    let mut told = Vec::new();
    for accept in ["", "Accept: application/json\r\n", "Accept: text/html\r\n"] {
        for target in [
            format!("/http://{host}/"),
            format!("/http://{dead}/"),
            format!("/http://{}/", silent.address()),
            format!("/http://{}/to?http://u:p@a.example/", silent.address()),
            format!("/http://{}/to?http://{dead}/", silent.address()),
            "/https://api.example.org/".into(),
            "/".into(),
        ] {
            let response = scene.corsair.get(&target, &format!("{PAGE}{accept}"));
            // The target that shows all that it got is not corsair.
            let is_targets = response.status == 200;
            told.push(format!(
                "{:?} {}",
                response.fields,
                if is_targets { String::new() } else { response.text() }
            ));
        }
    }
    let seen = silent.seen().requests.last().unwrap().fields.get("authorization").map(str::to_owned);
    assert_eq!(seen, Some(format!("Bearer {SECRET}")), "it was sent");
    for path in ["/", "/status", "/metrics", "/healthz", "/readyz"] {
        told.push(scene.admin(path));
    }
    let run = |arguments: &[&str]| Corsair::command_to_end(Scene::command(&scene.folder, arguments));
    for arguments in [
        &["check", "--print"][..],
        &["check"],
        &["explain", "--origin", "https://app.example.com", "http://localhost/http://127.0.0.1:9/"],
        &["explain", "--json", "--method", "PUT", "http://localhost/http://127.0.0.1:9/"],
        &["check", "--max-age", "1"],
    ] {
        let ended = run(arguments);
        assert!(ended.code.is_some_and(|code| code <= 3), "{arguments:?}: {}", ended.stderr);
        told.push(ended.stdout + &ended.stderr);
    }
    let printed = run(&["check", "--print"]).stdout;
    assert!(printed.contains("\"authorization\" = \"Bearer ${OPERATORS_KEY}\""), "{printed}");
    assert!(printed.contains("\"x-key\" = \"***\""), "{printed}");
    // A reload that is refused quotes what is wrong.
    let file = scene.folder.path().join("corsair.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}[[gateway.target]]\nhost = \"${{OPERATORS_KEY}}/\"\n{add}rquest_headers = {{ set = {{ x = \"literal-of-the-operator-88ac\" }} }}\n")).unwrap();
    scene.corsair.signal(Signal::HUP);
    scene.corsair.wait_for_log("reload refused");
    eventually("the log is written", || scene.corsair.stdout().matches("\"status\":").count() >= 21);
    told.extend([scene.corsair.log(), scene.corsair.stdout()]);
    for told in told {
        for secret in [SECRET, "literal-of-the-operator-88ac"] {
            assert!(!told.contains(secret), "{told}");
        }
    }
}
