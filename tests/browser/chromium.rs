//! One Chromium for all tests of the binary, which take turns, each in a tab of its own that knows nothing of the others.

use std::{
    fs,
    io::{BufRead, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use fantoccini::{
    Client, ClientBuilder,
    wd::{Capabilities, TimeoutConfiguration, WebDriverCompatibleCommand},
};
use hyper::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex as Turns, OwnedMutexGuard};
use url::{ParseError, Url};

use crate::support::sha256;

/// The longest that a script of a page may take.
const SCRIPT: Duration = Duration::from_secs(60);

/// A Chromium with an empty profile, and its driver. It ends with the last test that holds it.
struct Chromium {
    driver: Child,
    runtime: tokio::runtime::Runtime,
    client: Client,
    turns: Arc<Turns<()>>,
    extension: String,
    _profile: TempDir,
}

/// A tab, in a browser without cookies and with an empty cache, that nobody else uses meanwhile.
pub(crate) struct Tab {
    _turn: OwnedMutexGuard<()>,
    chromium: Arc<Chromium>,
}

/// A command of the DevTools protocol.
#[derive(Debug)]
struct DevTools {
    command: &'static str,
    parameters: Value,
}

impl Tab {
    /// A tab; nothing where there is no browser and none is required.
    pub(crate) fn open() -> Option<Self> {
        let chromium = shared()?;
        let turn = Arc::clone(&chromium.turns).blocking_lock_owned();
        let tab = Self { _turn: turn, chromium };
        tab.block_on(async |client: &Client| {
            let old = client.windows().await?;
            let new = client.new_window(true).await?;
            for window in old {
                client.switch_to_window(window).await?;
                client.close_window().await?;
            }
            client.switch_to_window(new.handle).await
        });
        tab.devtools("Network.clearBrowserCookies", json!({}));
        tab.devtools("Network.clearBrowserCache", json!({}));
        Some(tab)
    }

    /// Goes to a page, and waits until it is loaded with all that is in it.
    pub(crate) fn go(&self, url: &str) {
        self.block_on(async |client: &Client| client.goto(url).await);
    }

    /// What an asynchronous function of the page comes to, given its body.
    pub(crate) fn run(&self, body: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1]; \
             (async () => {{ {body} }})().then(done, (error) => done('failed: ' + error));"
        );
        self.block_on(async |client: &Client| client.execute_async(&script, Vec::new()).await)
    }

    /// Makes the window this large.
    pub(crate) fn resize(&self, width: u32, height: u32) {
        self.block_on(async |client: &Client| client.set_window_size(width, height).await);
    }

    /// Lets the page send so many bytes in a second, or as many as it can.
    pub(crate) fn throttle_uploads(&self, bytes_per_second: Option<u32>) {
        let upload = bytes_per_second.map_or(-1, i64::from);
        let conditions =
            json!({ "offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": upload });
        self.devtools("Network.enable", json!({}));
        self.devtools("Network.emulateNetworkConditions", conditions);
    }

    /// The origin of the pages of an extension that may no more than any other page.
    pub(crate) fn extension(&self) -> String {
        format!("chrome-extension://{}", self.chromium.extension)
    }

    fn devtools(&self, command: &'static str, parameters: Value) {
        self.block_on(async |client: &Client| client.issue_cmd(DevTools { command, parameters }).await);
    }

    fn block_on<T, E: std::fmt::Debug>(&self, deed: impl AsyncFnOnce(&Client) -> Result<T, E>) -> T {
        self.chromium.runtime.block_on(deed(&self.chromium.client)).unwrap()
    }
}

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base_url: &Url, session_id: Option<&str>) -> Result<Url, ParseError> {
        base_url.join(&format!("session/{}/goog/cdp/execute", session_id.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "cmd": self.command, "params": self.parameters }).to_string()))
    }
}

/// The browser that another test has started and somebody still holds, or else a new one.
fn shared() -> Option<Arc<Chromium>> {
    static SHARED: Mutex<Weak<Chromium>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(running) = shared.upgrade() {
        return Some(running);
    }
    let started = Arc::new(Chromium::start()?);
    *shared = Arc::downgrade(&started);
    Some(started)
}

impl Chromium {
    fn start() -> Option<Self> {
        let (Some(driver), Some(binary)) = (installed("chromedriver"), installed("chromium")) else {
            skipped(
                "chromium and chromium-driver are not installed (apt-get install chromium chromium-driver)",
            );
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let extension = profile.path().canonicalize().unwrap().join("extension");
        write_extension(&extension);
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
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-features=DisableLoadExtensionCommandLineSwitch",
            "--host-resolver-rules=MAP *.test 127.0.0.1",
            &format!("--user-data-dir={}", profile.path().join("profile").display()),
            &format!("--load-extension={}", extension.display()),
        ];
        // Cookies of other sites are sent where a server asks for that: some builds block them.
        let preferences = json!({ "profile.cookie_controls_mode": 0 });
        let options = json!({ "binary": binary, "args": arguments, "prefs": preferences });
        let capabilities = Capabilities::from_iter([("goog:chromeOptions".to_owned(), options)]);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let client = runtime.block_on(async {
            let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
                .capabilities(capabilities)
                .connect(&format!("http://127.0.0.1:{port}"))
                .await
                .expect("a session of the browser");
            let timeouts = TimeoutConfiguration::new(Some(SCRIPT), Some(SCRIPT), None);
            client.update_timeouts(timeouts).await.unwrap();
            client
        });
        let extension = id_of(&extension);
        Some(Self { driver, runtime, client, turns: Arc::default(), extension, _profile: profile })
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The session ends the browser; without it the driver does when it is asked to end.
        let _ = self.runtime.block_on(self.client.clone().close());
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Says past the capture of a test's output that it tests nothing: who looks must see it. Fails where everything is
/// required.
pub(crate) fn skipped(missing: &str) {
    assert!(std::env::var_os("REQUIRE_BROWSER").is_none(), "{missing}");
    let mut stderr = std::io::stderr();
    writeln!(stderr, "SKIPPED, nothing was tested: {missing}").unwrap();
}

/// Where a program of this name is.
pub(crate) fn installed(program: &str) -> Option<PathBuf> {
    let sbin = [PathBuf::from("/usr/sbin")];
    std::env::split_paths(&std::env::var_os("PATH")?)
        .chain(sbin)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// An extension with one page and no permissions.
fn write_extension(folder: &Path) {
    fs::create_dir(folder).unwrap();
    let manifest = json!({ "manifest_version": 3, "name": "a page", "version": "1" });
    fs::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
    fs::write(folder.join("page.html"), "<!doctype html><title>a page</title>").unwrap();
}

/// How Chromium calls an extension that lies in this folder: the digest of its path, in letters from a to p.
fn id_of(folder: &Path) -> String {
    let digest = sha256(folder.as_os_str().as_encoded_bytes());
    let letter = |digit: char| char::from(b'a' + u8::try_from(digit.to_digit(16).unwrap()).unwrap());
    digest.chars().take(32).map(letter).collect()
}
