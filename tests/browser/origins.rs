//! Pages of which origin may read.

use super::{
    application::Site,
    check::{self, Check, Nginx::*, Page::*},
    chromium::Tab,
    proxies::Proxy,
};

/// Why nginx fails most of these.
const ANYBODY: &str = "\"*\" lets every page read";

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "a page of an origin that is not listed reads nothing",
        page: Stranger,
        script: "return [await status(`${api}/listed/echo`), await status(`${api}/listed/status/500`), \
                         await status(`${api}/listed/own`)];",
        expected: r#"["TypeError", "TypeError", "TypeError"]"#,
        nginx: Fails(ANYBODY),
    },
    Check {
        name: "a page of any origin reads what is for any",
        page: Stranger,
        script: "return [await status(`${api}/any/echo`), await status(`${api}/any/echo`, { method: 'PUT' })];",
        expected: "[200, 200]",
        nginx: Passes,
    },
    Check {
        name: "a preflight of an origin that is not listed is refused",
        page: Stranger,
        script: "return await status(`${api}/listed/echo`, { method: 'PUT' });",
        expected: r#""TypeError""#,
        nginx: Fails(ANYBODY),
    },
    Check {
        name: "a sandboxed frame (`Origin: null`) reads what is for any and what names it, and nothing else",
        page: App,
        script: "const asks = ['any', 'null', 'listed'].map((path) => \
                     `fetch('${api}/${path}/echo').then((answer) => answer.status, (error) => error.name)`); \
                 const srcdoc = `<script>Promise.all([${asks}]).then((all) => parent.postMessage(all, '*'))</script>`; \
                 const told = new Promise((done) => addEventListener('message', (event) => done(event.data))); \
                 document.body.append(Object.assign(document.createElement('iframe'), { srcdoc, sandbox: 'allow-scripts' })); \
                 return await told;",
        expected: r#"[200, 200, "TypeError"]"#,
        nginx: Fails(ANYBODY),
    },
    Check {
        name: "a page of an extension reads what names it, with credentials, and nothing else",
        page: Extension,
        script: "return [await status(`${api}/extension/echo`, { method: 'PUT', credentials: 'include' }), \
                         await status(`${api}/listed/echo`)];",
        expected: r#"[200, "TypeError"]"#,
        nginx: Fails(ANYBODY),
    },
    Check {
        name: "a page of the application's own origin reads everything",
        page: Own,
        script: "const { status, headers } = await fetch('/listed/echo', { method: 'PUT', headers: { 'X-Own': '1' } }); \
                 return status;",
        expected: "200",
        nginx: Passes,
    },
];

#[test]
fn pages_of_the_origins_that_are_listed_read_and_no_others() {
    check::all_pass(CHECKS);
}

#[test]
fn what_an_origin_must_not_even_ask_reaches_no_application() {
    let Some(tab) = Tab::open() else { return };
    let site = Site::start();
    let proxy = Proxy::corsair(&site, &tab);
    let send = |host: &str| {
        tab.go(&site.origin(host));
        let init = "{ method: 'POST', mode: 'no-cors', body: 'x' }";
        tab.run(&format!("await fetch('{}/refusing/{host}', {init}); return 'sent';", proxy.url()))
    };
    // Both are sent without asking anybody, and no page learns more of it.
    assert_eq!((send("stranger.test"), send(check::APP)), ("sent".into(), "sent".into()));
    assert_eq!(site.application.lines(), ["POST /localhost"]);
}
