//! What a request shows in its target: signed links, and tokens of `--token`; over real sockets.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{fs, path::PathBuf};

use corsair::admission::{Keys, Link};
use support::{Client, Corsair, Origin, Response, daemon::command};

const ORIGIN: &str = "Origin: https://app.example.com\r\n";
const KEY: &str = "of-the-links-51c2-of-the-links-51c2";
const TOKEN: &str = "of-the-gateway/51c2+9f3e=";

/// A process whose file says who may do what by `[access.links]`.
struct Scene {
    folder: tempfile::TempDir,
    corsair: Corsair,
    origin: Origin,
}

impl Scene {
    /// With a route `/files` that wants links, and one that wants nothing.
    fn routes() -> Self {
        Self::start(
            "[[route]]\npath = \"/files\"\nupstream = \"web\"\naccess = [\"links\"]\n\
             [[route]]\npath = \"/open\"\nupstream = \"web\"\n\
             [upstream.web]\nservers = [\"http://ADDRESS\"]\n",
        )
    }

    fn gateway() -> Self {
        Self::start("[gateway]\nallow_targets = [\"any\"]\naccess = [\"links\"]\n")
    }

    fn start(more: &str) -> Self {
        let (folder, origin) = (tempfile::tempdir().unwrap(), Origin::echo());
        let text = format!(
            "trusted_proxies = [\"loopback\"]\n[[listen]]\naddress = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n\
             [admin]\nlisten = \"unix:{}\"\n\
             [access.links]\nsigned = {{ keys = {{ k1 = \"{KEY}\", spring = \"${{OF_SPRING}}\" }} }}\n{more}",
            folder.path().join("admin.sock").display(),
        );
        let text = text.replace("ADDRESS", &origin.address().to_string());
        fs::write(folder.path().join("corsair.toml"), text).unwrap();
        let file = folder.path().join("corsair.toml").display().to_string();
        let with_key = |arguments: &[&str]| {
            let mut command = command(arguments);
            command.env("OF_SPRING", "of-the-spring-9f3e-of-the-spring-9f3e");
            command
        };
        let corsair = Corsair::launch(with_key, &["-c", &*file, "-vv"], 1);
        Self { folder, corsair, origin }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("corsair.toml")
    }

    /// What `corsair sign` makes of this.
    fn signed(&self, more: &[&str], target: &str) -> String {
        let url = format!("http://LOCALHOST:{}{target}", self.corsair.address().port());
        let file = self.file().display().to_string();
        let arguments = [&["sign", "-c", &file, "--expires", "1h"], more, &[&*url]].concat();
        let ended = Corsair::command_to_end({
            let mut command = command(&arguments);
            command.env("OF_SPRING", "of-the-spring-9f3e-of-the-spring-9f3e");
            command
        });
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{arguments:?}");
        let printed = ended.stdout.strip_suffix('\n').unwrap();
        printed
            .strip_prefix(&format!("http://localhost:{}", self.corsair.address().port()))
            .unwrap()
            .to_owned()
    }

    fn ask(&self, method: &str, target: &str, fields: &str) -> Response {
        let port = self.corsair.address().port();
        let mut client = self.corsair.connect();
        client.send(format!("{method} {target} HTTP/1.1\r\nHost: localhost:{port}\r\n{fields}\r\n"));
        client.response_to(method)
    }

    /// The target that the origin got last.
    fn seen(&self) -> String {
        self.origin.seen().requests.last().unwrap().target.clone()
    }

    fn counted(&self) -> Vec<String> {
        let mut client = Client::connect_unix(&self.folder.path().join("admin.sock").display().to_string());
        client.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let text = client.response().text();
        text.lines().filter(|line| line.starts_with("corsair_access_total")).map(str::to_owned).collect()
    }
}

#[test]
fn a_signed_link_lets_in_until_its_time_and_its_refusals_are_readable() {
    let scene = Scene::routes();
    for key in ["k1", "spring"] {
        let link = scene.signed(&["--key", key], "/files/a.pdf?v=2&w");
        for method in ["GET", "HEAD"] {
            assert_eq!(scene.ask(method, &link, ORIGIN).status, 200, "{method} {link}");
            assert_eq!(scene.seen(), "/files/a.pdf?v=2&w", "what was signed by is nothing to the upstream");
        }
    }
    let link = scene.signed(&["--key", "k1"], "/files/a.pdf");
    let port = scene.corsair.address().port();
    let keys = Keys::of([("k1", KEY)]).unwrap();
    let host = format!("localhost:{port}");
    let over = Link { method: b"GET", authority: (host.as_bytes(), false), target: [b"/files/a.pdf", b""] };
    let over = keys.sign("k1", &over, 1_000_000_000).unwrap();
    let heads = scene.origin.seen().heads;
    for (method, target, told) in [
        ("GET", "/files/a.pdf".to_owned(), "needs a signed URL"),
        ("GET", format!("{link}&utm=1"), "needs a signed URL"),
        ("GET", link.replace("/a.pdf?", "/b.pdf?"), "is of another URL"),
        ("GET", link.replace("/a.pdf?", "/a.pdf?v=2&"), "is of another URL"),
        ("GET", link.replace("=k1&", "=spring&"), "is of another URL"),
        ("GET", link.replace("=k1&", "=k3&"), "is of another URL"),
        ("DELETE", link.clone(), "is of another URL"),
        ("GET", format!("/files/a.pdf?{over}"), "the time is over"),
        ("GET", format!("/files/b.pdf?{over}"), "is of another URL"),
    ] {
        for origin in ["", ORIGIN] {
            let response = scene.ask(method, &target, origin);
            let context = format!("{method} {target}: {response:?}");
            assert!(response.status == 403 && response.text().contains(told), "{context}");
            assert_eq!(
                response.field("proxy-status"),
                Some("corsair; error=http_request_denied"),
                "{context}"
            );
            assert_eq!(response.field("access-control-allow-origin"), Some("*"), "{context}");
            assert_eq!(response.field("www-authenticate"), None, "{context}");
        }
    }
    assert_eq!(scene.origin.seen().heads, heads, "nothing of it reached the upstream");
    let page = format!("Referer: http://localhost{link}\r\n");
    assert_eq!(scene.ask("GET", "/open", &page).status, 200);
    assert!(!scene.origin.seen().requests.last().unwrap().fields.has("referer"), "nor a page of such a link");
    let heads = scene.origin.seen().heads;
    let other_host = scene.corsair.ask(format!("GET {link} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"));
    assert_eq!(other_host.status, 403, "{other_host:?}");
    assert_eq!(scene.origin.seen().heads, heads, "nothing of it reached the upstream");
    let preflight = format!("{ORIGIN}Access-Control-Request-Method: DELETE\r\n");
    assert_eq!(scene.ask("OPTIONS", "/files/a.pdf", &preflight).status, 204, "a preflight is never asked");
    assert_eq!(scene.ask("GET", "/open?corsair-key=1", "").status, 200);
    assert_eq!(scene.seen(), "/open?corsair-key=1", "what is no signature is the application's");
    for (result, expected) in [("admitted", 4), ("refused", 19)] {
        let line = format!("corsair_access_total{{access=\"links\",result=\"{result}\"}} {expected}");
        assert!(scene.counted().contains(&line), "{line}: {:?}", scene.counted());
    }
}

#[test]
fn a_method_is_signed_and_a_host_is_that_which_the_client_asks() {
    let scene = Scene::routes();
    let link = scene.signed(&["--key", "k1", "--method", "PUT"], "/files/a");
    assert_eq!(scene.ask("PUT", &link, "Content-Length: 0\r\n").status, 200);
    assert_eq!(scene.ask("GET", &link, "").status, 403);
    let keys = Keys::of([("k1", KEY)]).unwrap();
    let signed = |secure| {
        let link =
            Link { method: b"GET", authority: (b"files.example.com", secure), target: [b"/files/a", b""] };
        format!("/files/a?{}", keys.sign("k1", &link, u64::MAX).unwrap())
    };
    for (fields, expected) in [
        ("", 403),
        ("X-Forwarded-Host: files.example.com\r\n", 200),
        ("X-Forwarded-Host: files.example.com:443\r\nX-Forwarded-Proto: https\r\n", 200),
        ("X-Forwarded-Host: files.example.com:443\r\n", 403),
        ("X-Forwarded-Host: other.example.com\r\n", 403),
    ] {
        assert_eq!(scene.ask("GET", &signed(false), fields).status, expected, "{fields}");
    }
    let absolute = format!("http://localhost:{}", scene.corsair.address().port());
    let link = scene.signed(&["--key", "k1"], "/files/b");
    assert_eq!(scene.ask("GET", &format!("{absolute}{link}"), "").status, 200);
    assert_eq!(scene.seen(), "/files/b");
}

#[test]
fn a_link_of_the_gateway_is_signed_in_every_form_and_its_target_sees_nothing_of_it() {
    let scene = Scene::gateway();
    let address = scene.origin.address();
    let encoded = format!("http%3A%2F%2F{address}%2Fx%3Fa%3D1");
    for (target, seen) in [
        (format!("/?url=http://{address}/x?a=1"), "/x?a=1"),
        (format!("/?url=http://{address}/x"), "/x"),
        (format!("/?url={encoded}"), "/x?a=1"),
        (format!("/?http://{address}/x?a=1"), "/x?a=1"),
        (format!("/http://{address}/x?a=1"), "/x?a=1"),
        (format!("/http://{address}/x"), "/x"),
    ] {
        let link = scene.signed(&["--key", "spring"], &target);
        assert_ne!(link, target);
        let response = scene.ask("GET", &link, ORIGIN);
        assert_eq!(response.status, 200, "{link}: {response:?}");
        assert_eq!(scene.seen(), seen, "{link}");
        assert_eq!(scene.ask("GET", &target, ORIGIN).status, 403, "{target}");
    }
}

#[test]
fn what_a_link_is_signed_by_reaches_no_log() {
    let scene = Scene::routes();
    let link = scene.signed(&["--key", "k1"], "/files/logged-1?v=2");
    let mac = link.rsplit_once('=').unwrap().1.to_owned();
    scene.ask("GET", &link, ORIGIN);
    scene.ask("GET", &link.replace("logged-1", "logged-2"), ORIGIN);
    // Not the last: it is not taken out, and hidden all the same.
    scene.ask(
        "GET",
        &link.replace("logged-1?v=2&", "logged-3?").replace("&corsair-expires", "&v&corsair-expires"),
        ORIGIN,
    );
    let record = scene.corsair.wait_for_record("/files/logged-1");
    assert_eq!((&record["target"], &record["access"]), (&"/files/logged-1?v=2".into(), &"links".into()));
    let record = scene.corsair.wait_for_record("/files/logged-2");
    assert_eq!((&record["status"], &record["access"]), (&403.into(), &"links".into()));
    scene.corsair.wait_for_record("/files/logged-3");
    let told = [scene.corsair.log(), scene.corsair.stdout()];
    for secret in [&*mac, KEY, "of-the-spring"] {
        assert!(told.iter().all(|told| !told.contains(secret)), "{secret}: {told:#?}");
    }
}

#[test]
fn what_cannot_be_signed_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("corsair.toml");
    let table =
        |name: &str| format!("[access.{name}]\nsigned.keys = {{ k1 = \"{KEY}\", {name} = \"{KEY}\" }}\n");
    let routes = ["spring", "autumn"]
        .map(|name| format!("[[route]]\npath = \"/{name}\"\nrespond = {{}}\naccess = [\"{name}\"]\n"));
    fs::write(&file, [table("spring"), table("autumn"), routes.concat()].concat()).unwrap();
    let file = file.display().to_string();
    let url = "https://files.example.com/a?b#top";
    let run = |arguments: &[&str]| Corsair::run_to_end(&[&["sign", "-c", &file], arguments].concat());
    let spring = ["--key", "spring", "--expires", "1h"];
    for (arguments, told) in [
        (&[][..], "sign: needs a key, a time and a URL: corsair sign -c FILE --key k1 --expires 1h https://"),
        (&["--key", "spring", url], "sign: needs a key, a time and a URL"),
        (&[&spring[..], &[url, url]].concat(), "belongs to no flag"),
        (
            &["--key", "sprng", "--expires", "1h", url],
            "--key: there is no key \"sprng\"; did you mean spring?",
        ),
        (
            &["--key", "k1", "--expires", "1h", url],
            "--key: \"k1\" stands in access.autumn and access.spring; say whose it is with --access NAME",
        ),
        (
            &["--access", "autum", "--key", "k1", "--expires", "1h", url],
            "--access: there is no [access.autum] with keys; did you mean autumn?",
        ),
        (&["--key", "spring", "--expires", "soon", url], "--expires: \"soon\" is no duration"),
        (&["--key", "spring", "--expires", "0s", url], "--expires: \"0s\" is over at once"),
        (&[&spring[..], &["--method", "G E T", url]].concat(), "--method: \"G E T\" is no method"),
        (
            &[&spring[..], &["/files/a"]].concat(),
            "/files/a: is no URL: relative URL without a base; write it as clients ask for it",
        ),
        (&[&spring[..], &["https:///"]].concat(), "https:///: is no URL: empty host"),
        (&[&spring[..], &["ftp://h/a"]].concat(), "ftp://h/a: is a URL of ftp"),
        (&[&spring[..], &["https://u:p@h/a"]].concat(), "has a user name"),
    ] {
        let ended = run(arguments);
        assert!(
            ended.code == Some(2) && ended.stdout.is_empty() && ended.stderr.contains(told),
            "{told}: {}",
            ended.stderr
        );
    }
    for arguments in [&["--access", "autumn", "--key", "k1"][..], &["--key", "spring"]] {
        let ended = run(&[arguments, &["--expires", "90d", "--method", "GET", url]].concat());
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
        let (begin, end) =
            (ended.stdout.strip_prefix("https://files.example.com/a?b&corsair-key=").unwrap(), "#top\n");
        assert!(begin.ends_with(end), "{}", ended.stdout);
        let again = run(&[&spring[..], &[ended.stdout.trim_end()]].concat());
        assert!(again.stderr.contains("is signed already"), "{}", again.stderr);
    }
    let none = Corsair::run_to_end(&["sign", "--key", "k1", "--expires", "1h", url]);
    assert!(
        none.code == Some(2) && none.stderr.contains("--key: nothing has keys: write one into signed"),
        "{}",
        none.stderr
    );
}

/// A gateway of flags to any target, and an origin.
fn with_token(more: &[&str]) -> (Corsair, Origin) {
    let arguments = [
        &[
            "--token",
            "${OF_A_TEST}",
            "--allow-target",
            "any",
            "--log-format",
            "json",
            "--access-log",
            "stdout",
            "-vv",
        ],
        more,
    ]
    .concat();
    let with_variable = |arguments: &[&str]| {
        let mut command = command(arguments);
        command.env("OF_A_TEST", TOKEN);
        command
    };
    (Corsair::launch(with_variable, &arguments, 1), Origin::echo())
}

fn ask(corsair: &Corsair, target: &str, fields: &str) -> Response {
    corsair.ask(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"))
}

const ENCODED: &str = "corsair-token=of-the-gateway%2F51c2%2B9f3e%3D";

#[test]
fn a_token_lets_into_the_gateway_from_each_of_its_places_and_goes_no_further() {
    let (corsair, origin) = with_token(&[]);
    let url = format!("http://{}/x?a=1", origin.address());
    let own = format!("X-Corsair-Token: {TOKEN}\r\n");
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let raw = format!("corsair-token={TOKEN}");
    for (target, fields, authorization) in [
        (format!("/?url={url}"), own.clone(), None),
        (format!("/?url={url}"), bearer.clone(), None),
        (
            format!("/?url={url}"),
            format!("{own}Authorization: Bearer of-the-target\r\n"),
            Some("Bearer of-the-target"),
        ),
        (format!("/?url={url}"), format!("{own}{bearer}"), None),
        (format!("/?url={url}&{ENCODED}"), String::new(), None),
        (format!("/?{ENCODED}&url={url}"), String::new(), None),
        (
            format!("/?{ENCODED}&url={url}"),
            "Authorization: Bearer of-the-target\r\n".into(),
            Some("Bearer of-the-target"),
        ),
        (format!("/?{raw}&url={url}"), String::new(), None),
        (format!("/{url}&{ENCODED}"), String::new(), None),
        (format!("/http://{}/x?{ENCODED}&a=1", origin.address()), String::new(), None),
        (format!("/?url=http%3A%2F%2F{}%2Fx%3Fa%3D1&{ENCODED}", origin.address()), String::new(), None),
    ] {
        for page in ["", ORIGIN] {
            let response = ask(&corsair, &target, &format!("{fields}{page}"));
            assert_eq!(response.status, 200, "{target} {fields}: {response:?}");
            let request = origin.seen().requests.last().unwrap().clone();
            assert_eq!(request.target, "/x?a=1", "{target}");
            assert_eq!(request.fields.get("authorization"), authorization, "{target} {fields}");
            let all = format!("{request:?}");
            assert!(
                !all.contains("51c2") && !request.fields.has("x-corsair-token"),
                "{target} {fields}: {all}"
            );
        }
    }
    let told = [corsair.log(), corsair.stdout()];
    assert!(told.iter().all(|told| !told.contains("51c2")), "{told:#?}");
}

#[test]
fn without_its_token_a_gateway_answers_401_that_a_page_can_read() {
    let (corsair, origin) = with_token(&["-l", "0.0.0.0:0"]);
    let url = format!("http://{}/x", origin.address());
    let challenge = "Bearer realm=\"token\"";
    let refused = "Bearer realm=\"token\", error=\"invalid_token\"";
    for (target, fields, expected) in [
        (format!("/?url={url}"), "", challenge),
        (format!("/?url={url}"), "Authorization: Basic YTpi\r\n", challenge),
        (format!("/?url={url}"), "Authorization: Bearer wrong-77aa\r\n", refused),
        (format!("/?url={url}"), "X-Corsair-Token: wrong-77aa\r\n", refused),
        (format!("/?url={url}&corsair-token=wrong-77aa"), "", refused),
        (format!("/?url={url}&corsair-token="), "", refused),
        (format!("/?url={url}&{ENCODED}&{ENCODED}"), "", refused),
    ] {
        for page in ["", ORIGIN] {
            let response = ask(&corsair, &target, &format!("{fields}{page}"));
            let context = format!("{target} {fields}: {response:?}");
            assert_eq!(
                (response.status, response.field("www-authenticate")),
                (401, Some(expected)),
                "{context}"
            );
            assert_eq!(response.field("access-control-allow-origin"), Some("*"), "{context}");
            let exposed = response.fields.members("access-control-expose-headers");
            assert!(exposed.iter().any(|name| name.eq_ignore_ascii_case("www-authenticate")), "{context}");
        }
    }
    let preflight = corsair.ask(format!(
        "OPTIONS /?url={url} HTTP/1.1\r\nHost: localhost\r\n{ORIGIN}Access-Control-Request-Method: GET\r\n\
         Access-Control-Request-Headers: x-corsair-token\r\n\r\n"
    ));
    let allowed = preflight.field("access-control-allow-headers");
    assert_eq!((preflight.status, allowed), (204, Some("x-corsair-token")), "{preflight:?}");
    assert_eq!(ask(&corsair, "/healthcheck", "").status, 200, "who looks on is not asked");
    assert_eq!(origin.seen().heads, 0, "no target sees anything of who is refused");
    let record = corsair.wait_for_record("/x");
    assert_eq!(record["access"], "token");
    assert!(!corsair.stdout().contains("77aa") && !corsair.log().contains("77aa"));
    // Over WebSocket a browser can send no field of a script's.
    let upgrade =
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\nSec-WebSocket-Version: 13\r\n";
    assert_eq!(ask(&corsair, &format!("/?url={url}"), upgrade).status, 401);
    assert_eq!(ask(&corsair, &format!("/?{ENCODED}&url={url}"), upgrade).status, 200);
}

#[test]
fn a_token_restricts_the_upstream_of_flags_which_sees_nothing_of_it() {
    let origin = Origin::echo();
    let upstream = format!("http://{}", origin.address());
    let corsair = Corsair::start(&["--token", "one-51c2,two-51c2", "-u", &*upstream, "-l", "0.0.0.0:0"]);
    for (target, fields, status, seen) in [
        ("/a?b", "", 401, None),
        ("/a?b", "X-Corsair-Token: one-51c2\r\n", 200, Some("/a?b")),
        ("/a?b", "X-Corsair-Token: three-51c2\r\n", 401, None),
        ("/a?b", "Authorization: Bearer two-51c2\r\n", 200, Some("/a?b")),
        ("/a?corsair-token=two-51c2&b", "", 200, Some("/a?b")),
        ("/a?corsair-token=two-51c2", "", 200, Some("/a")),
    ] {
        let heads = origin.seen().heads;
        assert_eq!(ask(&corsair, target, fields).status, status, "{target} {fields}");
        match seen {
            Some(seen) => {
                let request = origin.seen().requests.last().unwrap().clone();
                assert_eq!(request.target, seen);
                assert!(!format!("{request:?}").contains("51c2"), "{request:?}");
            }
            None => assert_eq!(origin.seen().heads, heads, "{target} {fields}"),
        }
    }
    // Of a page that was asked for so, browsers tell the application.
    let page = "X-Corsair-Token: one-51c2\r\nReferer: https://h/?corsair-token=one-51c2&a\r\n";
    assert_eq!(ask(&corsair, "/a.js", page).status, 200);
    assert!(!origin.seen().requests.last().unwrap().fields.has("referer"));
    let page = "X-Corsair-Token: one-51c2\r\nReferer: https://h/?a\r\n";
    assert_eq!(ask(&corsair, "/a.js", page).status, 200);
    assert_eq!(origin.seen().requests.last().unwrap().fields.get("referer"), Some("https://h/?a"));
    let credentials = "X-Corsair-Token: one-51c2\r\nAuthorization: Basic YTpi\r\n";
    assert_eq!(ask(&corsair, "/a", credentials).status, 200);
    let seen = origin.seen().requests.last().unwrap().fields.get("authorization").map(str::to_owned);
    assert_eq!(seen.as_deref(), Some("Basic YTpi"), "what is the application's goes on");
}

#[test]
fn an_explanation_says_what_is_asked_for() {
    let explained = |arguments: &[&str]| Corsair::run_to_end(&[&["explain"], arguments].concat()).stdout;
    let target = "http://127.0.0.1:3000/?url=https://api.example.org/";
    let told = explained(&["--token", "one-51c2", target]);
    assert!(told.contains("asked by --token: send one of its tokens, as X-Corsair-Token: TOKEN"), "{told}");
    let told = explained(&["--token", "one-51c2", "--header", "x-corsair-token: one-51c2", target]);
    assert!(!told.contains("asked by"), "{told}");
    let told = explained(&["--token", "one-51c2", &format!("{target}&corsair-token=one-51c2")]);
    assert!(!told.contains("asked by"), "{told}");
    let scene = Scene::routes();
    let file = scene.file().display().to_string();
    let ask = |target: &str| {
        let url = format!("http://localhost:{}{target}", scene.corsair.address().port());
        let mut explain = command(&["explain", "-c", &file, &url]);
        explain.env("OF_SPRING", "of-the-spring-9f3e-of-the-spring-9f3e");
        Corsair::command_to_end(explain).stdout
    };
    let told = ask("/files/a");
    assert!(told.contains("asked by access.links: ask for a URL that corsair sign has made"), "{told}");
    let told = ask(&scene.signed(&["--key", "k1"], "/files/a"));
    assert!(!told.contains("asked by"), "{told}");
}
