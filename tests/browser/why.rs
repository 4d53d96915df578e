//! What `--dev` tells pages that are refused, and the page that tries a route.

use std::fs;

use serde_json::json;
use tempfile::TempDir;

use super::{
    application::Site,
    check::{APP, NEIGHBOUR},
    chromium::Tab,
};
use crate::support::{Corsair, eventually};

/// Its lines are what pages are told.
const FILE: &str = r#"dev = true
[[listen]]
address = "127.0.0.1:0"
allow_hosts = ["127.0.0.1", "localhost"]
[policy.any]
max_age = "1m"
[policy.listed]
allow_origins = ["https://app.example"]
[policy.narrow]
allow_origins = ["loopback"]
allow_methods = ["PUT"]
allow_headers = ["x-a"]
[policy.denied]
deny_origins = ["{page}"]
[policy.refusing]
allow_origins = ["https://app.example"]
refuse_other_origins = true
[policy.kept]
upstream_headers = "keep"
[gateway]
path = false
require_headers = ["x-requested-with"]
[access.robots]
bearer.tokens = ["of-the-robots-51c2"]
[access.office]
clients.allow = ["10.0.0.0/8"]
[upstream.app]
servers = ["http://{application}"]
[upstream.dead]
servers = ["http://127.0.0.1:1"]
"#;

/// A request of a page, as a script, and what the console must say of it: the place in the file, and words of the line.
struct Told {
    script: &'static str,
    line: &'static str,
    words: &'static str,
}

const fn told(script: &'static str, line: &'static str, words: &'static str) -> Told {
    Told { script, line, words }
}

const TOLD: &[Told] = &[
    told(
        "fetch(api + '/listed/echo')",
        "8:18",
        "origin not allowed; add \"{page}\" to policy.listed.allow_origins",
    ),
    told(
        "fetch(api + '/listed/echo', { method: 'PUT' })",
        "8:18",
        "add \"{page}\" to policy.listed.allow_origins",
    ),
    told(
        "fetch(new Request(api + '/listed/echo?a', { method: 'DELETE' }))",
        "8:18",
        "DELETE {api}/listed/echo?a",
    ),
    told("xhr('GET', api + '/listed/echo?xhr')", "8:18", "GET {api}/listed/echo?xhr: origin not allowed"),
    told("xhr('PUT', api + '/listed/echo?xhr')", "8:18", "PUT {api}/listed/echo?xhr: origin not allowed"),
    told(
        "opened(new EventSource(api + '/listed/events/x'))",
        "8:18",
        "GET {api}/listed/events/x: origin not allowed",
    ),
    told(
        "opened(new WebSocket(api.replace('http', 'ws') + '/listed/socket'))",
        "8:18",
        "/listed/socket: origin not allowed",
    ),
    told("framed(api + '/listed/echo?framed')", "8:18", "add \"null\" to policy.listed.allow_origins"),
    told(
        "fetch(api + '/narrow/echo', { method: 'DELETE' })",
        "11:18",
        "add \"DELETE\" to policy.narrow.allow_methods",
    ),
    told("fetch(api + '/narrow/echo', { method: 'patch' })", "11:18", "write PATCH in capitals"),
    told(
        "fetch(api + '/narrow/echo', { headers: { 'X-Token': '1' } })",
        "12:18",
        "add \"x-token\" to policy.narrow.allow_headers",
    ),
    told("fetch(api + '/narrow/echo?1', { headers: { Authorization: 'a' } })", "12:18", "authorization"),
    told(
        "fetch(api + '/denied/echo')",
        "14:17",
        "take the entry that denies this origin out of policy.denied.deny_origins",
    ),
    told(
        "fetch(api + '/refusing/echo', { method: 'POST' })",
        "16:18",
        "add \"{page}\" to policy.refusing.allow_origins",
    ),
    told(
        "fetch(api + '/any/echo', { credentials: 'include' })",
        "5:9",
        "set policy.any.allow_credentials = true, and name the origins",
    ),
    told("xhr('GET', api + '/any/echo?xhr', true)", "5:9", "set policy.any.allow_credentials = true"),
    told(
        "fetch(api + '/narrow/echo?2', { credentials: 'include' })",
        "9:9",
        "set policy.narrow.allow_credentials = true",
    ),
    told("fetch(api + '/kept/twice')", "19:20", "leave policy.kept.upstream_headers out"),
    // Answers that the page can read, and that a setting has refused.
    told("fetch(api + '/get/echo', { method: 'POST' })", "GET", "add the method to route.methods"),
    told("fetch(api + '/robots/echo')", "ROBOTS", "asked by access.robots: send one of its tokens"),
    told("xhr('GET', api + '/office/echo')", "OFFICE", "asked by access.office: come from a network"),
    told(
        "fetch(api + '/?url=http://127.0.0.1:1/', { headers: { 'X-Requested-With': 'a' } })",
        "20:1",
        "allow the target with gateway.allow_targets",
    ),
    told(
        "fetch(api + '/?url=http://a.example/')",
        "22:20",
        "send one of the fields that gateway.require_headers lists",
    ),
    // What no setting decides.
    told(
        "opened(new WebSocket(api.replace('http', 'ws') + '/dead/socket'))",
        "",
        "no setting of corsair decides that",
    ),
];

/// What the scripts use, once why.js is there: `told` holds what the console was told.
const PRELUDE: &str = r#"
    const told = [];
    const warn = console.warn;
    console.warn = (format, text) => { told.push(format === '%s' ? text : 'another format'); warn(format, text); };
    const tag = (attributes) => new Promise((done, failed) => {
        const script = Object.assign(document.createElement('script'), attributes, { onload: done, onerror: failed });
        document.head.append(script);
    });
    const opened = (target) => new Promise((done) => { target.onopen = done; target.onerror = done; });
    const xhr = (method, url, withCredentials = false) => new Promise((done) => {
        const asked = new XMLHttpRequest();
        asked.open(method, url);
        asked.withCredentials = withCredentials;
        asked.onloadend = done;
        asked.send();
    });
    const framed = (url) => {
        const html = `<script src="${api}/__corsair/why.js"></` + `script><script>
            console.warn = (format, text) => parent.postMessage(text, '*');
            fetch('${url}').catch(() => {});</` + 'script>';
        addEventListener('message', (event) => told.push(event.data));
        document.body.append(Object.assign(document.createElement('iframe'), { sandbox: 'allow-scripts', srcdoc: html }));
    };
    const happens = async (condition) => {
        for (let waited = 0; waited < 10000 && !condition(); waited += 20) await new Promise((done) => setTimeout(done, 20));
    };
"#;

fn start(site: &Site) -> (Corsair, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("corsair.toml");
    let mut text = FILE
        .replace("{page}", &site.origin(APP))
        .replace("{application}", &site.application.address().to_string());
    for (name, more) in [
        ("any", "cors = \"any\""),
        ("listed", "cors = \"listed\""),
        ("narrow", "cors = \"narrow\""),
        ("denied", "cors = \"denied\""),
        ("refusing", "cors = \"refusing\""),
        ("kept", "cors = \"kept\""),
        ("get", "methods = [\"GET\"]"),
        ("robots", "access = [\"robots\"]"),
        ("office", "access = [\"office\"]"),
    ] {
        text += &format!("[[route]]\npath = \"/{name}\"\nupstream = \"app\"\nstrip_prefix = true\n{more}\n");
    }
    text += "[[route]]\npath = \"/dead\"\nupstream = \"dead\"\n";
    fs::write(&file, text).unwrap();
    (Corsair::start(&["-c", file.to_str().unwrap()]), folder)
}

/// Where the last line of a route stands.
fn place(folder: &TempDir, name: &str) -> String {
    let text = fs::read_to_string(folder.path().join("corsair.toml")).unwrap();
    let line = |wanted: &str| 1 + text.lines().position(|line| line.starts_with(wanted)).unwrap();
    match name {
        "GET" => format!("{}:12", line("methods = [\"GET\"]")),
        "ROBOTS" => format!("{}:11", line("access = [\"robots\"]")),
        "OFFICE" => format!("{}:11", line("access = [\"office\"]")),
        place => place.to_owned(),
    }
}

#[test]
fn the_console_of_a_page_says_why_it_is_refused_and_which_line_decides() {
    let Some(tab) = Tab::open() else { return };
    let site = Site::start();
    let (corsair, folder) = start(&site);
    let (api, page) = (format!("http://{}", corsair.address()), site.origin(APP));
    let mut wrong = Vec::new();
    for attributes in ["{ src }", "{ src, type: 'module' }"] {
        tab.go(&page);
        let asked: String = TOLD
            .iter()
            .map(|told| {
                format!(
                    "{{ const before = told.length; \
                       await Promise.resolve({}).then((answer) => answer, () => undefined); \
                       await happens(() => told.length > before); \
                       all.push(told.slice(before)); }}\n",
                    told.script
                )
            })
            .collect();
        let all = tab.run(&format!(
            "const api = '{api}'; {PRELUDE} const src = `${{api}}/__corsair/why.js`; \
             await tag({attributes}); const all = []; {asked} return all;"
        ));
        let all = all.as_array().unwrap_or_else(|| panic!("{all}"));
        for (Told { script, line, words }, lines) in TOLD.iter().zip(all) {
            let words = words.replace("{page}", &page).replace("{api}", &api);
            let at = if line.is_empty() {
                String::new()
            } else {
                format!("corsair.toml:{})", place(&folder, line))
            };
            let is_right = |text: &str| text.contains(&words) && text.ends_with(&at);
            let [text] = lines.as_array().unwrap().as_slice() else {
                wrong.push(format!("{script}: {lines} instead of {words} {at}"));
                continue;
            };
            if !text.as_str().is_some_and(is_right) {
                wrong.push(format!("{script}: {text} instead of {words} {at}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_page_is_told_of_its_own_requests_alone_and_what_others_send_is_text() {
    let Some(tab) = Tab::open() else { return };
    let site = Site::start();
    let (corsair, _folder) = start(&site);
    let api = format!("http://{}", corsair.address());
    let why = |host: &str| {
        tab.go(&site.origin(host));
        tab.run(&format!(
            "const query = new URLSearchParams({{ method: 'GET', url: '/listed/secret' }}); \
             return (await (await fetch(`{api}/__corsair/why?${{query}}`)).json()).found;"
        ))
    };
    tab.go(&site.origin(APP));
    tab.run(&format!("return await fetch('{api}/listed/secret').catch(() => 'refused');"));
    assert_eq!((why("stranger.test"), why(NEIGHBOUR), why(APP)), (json!(false), json!(false), json!(true)));

    // A page with trusted types and no inline code is told as well.
    let hostile = "%s%c<img src=x onerror=window.ran=1>";
    tab.go(&site.origin(APP));
    let told = tab.run(&format!(
        "const api = '{api}'; {PRELUDE} \
         const policy = \"require-trusted-types-for 'script'; trusted-types none; script-src {api}\"; \
         await tag({{ src: `${{api}}/__corsair/why.js` }}); \
         document.head.append(Object.assign(document.createElement('meta'), \
             {{ httpEquiv: 'Content-Security-Policy', content: policy }})); \
         await fetch(`${{api}}/listed/echo?${{encodeURIComponent('{hostile}')}}`).catch(() => undefined); \
         await happens(() => told.length > 0); \
         return [told.length, told[0]?.includes('allow_origins'), window.ran === undefined, document.images.length];"
    ));
    assert_eq!(told, json!([1, true, true, 0]));
}

#[test]
fn what_is_not_refused_is_not_told_and_works_as_before() {
    let Some(tab) = Tab::open() else { return };
    let site = Site::start();
    let (corsair, _folder) = start(&site);
    let api = format!("http://{}", corsair.address());
    tab.go(&site.origin(APP));
    let told = tab.run(&format!(
        "const api = '{api}'; {PRELUDE} \
         await tag({{ src: `${{api}}/__corsair/why.js` }}); await tag({{ src: `${{api}}/__corsair/why.js` }}); \
         const abort = new AbortController(); \
         const aborted = fetch(`${{api}}/any/hang/x`, {{ signal: abort.signal }}).catch((error) => error.name); \
         abort.abort(); \
         const request = new Request(`${{api}}/any/echo`, {{ method: 'POST', body: 'abc' }}); \
         const echoed = await (await fetch(request)).json(); \
         const elsewhere = await fetch('http://127.0.0.1:1/').catch((error) => error.name); \
         await xhr('GET', `${{api}}/any/status/404`); \
         const socket = new WebSocket('ws://127.0.0.1:1/'); \
         await opened(socket); \
         return [await aborted, echoed.length, elsewhere, socket instanceof WebSocket, WebSocket.OPEN, \
                 WebSocket.name, EventSource.CLOSED, told];"
    ));
    assert_eq!(told, json!(["AbortError", 3, "TypeError", true, 1, "WebSocket", 2, []]));
}

#[test]
fn the_page_tries_a_route_and_shows_which_line_refuses_it() {
    let Some(tab) = Tab::open() else { return };
    let site = Site::start();
    let (corsair, _folder) = start(&site);
    let port = corsair.address().port();
    let tried = |path: &str| {
        tab.go(&format!("http://localhost:{port}/__corsair/?url=http://127.0.0.1:{port}{path}"));
        eventually("the page has tried all", || {
            tab.run("return document.body.dataset.done;") == json!("yes")
        });
        tab.run(
            "return [...document.querySelectorAll('li')].map((item) => [item.className, item.innerText]);",
        )
    };
    let classes = |tried: &serde_json::Value| -> String {
        let items = tried.as_array().unwrap().iter();
        items.map(|item| item[0].as_str().unwrap().to_owned() + " ").collect()
    };
    let any = tried("/any/fields");
    assert_eq!(classes(&any), "yes yes no yes yes yes ", "{any}");
    assert!(any[2][1].as_str().unwrap().contains("policy.any.allow_credentials"), "{any}");
    let listed = tried("/listed/fields");
    assert_eq!(classes(&listed), "no no no no yes no ", "{listed}");
    let refused = listed[0][1].as_str().unwrap();
    assert!(
        refused.contains("policy.listed.allow_origins") && refused.contains("corsair.toml:8:18"),
        "{refused}"
    );
}
