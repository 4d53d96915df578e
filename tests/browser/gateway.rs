//! Targets of a gateway share its origin, and get nothing of each other or of an application there.

use serde_json::json;

use super::chromium::Tab;
use crate::support::{Corsair, Origin, Request, answer, eventually};

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
    let Some(tab) = Tab::open() else { return };
    let (first, second) = (asking("first"), asking("second"));
    // So that it is known what this browser does: an application of its own gets the password.
    let application = asking("application");
    let upstream = format!("http://{}", application.address());
    let reverse = Corsair::start(&["--upstream", upstream.as_str()]);
    tab.go(&format!("http://user:word@{}/", reverse.address()));
    assert!(passwords(&application) > 0);

    let gateway = Corsair::start(&["--allow-target", "loopback"]);
    let (open, targets) = (gateway.address(), [first.address(), second.address()]);
    tab.go(&format!("http://user:word@{open}/http://{}/", targets[0]));
    tab.go(&format!("http://{open}/http://{}/", targets[1]));
    assert!(!first.seen().requests.is_empty() && !second.seen().requests.is_empty());
    assert_eq!((passwords(&first), passwords(&second)), (0, 0));

    // A script is told what was asked for, and can answer.
    tab.go(&format!("http://{open}/healthcheck"));
    let told = tab.run(&format!(
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
    let Some(tab) = Tab::open() else { return };
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
    tab.go(&format!("http://user:word@{}/", corsair.address()));
    // From now on the browser knows the password of this origin.
    tab.go(&format!("http://{}/", corsair.address()));
    eventually("the picture is asked for", || !evil.seen().requests.is_empty());
    assert!(passwords(&application) > 0);
    assert_eq!(passwords(&evil), 0);
    let registered =
        tab.run(&format!("await navigator.serviceWorker.register('{target}/sw.js'); return 'registered';"));
    assert!(registered.as_str().unwrap().starts_with("failed: "), "{registered}");
    let worker = tab.run(&format!(
        "return await new Promise((done) => {{ const worker = new Worker('{target}/worker.js'); \
         worker.onerror = () => done('refused'); worker.onmessage = () => done('ran'); }});"
    ));
    assert_eq!(worker, "refused");
    assert_eq!(tab.run("return [window.evil === undefined, isSecureContext];"), json!([true, true]));
    let asked: Vec<String> = evil.seen().requests.iter().map(|request| request.target.clone()).collect();
    assert!(asked.iter().all(|target| target == "/x.png"), "{asked:?}");
    // What a script asks for is served.
    let read = tab.run(&format!("return (await fetch('{target}/x.png')).status;"));
    assert_eq!((read, passwords(&evil)), (json!(200), 0));
}
