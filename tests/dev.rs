//! `--dev`: what stands under `/__corsair/` on this machine, and for whom.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use serde_json::{Value, json};
use support::{Corsair, Origin};

const PAGE: &str = "https://app.example.com";

fn reverse(origin: &Origin, more: &[&str]) -> Corsair {
    Corsair::reverse(origin.address(), &[&["--allow-origin", PAGE], more].concat())
}

/// What a page of this origin is told of its GET for `url`.
fn why(corsair: &Corsair, origin: &str, url: &str) -> Value {
    let target = format!("/__corsair/why?method=GET&url={url}");
    let response = corsair.get(&target, &format!("Origin: {origin}\r\n"));
    assert_eq!((response.status, response.field("content-type")), (200, Some("application/json")));
    assert_eq!(response.field("access-control-allow-origin"), Some("*"));
    serde_json::from_slice(&response.body).unwrap()
}

#[test]
fn without_it_every_path_is_the_applications() {
    let origin = Origin::echo();
    let corsair = reverse(&origin, &[]);
    for path in ["/__corsair/", "/__corsair/why.js", "/__corsair/why"] {
        assert_eq!(corsair.get(path, "").status, 200);
    }
    assert_eq!(origin.lines().len(), 3);
}

#[test]
fn with_it_the_page_and_the_scripts_are_served_to_everybody_on_this_machine() {
    let origin = Origin::echo();
    let corsair = reverse(&origin, &["--dev", "--limit-head", "1k"]);
    let mut client = corsair.connect();
    for (path, media_type, word) in [
        ("/__corsair/", "text/html; charset=utf-8", "page.js"),
        ("/__corsair/page.js", "text/javascript; charset=utf-8", "getElementById"),
        ("/__corsair/why.js", "text/javascript; charset=utf-8", "XMLHttpRequest"),
    ] {
        for method in ["GET", "HEAD"] {
            client
                .send(format!("{method} {path} HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example\r\n\r\n"));
            let response = client.response_to(method);
            assert_eq!((response.status, response.field("content-type")), (200, Some(media_type)), "{path}");
            assert_eq!(response.field("access-control-allow-origin"), Some("*"), "{path}");
            assert_eq!(response.text().contains(word), method == "GET", "{path}");
            assert_eq!(response.fields.has("content-security-policy"), path == "/__corsair/", "{path}");
        }
    }
    for (method, path) in [("GET", "/__corsair/passwd"), ("POST", "/__corsair/"), ("PUT", "/__corsair/why")] {
        client.send(format!("{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(client.response().status, 404, "{method} {path}");
    }
    assert!(origin.lines().is_empty());
    for others in ["/__corsair", "/a/__corsair/", "http://a.example/__corsair/"] {
        assert_eq!(corsair.get(others, "").status, 200, "{others}");
    }
    assert_eq!(origin.lines().len(), 3);
}

#[test]
fn an_origin_is_told_of_its_own_requests_alone() {
    let origin = Origin::echo();
    let corsair = reverse(&origin, &["--dev"]);
    let evil = "https://evil.example";
    assert_eq!(why(&corsair, evil, "/orders"), json!({ "found": false }));
    corsair.get("/orders?token=one", &format!("Origin: {evil}\r\n"));
    let told = why(&corsair, evil, "/orders%3Ftoken%3Dother");
    assert_eq!(told["reason"], "origin not allowed");
    assert_eq!(told["remedy"], "add --allow-origin https://evil.example");
    assert_eq!((&told["setting"], &told["place"]), (&json!("--allow-origin"), &Value::Null));
    for (origin, url) in
        [(PAGE, "/orders?token=one"), ("https://evil.example:444", "/orders"), (evil, "/other")]
    {
        assert_eq!(why(&corsair, origin, url), json!({ "found": false }), "{origin} {url}");
    }
    corsair.get("/orders?token=one", "Via: 1.1 none\r\nExpect: nothing\r\n");
    for nobody in ["", "Origin:\r\n"] {
        let told = corsair.get("/__corsair/why?method=GET&url=/orders?token=one", nobody);
        assert_eq!(told.text(), "{\"found\":false}");
    }
}

#[test]
fn what_was_let_through_is_told_of_where_credentials_were_sent() {
    let origin = Origin::echo();
    let corsair = reverse(&origin, &["--dev"]);
    corsair.get("/a", &format!("Origin: {PAGE}\r\n"));
    assert_eq!(why(&corsair, PAGE, "/a"), json!({ "found": true }));
    let told = why(&corsair, PAGE, "/a&credentials=include");
    assert_eq!(told["remedy"], "write --allow-credentials");
}

#[test]
fn what_a_request_says_is_text_in_what_is_told() {
    let origin = Origin::echo();
    let corsair = reverse(&origin, &["--dev"]);
    let hostile = "https://\"><script>alert(1)</script>";
    corsair.get("/a", &format!("Origin: {hostile}\r\n"));
    let told = why(&corsair, hostile, "/a");
    assert!(told["found"] == true && told["reason"].is_string(), "{told}");
}

#[test]
fn where_a_token_is_wanted_nobody_is_told_without_one() {
    let origin = Origin::echo();
    let corsair = reverse(&origin, &["--dev", "--token", "of-the-team-51c2"]);
    corsair.get("/a?corsair-token=of-the-team-51c2", "Origin: https://evil.example\r\n");
    let ask = |more: &str| {
        corsair.get(&format!("/__corsair/why?method=GET&url=/a{more}"), "Origin: https://evil.example\r\n")
    };
    for wrong in ["", "&corsair-token=another"] {
        assert_eq!(ask(wrong).status, 401, "{wrong}");
    }
    let told: Value = serde_json::from_slice(&ask("&corsair-token=of-the-team-51c2").body).unwrap();
    assert!(told["found"].is_boolean(), "{told}");
    assert_eq!(corsair.get("/__corsair/why.js?corsair-token=another", "").status, 200, "it is no secret");
    let others = ["check", "--dev", "--upstream", "http://127.0.0.1:1", "--listen", "0.0.0.0:3000"];
    let ended = Corsair::run_to_end(&[&others[..], &["--token", "of-the-team-51c2"]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn where_others_can_reach_it_it_is_a_fault() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let ended = Corsair::run_to_end(&["--dev", "--upstream", "http://127.0.0.1:1", "--listen", address]);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains("--dev: tells pages which settings refuse them"), "{}", ended.stderr);
    }
}
