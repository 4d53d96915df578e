//! Requests of pages with their preflights, by method and field.

use super::{
    application::Site,
    check::{self, Check, Nginx::*, Page::*},
    chromium::Tab,
    proxies::Proxy,
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "a GET is read",
        page: App,
        script: "return await status(`${api}/any/echo`);",
        expected: "200",
        nginx: Passes,
    },
    Check {
        name: "a form arrives",
        page: App,
        script: "const body = new URLSearchParams({ a: 1 }); \
                 const told = await echoed(`${api}/any/echo`, { method: 'POST', body }); \
                 return [told.method, told.length, told.fields['content-type'].split(';')[0]];",
        expected: r#"["POST", 3, "application/x-www-form-urlencoded"]"#,
        nginx: Passes,
    },
    Check {
        name: "PUT, PATCH and DELETE with JSON arrive",
        page: App,
        script: "const told = []; \
                 for (const method of ['PUT', 'PATCH', 'DELETE']) { \
                     const init = { method, headers: { 'Content-Type': 'application/json' }, body: '{}' }; \
                     const { method: came, length } = await echoed(`${api}/any/echo`, init); \
                     told.push(`${came} ${length}`); \
                 } \
                 return told;",
        expected: r#"["PUT 2", "PATCH 2", "DELETE 2"]"#,
        nginx: Passes,
    },
    Check {
        name: "a method of the application's own arrives",
        page: App,
        script: "return (await echoed(`${api}/any/echo`, { method: 'REPORT' })).method;",
        expected: r#""REPORT""#,
        nginx: Fails("only the methods that the snippet lists are granted"),
    },
    Check {
        name: "OPTIONS of a page reaches the application",
        page: App,
        script: "return (await echoed(`${api}/any/echo`, { method: 'OPTIONS' })).method;",
        expected: r#""OPTIONS""#,
        nginx: Fails("it answers every OPTIONS itself, preflight or not"),
    },
    Check {
        name: "a header of the page's own arrives",
        page: App,
        script: "const told = await echoed(`${api}/any/echo`, { headers: { 'X-Token': 'a b' } }); \
                 return told.fields['x-token'];",
        expected: r#""a b""#,
        nginx: Fails("only the headers that the snippet lists are granted"),
    },
    Check {
        name: "an application that speaks of CORS itself is read",
        page: App,
        script: "return await status(`${api}/any/own`);",
        expected: "200",
        nginx: Fails("the application's header is sent beside the snippet's, and two are none"),
    },
    Check {
        name: "a method that a policy does not list is refused, and one that it lists is not",
        page: App,
        script: "const ask = (method) => status(`${api}/narrow/echo`, { method }); \
                 return [await ask('PUT'), await ask('DELETE'), await ask('GET')];",
        expected: r#"[200, "TypeError", 200]"#,
        nginx: HasNothingLike,
    },
    Check {
        name: "a header that a policy does not list is refused, and one that it lists is not",
        page: App,
        script: "const ask = (name) => status(`${api}/narrow/echo`, { headers: { [name]: '1' } }); \
                 return [await ask('X-A'), await ask('X-B'), await ask('Authorization')];",
        expected: r#"[200, "TypeError", "TypeError"]"#,
        nginx: HasNothingLike,
    },
];

#[test]
fn requests_of_pages_arrive_as_their_policy_allows() {
    check::all_pass(CHECKS);
}

#[test]
fn a_preflight_is_asked_again_only_when_the_browser_has_forgotten_it_and_of_no_application() {
    let Some(tab) = Tab::open() else { return };
    let site = Site::start();
    let proxy = Proxy::corsair(&site, &tab);
    tab.go(&site.origin(check::APP));
    let preflights = |path: &str, expected: u64| {
        let before = proxy.metric("corsair_cors_requests_total", "kind=\"preflight\"");
        let url = format!("{}{path}", proxy.url());
        let told = tab.run(&format!(
            "const ask = async () => (await fetch('{url}', {{ method: 'PUT' }})).status; \
             return [await ask(), await ask(), await ask()];"
        ));
        let after = proxy.metric("corsair_cors_requests_total", "kind=\"preflight\"");
        assert_eq!(after - before, expected, "{path}: {told}");
        told
    };
    assert_eq!(preflights("/any/echo", 1), serde_json::json!([200, 200, 200]));
    // `max_age = "0s"`.
    assert_eq!(preflights("/narrow/echo", 3), serde_json::json!([200, 200, 200]));
    assert_eq!(preflights("/dead/echo", 1), serde_json::json!([502, 502, 502]));
    assert!(
        site.application.lines().iter().all(|line| line.starts_with("PUT ")),
        "{:?}",
        site.application.lines()
    );
}
