//! Cookies of the gateway's targets: isolated, and passed.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use support::{Client, Corsair, Origin, Response, answer, certificates::Authority};
use tempfile::TempDir;

const PAGE: &str = "Origin: https://app.example.com\r\n";

/// A server that tells which cookies it got. `/set?LINE` sets one; `/hop?LINE&URL` sets one and redirects.
fn target() -> Origin {
    Origin::start(|request| {
        let decoded = request.target.replace("%3B", ";").replace("%20", " ");
        if let Some(line) = decoded.strip_prefix("/set?") {
            return answer("200 OK", &format!("Set-Cookie: {line}\r\n"), "set").into();
        }
        if let Some((line, location)) = decoded.strip_prefix("/hop?").and_then(|rest| rest.split_once('&')) {
            let lines = format!("Set-Cookie: {line}\r\nLocation: {location}\r\n");
            return answer("302 Found", &lines, "").into();
        }
        answer("200 OK", "", &request.fields.all("cookie").join(" + ")).into()
    })
}

struct Scene {
    corsair: Corsair,
    folder: TempDir,
}

impl Scene {
    fn new(cookies: &str, more: &str) -> Self {
        Self::listening("", cookies, more)
    }

    fn listening(listen: &str, cookies: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("corsair.toml");
        let text = format!(
            "[[listen]]\naddress = \"127.0.0.1:0\"\n{listen}[log]\naccess = \"off\"\n\
             [cors]\nallow_origins = [\"https://app.example.com\"]\nallow_credentials = true\n\
             [gateway]\nallow_targets = [\"loopback\"]\ncookies = \"{cookies}\"\n{more}"
        );
        std::fs::write(&file, text).unwrap();
        Self { corsair: Corsair::start(&["-c", file.to_str().unwrap()]), folder }
    }

    fn get(&self, target: &str, cookies: &str) -> Response {
        let cookies = if cookies.is_empty() { String::new() } else { format!("Cookie: {cookies}\r\n") };
        self.corsair.get(target, &format!("{PAGE}{cookies}"))
    }
}

/// What a browser sends back of a cookie.
fn kept(response: &Response) -> Vec<String> {
    let pair = |line: &str| line.split(';').next().unwrap().to_owned();
    response.fields.all("set-cookie").into_iter().map(pair).collect()
}

#[test]
fn isolated_cookies_come_back_to_their_target_alone() {
    let (one, other) = (target(), target());
    let (one, other) = (one.address().to_string(), other.address().to_string());
    let scene = Scene::new("isolate", "");
    for form in ["/http://", "/?url=http://"] {
        let set = scene.get(&format!("{form}{one}/set?sid=1%3B%20Domain=example.com%3B%20Path=/"), "");
        assert_eq!(set.field("corsair-cors"), Some("allowed"));
        let port = one.rsplit_once(':').unwrap().1;
        let own = format!("http~127.0.0.1~{port}~sid=1");
        assert_eq!(kept(&set), [own.as_str()], "{form}");
        let line = set.field("set-cookie").unwrap();
        assert!(!line.to_ascii_lowercase().contains("domain"), "{line}");
        let place = if form == "/http://" { format!("; Path=/http://{one}/") } else { "; Path=/".to_owned() };
        assert!(line.ends_with(&place), "{line}");
        assert!(
            !set.field("access-control-expose-headers")
                .unwrap_or_default()
                .to_ascii_lowercase()
                .contains("cookie")
        );

        let sent = format!("of-the-page=9; {own}; plain=8");
        assert_eq!(scene.get(&format!("{form}{one}/"), &sent).text(), "sid=1", "{form}");
        assert_eq!(scene.get(&format!("{form}{other}/"), &sent).text(), "", "{form}");
        // A page that may not read the answer has the target do nothing for its user.
        let evil = format!("Origin: https://evil.example\r\nCookie: {sent}\r\n");
        assert_eq!(scene.corsair.get(&format!("{form}{one}/"), &evil).text(), "", "{form}");
    }
    // By another scheme, even on the same port, it is another target.
    let port = one.rsplit_once(':').unwrap().1;
    assert_eq!(scene.get(&format!("/http://{one}/"), &format!("https~127.0.0.1~{port}~sid=1")).text(), "");
}

#[test]
fn what_a_hop_sets_counts_for_the_next_and_reaches_the_browser() {
    let (one, other) = (target(), target());
    let (one, other) = (one.address().to_string(), other.address().to_string());
    let port = |host: &str| host.rsplit_once(':').unwrap().1.to_owned();
    let mark = |host: &str| format!("http~127.0.0.1~{}~", port(host));
    let scene = Scene::new("isolate", "");
    let sent = format!("{}old=0; {}theirs=5", mark(&one), mark(&other));
    // To itself, with what it has just set.
    let response = scene.get(&format!("/http://{one}/hop?sid=1&/end"), &sent);
    assert_eq!(response.text(), "old=0; sid=1");
    assert_eq!(kept(&response), [format!("{}sid=1", mark(&one))]);
    // To another one, with that one's, and back.
    let there = format!("http://{other}/hop?b=2&http://{one}/end");
    let response = scene.get(&format!("/http://{one}/hop?a=1&{there}"), &sent);
    assert_eq!(response.text(), "old=0; a=1");
    assert_eq!(kept(&response), [format!("{}a=1", mark(&one)), format!("{}b=2", mark(&other))]);
    let response = scene.get(&format!("/http://{one}/hop?a=1&http://{other}/end"), &sent);
    assert_eq!(response.text(), "theirs=5");
    // What is deleted is gone for the next, and the browser is told.
    let response = scene.get(&format!("/http://{one}/hop?old=%3B%20Max-Age=0&/end"), &sent);
    assert_eq!(response.text(), "");
    let told = response.field("set-cookie").unwrap();
    assert!(told.starts_with(&format!("{}old=;", mark(&one))) && told.contains("; Max-Age=0"), "{told}");
    // What is set later counts.
    let response = scene.get(&format!("/http://{one}/hop?a=1&/set?a=2"), "");
    assert_eq!(kept(&response), [format!("{}a=2", mark(&one))]);
}

#[test]
fn over_tls_they_can_be_used_by_pages_of_other_sites() {
    let authority = Authority::new();
    let (cert, key) = authority.write(&authority.leaf(&["localhost"]));
    let listen = format!("tls = {{ certificates = [{{ cert = {cert:?}, key = {key:?} }}] }}\n");
    let scene = Scene::listening(&listen, "isolate", "");
    let origin = target();
    let mut client = Client::connect_tls(scene.corsair.address(), "localhost", authority.client(&[]));
    client.send(format!(
        "GET /http://{}/set?sid=1%3B%20SameSite=Strict HTTP/1.1\r\nHost: localhost\r\n{PAGE}\r\n",
        origin.address()
    ));
    let response = client.response();
    let line = response.field("set-cookie").unwrap();
    assert!(line.ends_with("; SameSite=None; Secure; Partitioned") && !line.contains("Strict"), "{line}");
}

#[test]
fn a_cookie_that_cannot_be_kept_is_told() {
    let origin = target();
    let scene = Scene::new("isolate", "");
    for line in ["__Host-sid=1%3B%20Secure%3B%20Path=/", "__Secure-sid=1%3B%20Secure", "without-a-value"] {
        let response = scene.get(&format!("/http://{}/set?{line}", origin.address()), "");
        assert_eq!((response.status, kept(&response).len()), (200, 0), "{line}");
        assert_eq!(response.field("corsair-cors"), Some("allowed; cookies=dropped"), "{line}");
    }
}

#[test]
fn an_application_beside_gets_none_of_a_targets_cookies() {
    let application = target();
    let route = format!(
        "[upstream.app]\nservers = [\"http://{}\"]\n[[route]]\nupstream = \"app\"\n",
        application.address()
    );
    let sent = "own=1; https~api.example.org~443~sid=2; __Host-https~api.example.org~443~h=3; http~a=4";
    assert_eq!(Scene::new("isolate", &route).get("/", sent).text(), "own=1; http~a=4");
    assert_eq!(Scene::new("strip", &route).get("/", sent).text(), sent);
    assert_eq!(Scene::new("isolate", &route).get("/", "https~a.example~443~b=1").text(), "");
}

#[test]
fn passed_cookies_go_both_ways_as_they_are() {
    let (one, other) = (target(), target());
    let scene = Scene::new("pass", "");
    let set = scene.get(&format!("/http://{}/set?sid=1%3B%20Path=/x", one.address()), "");
    assert_eq!(set.fields.all("set-cookie"), ["sid=1; Path=/x"]);
    assert_eq!(set.field("corsair-cors"), Some("allowed"));
    assert_eq!(scene.get(&format!("/http://{}/", one.address()), "a=1; b=2").text(), "a=1; b=2");
    // To another origin they follow no redirect.
    let hop = format!("/http://{}/hop?c=1&http://{}/end", one.address(), other.address());
    assert_eq!(scene.get(&hop, "a=1").text(), "");
    assert_eq!(scene.get(&format!("/http://{}/hop?c=1&/end", one.address()), "a=1").text(), "a=1");
}

#[test]
fn a_page_or_an_operator_that_sets_cookies_has_the_last_word() {
    let origin = target();
    let host = origin.address().to_string();
    let own = format!("http~127.0.0.1~{}~sid=1", origin.address().port());
    let scene = Scene::new("isolate", "set_headers = [\"Cookie\"]\n");
    let fields = format!("{PAGE}Cookie: {own}\r\nX-Corsair-Set-Cookie: mine=2\r\n");
    assert_eq!(scene.corsair.get(&format!("/http://{host}/"), &fields).text(), "mine=2");
    let targets =
        format!("[[gateway.target]]\nhost = \"http://{host}\"\nrequest_headers.set.cookie = \"theirs=3\"\n");
    let scene = Scene::new("isolate", &format!("set_headers = [\"Cookie\"]\n{targets}"));
    assert_eq!(scene.corsair.get(&format!("/http://{host}/"), &fields).text(), "theirs=3");
}

#[test]
fn without_credentials_of_the_policy_they_are_warned_of() {
    let scene = Scene::new("strip", "");
    let file = scene.folder.path().join("other.toml");
    for (cookies, more, warned) in [
        ("isolate", "", true),
        ("pass", "", true),
        ("strip", "", false),
        ("isolate", "[cors]\nallow_origins = [\"https://a.example\"]\nallow_credentials = true\n", false),
    ] {
        std::fs::write(&file, format!("{more}[gateway]\ncookies = \"{cookies}\"\n")).unwrap();
        let ended = Corsair::run_to_end(&["check", "-c", file.to_str().unwrap()]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(
            ended.stderr.contains("gateway.cookies: is of no use to pages"),
            warned,
            "{}",
            ended.stderr
        );
    }
}
