//! What the tests of cors-anywhere (`test/test.js`) check, asked of corsair in the same way. Cases are called as they are
//! there; where the outcome is another one on purpose, the case names the row of `docs/migrating.md` that says why.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use support::{
    Corsair, Origin, Response, answer, certificates::Authority, daemon::command, message::Request,
};
use tempfile::TempDir;

const DIFFERENCES: &str = include_str!("../docs/migrating.md");

const BODY: &str = "{\"this is a request body & should not be mangled\":1.00}";

/// The site that its tests call `example.com`.
fn site(request: &Request) -> Vec<u8> {
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let (status, lines, body) = match request.target.as_str() {
        "/echopost" => ("200 OK", "", body),
        "/redirect" => {
            ("302 Found", "Location: /redirecttarget\r\nHeader-At-Redirect: value\r\n", String::new())
        }
        "/redirecttarget" => ("200 OK", "Some-Header: value\r\n", "redirect target".into()),
        "/redirectloop" => ("302 Found", "Location: /redirectloop\r\n", "redirecting ad infinitum...".into()),
        "/redirectpost" => ("302 Found", "Location: /redirectposttarget\r\n", String::new()),
        "/redirect307" => {
            ("307 Temporary Redirect", "Location: /redirectposttarget\r\n", "redirecting...".into())
        }
        "/redirectposttarget" => ("200 OK", "", format!("{} {body}", request.method)),
        "/redirectwithoutlocation" => ("302 Found", "", "maybe found".into()),
        "/setcookie" => ("200 OK", "Set-Cookie: x\r\nSet-Cookie2: y\r\nSet-Cookie3: z\r\n", String::new()),
        "/echoheaders" => {
            let lines =
                request.fields.0.iter().map(|(name, value)| format!("{}: {value}\n", name.to_lowercase()));
            ("200 OK", "", lines.collect())
        }
        _ => ("200 OK", "", format!("Response from {}", request.fields.get("host").unwrap_or_default())),
    };
    answer(status, lines, if request.method == "HEAD" { "" } else { &body }).into()
}

/// The site over http and https, and a gateway that knows both as `example.com`.
struct World {
    corsair: Corsair,
    http: Origin,
    https: Origin,
    _folder: TempDir,
}

impl World {
    /// With this in the table of the gateway and these tables, in which `HTTP` stands for the port of the site.
    fn new(gateway: &str, tables: &str) -> Self {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        let (http, https) =
            (Origin::start(site), Origin::start_tls(authority.leaf(&["example.com"]).server(), site));
        let hosts = folder.path().join("hosts");
        let names = "127.0.0.1 example.com prefix.example.com example.com.com robots.txt\n";
        std::fs::write(&hosts, names).unwrap();
        let file = folder.path().join("corsair.toml");
        let text = format!(
            "[[listen]]\naddress = \"127.0.0.1:0\"\n[log]\naccess = \"off\"\n[dns]\nhosts_file = {hosts:?}\n\
             [gateway]\nbare_hosts = true\nallow_targets = [\"any\"]\n{gateway}{tables}"
        );
        let text = text.replace("HTTP", &http.address().port().to_string());
        std::fs::write(&file, text).unwrap();
        let ca = authority.file();
        let arguments = ["-c", file.to_str().unwrap(), "--ca-file", ca.to_str().unwrap()];
        let mut command = command(&arguments);
        command.env_remove("http_proxy").env_remove("https_proxy");
        Self { corsair: Corsair::listening(command, 1), http, https, _folder: folder }
    }

    /// Asks, with the ports of the site in their place: `HTTP` and `HTTPS`.
    fn ask(&self, method: &str, target: &str, fields: &str, body: &str) -> Response {
        let [http, https] = [&self.http, &self.https].map(|origin| origin.address().port().to_string());
        let placed = |text: &str| text.replace("HTTPS", &https).replace("HTTP", &http);
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let mut client = self.corsair.connect();
        client.send(format!(
            "{method} {} HTTP/1.1\r\nHost: localhost\r\n{}{length}\r\n{body}",
            placed(target),
            placed(fields)
        ));
        client.response_to(method)
    }
}

/// A case of theirs: its name, the request, and the status and the text of the answer, which it begins with.
struct Case {
    name: &'static str,
    request: [&'static str; 4],
    status: u16,
    text: &'static str,
    /// The row that says why theirs comes out otherwise.
    because: Option<&'static str>,
}

const fn same(name: &'static str, request: [&'static str; 4], status: u16, text: &'static str) -> Case {
    Case { name, request, status, text, because: None }
}

const fn other(
    name: &'static str,
    request: [&'static str; 4],
    status: u16,
    text: &'static str,
    because: &'static str,
) -> Case {
    Case { name, request, status, text, because: Some(because) }
}

fn explained(because: &str) {
    assert!(
        DIFFERENCES.contains(&format!("\n| {because} |")),
        "docs/migrating.md does not tell of {because:?}"
    );
}

fn check(world: &World, cases: &[Case]) {
    for Case { name, request: [method, target, fields, body], status, text, because } in cases {
        let response = world.ask(method, target, fields, body);
        let got = response.text();
        assert_eq!(response.status, *status, "{name}: {got}");
        assert!(got.starts_with(text), "{name}: {got}");
        if response.status != 403 {
            assert_eq!(response.field("access-control-allow-origin"), Some("*"), "{name}");
        }
        because.iter().for_each(|because| explained(because));
    }
}

const HELP: &str = "Required \"url\" query parameter not found.\nThis is a CORS gateway.";
const ROOT: &str = "`/` is the help, with a 200";
const NO_HOST: &str = "what is no host is a 404, or the help";
const BARE: &str = "no scheme is http, or https with port 443";
const OPTIONS: &str = "every OPTIONS is a preflight, a 200";
const ORIGIN: &str = "every answer says `Access-Control-Allow-Origin: *`";
const HEADER: &str = "a missing header is a 400, and an empty one suffices";

#[test]
fn basic_functionality() {
    let world = World::new("", "");
    let get = |target| ["GET", target, "", ""];
    check(
        &world,
        &[
            other("GET /", get("/"), 400, HELP, ROOT),
            other("GET /iscorsneeded", get("/iscorsneeded"), 400, HELP, "`/iscorsneeded`"),
            same("GET /example.com:65536", get("/example.com:65536"), 400, ""),
            other("GET /favicon.ico", get("/favicon.ico"), 400, HELP, NO_HOST),
            other("GET /robots.txt", get("/robots.txt"), 400, HELP, NO_HOST),
            same(
                "GET /http://robots.txt should be proxied",
                get("/http://robots.txt:HTTP"),
                200,
                "Response from robots.txt",
            ),
            other("GET /example.com", get("/example.com:HTTPS"), 200, "Response from example.com", BARE),
            // Whatever the port is.
            other("GET /example.com:80", get("/example.com:HTTPS/x"), 200, "Response from example.com", BARE),
            same("GET /example.com:443", get("/example.com:HTTPS"), 200, "Response from example.com"),
            other("GET //example.com", get("//example.com:HTTPS"), 200, "Response from example.com", NO_HOST),
            other("GET /http://:1234", get("/http://:1234"), 400, "Invalid \"url\" query parameter", NO_HOST),
            other("GET /http:///", get("/http:///"), 400, "Invalid \"url\" query parameter", NO_HOST),
            other(
                "GET /http:/notenoughslashes",
                get("/http:/example.com:HTTP/x"),
                200,
                "Response from example.com",
                "one slash behind `http:` is no target",
            ),
            same("GET ///example.com", get("///example.com:HTTPS"), 200, "Response from example.com"),
            same(
                "GET /http://example.com",
                get("/http://example.com:HTTP"),
                200,
                "Response from example.com",
            ),
            same("POST plain text", ["POST", "/http://example.com:HTTP/echopost", "", BODY], 200, BODY),
            same(
                "POST file",
                [
                    "POST",
                    "/http://example.com:HTTP/echopost",
                    "Content-Type: multipart/form-data; boundary=b\r\n",
                    "--b\r\n\r\ndummy content\n\r\n--b--",
                ],
                200,
                "--b\r\n\r\ndummy content\n\r\n--b--",
            ),
        ],
    );
}

#[test]
fn redirects() {
    let world = World::new("", "");
    let at = |path: &str| format!("/http://example.com:HTTP{path}");
    let own = |path: &str| format!("http://example.com:{}{path}", world.http.address().port());
    for (name, method) in
        [("HEAD with redirect should be followed", "HEAD"), ("GET with redirect should be followed", "GET")]
    {
        let response = world.ask(method, &at("/redirect"), "", "");
        assert_eq!((response.status, response.field("some-header")), (200, Some("value")), "{name}");
        assert_eq!(response.field("x-final-url"), Some(&*own("/redirecttarget")), "{name}");
        let exposed = response.fields.members("access-control-expose-headers");
        assert!(
            ["some-header", "x-final-url"].iter().all(|name| exposed.contains(&(*name).to_owned())),
            "{exposed:?}"
        );
        for absent in ["header-at-redirect", "x-request-url", "x-cors-redirect-1"] {
            assert!(!response.fields.has(absent), "{name}: {absent}");
        }
        explained("`X-Request-URL`, `X-CORS-Redirect-N`");
    }
    // GET with redirect loop should interrupt
    let before = world.http.seen().requests.len();
    assert_eq!(world.ask("GET", &at("/redirectloop"), "", "").status, 508);
    assert_eq!(world.http.seen().requests.len() - before, 11);
    explained("five redirects, then one for the browser");
    // POST with 302 redirect should be followed
    let response = world.ask("POST", &at("/redirectpost"), "", BODY);
    assert_eq!((response.status, response.text().as_str()), (200, "GET "));
    assert_eq!(response.field("x-final-url"), Some(&*own("/redirectposttarget")));
    // GET with 302 redirect without Location header should not be followed
    let response = world.ask("GET", &at("/redirectwithoutlocation"), "", "");
    assert_eq!((response.status, response.text().as_str()), (302, "maybe found"));
    assert_eq!(response.field("x-final-url"), Some(&*own("/redirectwithoutlocation")));
    // POST with 307 redirect should not be handled
    let response = world.ask("POST", &at("/redirect307"), "", BODY);
    assert_eq!((response.status, response.text()), (200, format!("POST {BODY}")));
    explained("a 307 or 308 with a body is left to the browser");
}

#[test]
fn preflights_and_their_age() {
    let world = World::new("", "");
    let origin = "Origin: https://app.example.com\r\n";
    let asks = "Access-Control-Request-Method: DELETE\r\nAccess-Control-Request-Headers: X-Tralala\r\n";
    for (name, target, fields, status) in [
        ("OPTIONS /", "/", "", 400),
        ("OPTIONS / with Access-Control-Request-Method / -Headers", "/", asks, 400),
        ("OPTIONS /, as a browser asks", "/", &*format!("{origin}{asks}"), 204),
        ("OPTIONS //bogus", "//bogus", &*format!("{origin}{asks}"), 204),
    ] {
        let response = world.ask("OPTIONS", target, fields, "");
        assert_eq!(response.status, status, "{name}");
        assert_eq!(response.field("access-control-allow-origin"), Some("*"), "{name}");
        let is_preflight = status == 204;
        assert_eq!(
            response.field("access-control-allow-methods"),
            is_preflight.then_some("DELETE"),
            "{name}"
        );
        assert_eq!(
            response.field("access-control-allow-headers"),
            is_preflight.then_some("X-Tralala"),
            "{name}"
        );
        // Access-Control-Max-Age set, Access-Control-Max-Age not set
        assert_eq!(response.field("access-control-max-age"), is_preflight.then_some("600"), "{name}");
    }
    assert!(!world.ask("GET", "/http://example.com:HTTP/", "", "").fields.has("access-control-max-age"));
    explained(OPTIONS);
    explained("`Access-Control-Max-Age` on every answer, none by default");
}

#[test]
fn what_a_target_is_told() {
    let world = World::new(
        "",
        "[[gateway.target]]\nhost = \"http://example.com:HTTP\"\n\
                            request_headers = { set = { x-powered-by = \"CORS Anywhere\" }, remove = [\"cookie2\"] }\n",
    );
    let told = |target: &str, fields: &str| world.ask("GET", target, fields, "").text();
    // X-Forwarded-* headers, over http and https, with xfwd and without
    for target in ["/http://example.com:HTTP/echoheaders", "/https://example.com:HTTPS/echoheaders"] {
        let text = told(target, "");
        assert!(text.starts_with("host: example.com:") && !text.contains("x-forwarded-"), "{text}");
    }
    explained("`X-Forwarded-*` to targets");
    // removeHeaders: GET /example.com with request cookie, and with unknown header
    let text = told("/http://example.com:HTTP/echoheaders", "Cookie: a\r\nCookie2: b\r\nCookie3: c\r\n");
    assert!(
        text.contains("cookie3: c\n") && !text.contains("cookie: ") && !text.contains("cookie2: "),
        "{text}"
    );
    // setHeaders: GET /example.com, and GET /example.com should replace header
    for fields in ["", "X-Powered-By: should be replaced\r\n"] {
        let text = told("/http://example.com:HTTP/echoheaders", fields);
        assert_eq!(text.matches("x-powered-by: CORS Anywhere\n").count(), 1, "{text}");
        assert!(!text.contains("replaced"), "{text}");
    }
    // Ignore cookies
    let response = world.ask("GET", "/http://example.com:HTTP/setcookie", "", "");
    for name in ["set-cookie", "set-cookie2", "set-cookie3"] {
        assert!(!response.fields.has(name), "{name}");
    }
    explained("`Set-Cookie3` and other unknown `Set-…` pass");
}

#[test]
fn settings_that_contradict_themselves_or_no_head_can_hold_are_faults_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("corsair.toml");
    for (edits, fault, because) in [
        (
            "{ set = { x-powered-by = \"CORS Anywhere\" }, remove = [\"x-powered-by\"] }",
            "is set as well; to set it replaces all that came",
            "a header that is set and removed is set",
        ),
        (
            "{ set = { headername = \"invalid\\u0001value\" } }",
            "has a control character in its value; leave it out",
            "an invalid header value is a 404 at each request",
        ),
    ] {
        let text = format!("[[gateway.target]]\nhost = \"example.com\"\nrequest_headers = {edits}\n");
        std::fs::write(&file, text).unwrap();
        let ended = Corsair::run_to_end(&["check", "-c", file.to_str().unwrap()]);
        assert!(ended.code == Some(2) && ended.stderr.contains(fault), "{}", ended.stderr);
        explained(because);
    }
}

#[test]
fn proxy_errors() {
    let world = World::new("", "");
    for (name, response, status) in [
        ("Content-Length mismatch", "HTTP/1.1 418 OK\r\nContent-Length: Not a digit\r\n\r\n", 502),
        ("Invalid HTTP status code", "HTTP/1.0 0\r\nContent-Length: 0\r\n\r\n", 502),
        // The status cannot be changed any more, and the end of the body shows that it is none.
        (
            "Content-Encoding invalid body",
            "HTTP/1.1 418 OK\r\nTransfer-Encoding: chunked\r\n\r\nJK I lied",
            418,
        ),
    ] {
        let bad = Origin::always(response);
        let mut client = world.corsair.connect();
        client.send(format!("GET /http://{} HTTP/1.1\r\nHost: localhost\r\n\r\n", bad.address()));
        if status == 418 {
            // It is cut, or none comes.
            let whole = client.try_response("GET").ok();
            assert!(whole.is_none_or(|answer| answer.status == 502), "{name}");
        } else {
            let response = client.response();
            assert_eq!(response.status, status, "{name}");
            assert!(response.fields.has("proxy-status"), "{name}");
            assert_eq!(response.field("access-control-allow-origin"), Some("*"), "{name}");
        }
    }
    explained("proxy errors are a 404");
}

#[test]
fn origin_blacklist_and_whitelist() {
    let get = |origin: &'static str| ["GET", "/http://example.com:HTTP/", origin, ""];
    let world = World::new("", "[cors]\ndeny_origins = [\"http://denied.origin.test\"]\n");
    check(
        &world,
        &[
            other(
                "GET /example.com with denied origin",
                get("Origin: http://denied.origin.test\r\n"),
                403,
                "",
                ORIGIN,
            ),
            same(
                "GET /example.com without denied origin",
                get("Origin: https://denied.origin.test\r\n"),
                200,
                "",
            ),
            same("GET /example.com without origin", get(""), 200, ""),
        ],
    );
    let listed = "[cors]\nallow_origins = [\"https://permitted.origin.test\"]\nrefuse_other_origins = true\n";
    let world = World::new("", listed);
    for (name, fields, status, origin) in [
        (
            "GET /example.com with permitted origin",
            "Origin: https://permitted.origin.test\r\n",
            200,
            Some("https://permitted.origin.test"),
        ),
        ("GET /example.com without permitted origin", "Origin: http://permitted.origin.test\r\n", 403, None),
        ("GET /example.com without origin", "", 200, None),
    ] {
        let response = world.ask("GET", "/http://example.com:HTTP/", fields, "");
        assert_eq!(
            (response.status, response.field("access-control-allow-origin")),
            (status, origin),
            "{name}"
        );
    }
    let world = World::new("require_headers = [\"Origin\"]\n", listed);
    assert_eq!(world.ask("GET", "/http://example.com:HTTP/", "", "").status, 403);
    explained("a whitelist refuses requests without `Origin`");
}

#[test]
fn redirect_same_origin() {
    let world = World::new("redirect_same_origin = true\n", "");
    for (name, target, origin, is_redirect) in [
        (
            "GET /example.com with Origin: http://example.com",
            "http://example.com:HTTP/",
            "http://example.com:HTTP",
            true,
        ),
        (
            "GET /example.com with Origin: https://example.com",
            "http://example.com:HTTP/",
            "https://example.com:HTTP",
            false,
        ),
        (
            "GET /example.com with Origin: http://example.com:1234",
            "http://example.com:HTTP/",
            "http://example.com:1234",
            false,
        ),
        (
            "GET /example.com:1234 with Origin: http://example.com",
            "http://example.com:HTTP/",
            "http://example.com",
            false,
        ),
        (
            "GET /example.com with Origin: http://example.com.test",
            "http://example.com:HTTP/",
            "http://example.com.test:HTTP",
            false,
        ),
        (
            "GET /example.com.com with Origin: http://example.com",
            "http://example.com.com:HTTP/",
            "http://example.com:HTTP",
            false,
        ),
        (
            "GET /prefix.example.com with Origin: http://example.com",
            "http://prefix.example.com:HTTP/",
            "http://example.com:HTTP",
            false,
        ),
    ] {
        let response = world.ask("GET", &format!("/{target}"), &format!("Origin: {origin}\r\n"), "");
        assert_eq!(response.status, if is_redirect { 302 } else { 200 }, "{name}");
        let own = target.replace("HTTP", &world.http.address().port().to_string());
        assert_eq!(response.field("location"), is_redirect.then_some(&*own), "{name}");
        assert_eq!(response.field("access-control-allow-origin"), Some("*"), "{name}");
    }
    explained("a same-origin redirect is a 301");
}

#[test]
fn require_header() {
    let get = |fields: &'static str| ["GET", "/http://example.com:HTTP/", fields, ""];
    check(
        &World::new("require_headers = [\"origin\", \"x-requested-with\"]\n", ""),
        &[
            other("GET /example.com without header", get(""), 403, "", HEADER),
            other(
                "GET /example.com with X-Requested-With header",
                get("X-Requested-With:\r\n"),
                403,
                "",
                HEADER,
            ),
            same(
                "GET /example.com with X-Requested-With header",
                get("X-Requested-With: fetch\r\n"),
                200,
                "",
            ),
            same("GET /example.com with Origin header", get("Origin: null\r\n"), 200, ""),
        ],
    );
    check(
        &World::new("require_headers = [\"ORIGIN\"]\n", ""),
        &[
            other(
                "GET /example.com without header (requireHeader as string, uppercase)",
                get(""),
                403,
                "",
                HEADER,
            ),
            same(
                "GET /example.com with header (requireHeader as string, uppercase)",
                get("Origin: null\r\n"),
                200,
                "",
            ),
        ],
    );
    let name = "GET /example.com (requireHeader is an empty array)";
    check(
        &World::new("require_headers = []\n", ""),
        &[same(name, get(""), 200, "Response from example.com")],
    );
}

#[test]
fn proxies_of_the_environment() {
    let parent = Origin::start(|request| {
        let host = request.fields.get("host").unwrap_or_default();
        answer("200 OK", "", &format!("{} {} Host={host}", request.method, request.target)).into()
    });
    let table = format!("[proxy]\nhttp = \"http://{}\"\nno_proxy = [\"robots.txt\"]\n", parent.address());
    let world = World::new("", &table);
    for (name, target, expected) in [
        (
            "http_proxy should be respected for matching domains",
            "/http://example.com/",
            "GET http://example.com/ Host=example.com",
        ),
        (
            "http_proxy should be ignored for http URLs",
            "/https://example.com:HTTPS/",
            "Response from example.com",
        ),
        (
            "https_proxy + no_proxy should not intercept requests in no_proxy",
            "/http://robots.txt:HTTP/",
            "Response from robots.txt",
        ),
    ] {
        let response = world.ask("GET", target, "", "");
        assert!(response.text().starts_with(expected), "{name}: {} {}", response.status, response.text());
    }
    explained("the environment names proxies");
    explained("a help file");
}

#[test]
fn check_rate_limit() {
    let world = World::new("limit = [\"all\"]\n", "[limit.all]\nrate = \"1/1h\"\nkey = \"origin\"\n");
    let ask = |origin: &str| {
        world.ask("GET", "/http://example.com:HTTP/", &format!("Origin: http://{origin}\r\n"), "")
    };
    // GET /example.com without rate-limit
    assert_eq!(ask("example.net:1234").status, 200);
    // GET /example.com with rate-limit
    let response = ask("example.net:1234");
    assert_eq!((response.status, response.field("access-control-allow-origin")), (429, Some("*")));
    assert_eq!(ask("example.org").status, 200, "each origin has its own");
}
