//! What only a browser shows: that Chromium hands no password of one target to another, and runs no script of a
//! target as the application beside it; and that the admin page shows what it is for, and no more.
//!
//! Wants Debian's `chromium` and `chromium-driver`. Without them a test says that it was skipped, unless
//! `REQUIRE_BROWSER` is set, as `.ci/run` does.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    io::{BufRead, BufReader, Write as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use fantoccini::{Client, ClientBuilder, wd::Capabilities};
use serde_json::{Value, json};
use support::{Corsair, Origin, Request, answer, eventually};
use tempfile::TempDir;

/// One Chromium with an empty profile, and its driver.
struct Browser {
    driver: Child,
    runtime: tokio::runtime::Runtime,
    client: Client,
    _profile: TempDir,
}

impl Browser {
    /// A browser; nothing where there is none and none is required.
    fn start() -> Option<Self> {
        let (Some(driver), Some(binary)) = (installed("chromedriver"), installed("chromium")) else {
            let missing =
                "chromium and chromium-driver are not installed (apt-get install chromium chromium-driver)";
            assert!(std::env::var_os("REQUIRE_BROWSER").is_none(), "{missing}");
            // Past the capture of the test's output: who looks must see it.
            let mut stderr = std::io::stderr();
            writeln!(stderr, "SKIPPED, nothing was tested: {missing}").unwrap();
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let mut driver = Command::new(driver)
            .args(["--port=0"])
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let port = BufReader::new(driver.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok)
            .find_map(|line| {
                let port = line.strip_prefix("ChromeDriver was started successfully on port ")?;
                port.trim_end_matches('.').parse::<u16>().ok()
            })
            .expect("the driver names its port");
        let profile_flag = format!("--user-data-dir={}", profile.path().join("profile").display());
        let mut capabilities = Capabilities::new();
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &profile_flag,
        ];
        capabilities.insert("goog:chromeOptions".to_owned(), json!({ "binary": binary, "args": arguments }));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let client = runtime
            .block_on(async {
                ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
                    .capabilities(capabilities)
                    .connect(&format!("http://127.0.0.1:{port}"))
                    .await
            })
            .expect("a session of the browser");
        Some(Self { driver, runtime, client, _profile: profile })
    }

    /// Goes to a page, and waits until it is loaded with all that is in it.
    fn open(&self, url: &str) {
        self.runtime.block_on(self.client.goto(url)).unwrap();
    }

    /// What an asynchronous function of the page comes to.
    fn run(&self, body: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1]; \
             (async () => {{ {body} }})().then(done, (error) => done('failed: ' + error));"
        );
        self.runtime.block_on(self.client.execute_async(&script, Vec::new())).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The session ends the browser; without it the driver does when it is asked to end.
        let _ = self.runtime.block_on(self.client.clone().close());
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn installed(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// An origin that asks for a password of realm `x`, and takes every one.
fn asking(page: &str) -> Origin {
    let page = page.to_owned();
    Origin::start(move |request: &Request| {
        if request.fields.has("authorization") {
            answer("200 OK", "Content-Type: text/html\r\n", &page).into_bytes()
        } else {
            let fields = "WWW-Authenticate: Basic realm=\"x\"\r\nContent-Type: text/html\r\n";
            answer("401 Unauthorized", fields, "who?").into_bytes()
        }
    })
}

fn passwords(origin: &Origin) -> usize {
    origin.seen().requests.iter().filter(|request| request.fields.has("authorization")).count()
}

#[test]
fn a_browser_hands_no_targets_password_to_another() {
    let Some(browser) = Browser::start() else { return };
    let (first, second) = (asking("first"), asking("second"));
    // So that it is known what this browser does: an application of its own gets the password.
    let application = asking("application");
    let upstream = format!("http://{}", application.address());
    let reverse = Corsair::start(&["--upstream", upstream.as_str()]);
    browser.open(&format!("http://user:word@{}/", reverse.address()));
    assert!(passwords(&application) > 0);

    let gateway = Corsair::start(&["--allow-target", "loopback"]);
    let (open, targets) = (gateway.address(), [first.address(), second.address()]);
    browser.open(&format!("http://user:word@{open}/http://{}/", targets[0]));
    browser.open(&format!("http://{open}/http://{}/", targets[1]));
    assert!(!first.seen().requests.is_empty() && !second.seen().requests.is_empty());
    assert_eq!((passwords(&first), passwords(&second)), (0, 0));

    // A script is told what was asked for, and can answer.
    browser.open(&format!("http://{open}/healthcheck"));
    let told = browser.run(&format!(
        "const url = '/http://{0}/'; const asked = await fetch(url); \
         const answered = await fetch(url, {{ headers: {{ Authorization: 'Basic dTpw' }} }}); \
         return [asked.status, asked.headers.get('www-authenticate'), asked.headers.get('x-www-authenticate'), \
                 answered.status];",
        targets[0]
    ));
    assert_eq!(told, json!([401, null, "Basic realm=\"x\"", 200]));
}

#[test]
fn a_browser_gives_nothing_of_an_application_to_a_target_beside_it() {
    let Some(browser) = Browser::start() else { return };
    let evil = Origin::start(|request: &Request| {
        let script = "self.evil = true; self.onfetch = () => {};";
        let media_type = if request.target == "/x.png" { "image/png" } else { "text/javascript" };
        answer("200 OK", &format!("Content-Type: {media_type}\r\n"), script).into_bytes()
    });
    let target = format!("/?url=http://{}", evil.address());
    let page = format!("<!doctype html><img src='{target}/x.png'><script src='{target}/x.js'></script>");
    let application = asking(&page);
    let upstream = format!("http://{}", application.address());
    let corsair = Corsair::start(&[
        "--upstream",
        upstream.as_str(),
        "--gateway",
        "query",
        "--allow-target",
        "loopback",
    ]);
    browser.open(&format!("http://user:word@{}/", corsair.address()));
    // From now on the browser knows the password of this origin.
    browser.open(&format!("http://{}/", corsair.address()));
    eventually("the picture is asked for", || !evil.seen().requests.is_empty());
    assert!(passwords(&application) > 0);
    assert_eq!(passwords(&evil), 0);
    let registered = browser
        .run(&format!("await navigator.serviceWorker.register('{target}/sw.js'); return 'registered';"));
    assert!(registered.as_str().unwrap().starts_with("failed: "), "{registered}");
    let worker = browser.run(&format!(
        "return await new Promise((done) => {{ const worker = new Worker('{target}/worker.js'); \
         worker.onerror = () => done('refused'); worker.onmessage = () => done('ran'); }});"
    ));
    assert_eq!(worker, "refused");
    assert_eq!(browser.run("return [window.evil === undefined, isSecureContext];"), json!([true, true]));
    let asked: Vec<String> = evil.seen().requests.iter().map(|request| request.target.clone()).collect();
    assert!(asked.iter().all(|target| target == "/x.png"), "{asked:?}");
    // What a script asks for is served.
    let read = browser.run(&format!("return (await fetch('{target}/x.png')).status;"));
    assert_eq!((read, passwords(&evil)), (json!(200), 0));
}

#[test]
fn the_admin_page_shows_who_is_refused_runs_nothing_of_theirs_and_reloads() {
    let Some(browser) = Browser::start() else { return };
    let origin = Origin::always(answer("200 OK", "", "hello"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("corsair.toml");
    let text = format!(
        "[[listen]]\naddress = \"127.0.0.1:0\"\n[cors]\nallow_origins = [\"https://app.example.com\"]\n\
         [upstream.web]\nservers = [\"http://{}\"]\n[[route]]\nupstream = \"web\"\n[admin]\nlisten = \"127.0.0.1:0\"\n",
        origin.address()
    );
    std::fs::write(&file, text).unwrap();
    let corsair = Corsair::start(&["-c", file.to_str().unwrap(), "--access-log", "off"]);
    let started = corsair.wait_for_log("started");
    let admin = started.split_once("admin=\"").unwrap().1.split('"').next().unwrap();

    corsair.get("/orders", "Origin: https://evil.example\r\n");
    let hostile = "\"><img/src=x/onerror=window.ran=1><script>window.ran=1</script>";
    corsair.get(&format!("/{hostile}"), &format!("Origin: https://{hostile}\r\n"));
    browser.open(&format!("{admin}/"));
    let shown = || browser.run("return document.body.innerText;").as_str().unwrap().to_owned();
    let server = format!("http://{}", origin.address());
    for wanted in [
        "https://evil.example",
        "add \"https://evil.example\" to cors.allow_origins",
        "corsair.toml:4:18",
        server.as_str(),
    ] {
        eventually(&format!("the page shows {wanted}"), || shown().contains(wanted));
    }
    let foreign = "return [window.ran === undefined, document.images.length, document.scripts.length];";
    assert_eq!(browser.run(foreign), json!([true, 0, 2]), "what clients send is text and nothing else");

    browser.run("document.getElementById('reload').click();");
    eventually("the new generation is shown", || shown().contains("generation 2"));
    for width in [1360, 500] {
        browser.runtime.block_on(browser.client.set_window_size(width, 800)).unwrap();
        let fits = "return document.documentElement.scrollWidth <= window.innerWidth;";
        assert_eq!(browser.run(fits), json!(true), "{width}");
    }
}
