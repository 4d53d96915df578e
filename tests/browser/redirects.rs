//! Redirects of an application, followed by the browser.

use super::check::{self, Check, Nginx::*, Page::*};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "a redirect to a path of the application stays behind the proxy",
        page: App,
        script: "const answer = await fetch(`${api}/any/redirect?/echo`); \
                 return [answer.redirected, answer.url === `${api}/any/echo`, (await answer.json()).target];",
        expected: r#"[true, true, "/echo"]"#,
        nginx: Fails("`proxy_redirect` knows URLs of the application, and no paths"),
    },
    Check {
        name: "a redirect to a URL of the application stays behind the proxy",
        page: App,
        script: "const answer = await fetch(`${api}/any/redirect?http://${application}/echo`); \
                 return [answer.redirected, answer.url === `${api}/any/echo`, (await answer.json()).target];",
        expected: r#"[true, true, "/echo"]"#,
        nginx: Passes,
    },
    Check {
        name: "a redirect to another origin is read there as by nobody (`Origin: null`)",
        page: App,
        script: "const elsewhere = api.replace('127.0.0.1', 'other.localhost'); \
                 const told = await echoed(`${api}/any/redirect?${elsewhere}/any/echo`); \
                 return told.fields.origin;",
        expected: r#""null""#,
        nginx: Passes,
    },
    Check {
        name: "a redirect behind a preflight is followed",
        page: App,
        script: "const init = { method: 'PUT', headers: { 'X-Requested-With': 'a' } }; \
                 const told = await echoed(`${api}/any/redirect?http://${application}/echo`, init); \
                 return [told.method, told.fields['x-requested-with']];",
        expected: r#"["PUT", "a"]"#,
        nginx: Passes,
    },
    Check {
        name: "a redirect that the page wants to see itself is seen",
        page: App,
        script: "return (await fetch(`${api}/any/redirect?/echo`, { redirect: 'manual' })).type;",
        expected: r#""opaqueredirect""#,
        nginx: Passes,
    },
];

#[test]
fn redirects_are_followed_through_the_proxy() {
    check::all_pass(CHECKS);
}
