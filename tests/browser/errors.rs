//! Errors that a page can read: status and body of each, whoever makes it.

use serde_json::json;

use super::{
    application::Site,
    check::{self, Check, Nginx::*, Page::*},
    chromium::Tab,
    proxies::Proxy,
};

/// Why nginx fails almost all of these.
const LEFT_OUT: &str = "`add_header` leaves errors out";

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "errors of the application are read",
        page: App,
        script: "const ask = (number) => read(`${api}/any/status/${number}`); \
                 return [await ask(404), await ask(422), await ask(500)];",
        expected: r#"[[404, "the application's"], [422, "the application's"], [500, "the application's"]]"#,
        nginx: Fails(LEFT_OUT),
    },
    Check {
        name: "a 400 is read (a target that is none)",
        page: App,
        script: "const [status, text] = await read(`${api}/?url=ftp%3A%2F%2Fx`); return [status, text.length > 0];",
        expected: "[400, true]",
        nginx: HasNothingLike,
    },
    Check {
        name: "a 403 is read (an address that may not ask)",
        page: App,
        script: "const [status, text] = await read(`${api}/office/echo`); return [status, text.length > 0];",
        expected: "[403, true]",
        nginx: Fails(LEFT_OUT),
    },
    Check {
        name: "a 403 is read (a target that is prohibited)",
        page: App,
        script: "return await status(`${api}/?url=http://127.0.0.1:1/`);",
        expected: "403",
        nginx: HasNothingLike,
    },
    Check {
        name: "a 404 is read (no route)",
        page: App,
        script: "const [status, text] = await read(`${api}/nothing`); return [status, text.length > 0];",
        expected: "[404, true]",
        nginx: Fails("no location, no `add_header`"),
    },
    Check {
        name: "a 405 is read (a method that the route does not serve)",
        page: App,
        script: "const answer = await fetch(`${api}/get/echo`, { method: 'POST' }); \
                 return [answer.status, answer.headers.get('Allow'), (await answer.text()).length > 0];",
        expected: r#"[405, "GET, HEAD", true]"#,
        nginx: Fails(LEFT_OUT),
    },
    Check {
        name: "a 413 is read while the page still uploads",
        page: App,
        script: "const body = new Blob(Array(20).fill(new Uint8Array(1 << 20))); \
                 const [status, text] = await read(`${api}/small/echo`, { method: 'POST', body }); \
                 return [status, text.length > 0];",
        expected: "[413, true]",
        nginx: Fails(LEFT_OUT),
    },
    Check {
        name: "a 414 is read (a URL that is too long)",
        page: App,
        script: "const [status, text] = await read(`${api}/any/echo?${'a'.repeat(40000)}`); \
                 return [status, text.length > 0];",
        expected: "[414, true]",
        nginx: Fails("it is answered before any location is known"),
    },
    Check {
        name: "a 429 is read, and when to ask again (too often)",
        page: App,
        script: "await status(`${api}/few/echo`); \
                 const answer = await fetch(`${api}/few/echo`); \
                 return [answer.status, Number(answer.headers.get('Retry-After')) > 0, (await answer.text()).length > 0];",
        expected: "[429, true, true]",
        nginx: Fails(LEFT_OUT),
    },
    Check {
        name: "a 431 is read (headers that are too long)",
        page: App,
        script: "const headers = { Authorization: 'a'.repeat(40000) }; \
                 const [status, text] = await read(`${api}/any/echo`, { headers }); \
                 return [status, text.length > 0];",
        expected: "[431, true]",
        nginx: Fails("it is answered before any location is known"),
    },
    Check {
        name: "a 502 is read (the application closes)",
        page: App,
        script: "const [status, text] = await read(`${api}/any/close`, { method: 'POST' }); \
                 return [status, text.length > 0];",
        expected: "[502, true]",
        nginx: Fails(LEFT_OUT),
    },
    Check {
        name: "a 502 is read behind a preflight (the application is down)",
        page: App,
        script: "const [status, text] = await read(`${api}/dead/echo`, { method: 'PUT' }); \
                 return [status, text.length > 0];",
        expected: "[502, true]",
        nginx: Fails(LEFT_OUT),
    },
    Check {
        name: "a 503 is read (too much at a time)",
        page: App,
        script: "const abort = new AbortController(); \
                 const first = read(`${api}/busy/hang/${id}`, { signal: abort.signal }); \
                 await when(`begun-${id}`); \
                 const [status, text] = await read(`${api}/busy/echo`); \
                 abort.abort(); \
                 await first; \
                 return [status, text.length > 0];",
        expected: "[503, true]",
        nginx: Fails(LEFT_OUT),
    },
    Check {
        name: "a 504 is read (the application does not answer)",
        page: App,
        script: "const [status, text] = await read(`${api}/slow/hang/${id}`, { method: 'POST' }); \
                 return [status, text.length > 0];",
        expected: "[504, true]",
        nginx: Fails(LEFT_OUT),
    },
    Check {
        name: "XMLHttpRequest reads an error",
        page: App,
        script: "const asked = new XMLHttpRequest(); \
                 asked.open('GET', `${api}/any/close`); \
                 const ended = once(asked, 'load', 'error'); \
                 asked.send(); \
                 return [await ended, asked.status];",
        expected: r#"["load", 502]"#,
        nginx: Fails(LEFT_OUT),
    },
    Check {
        name: "errors are read with credentials",
        page: App,
        script: "return await read(`${api}/listed/status/500`, { credentials: 'include' });",
        expected: r#"[500, "the application's"]"#,
        nginx: Fails(LEFT_OUT),
    },
];

#[test]
fn pages_read_errors_whoever_makes_them() {
    check::all_pass(CHECKS);
}

#[test]
fn a_page_reads_that_its_upload_was_too_slow() {
    let Some(tab) = Tab::open() else { return };
    let site = Site::start();
    let proxy = Proxy::corsair(&site, &tab);
    tab.go(&site.origin(check::APP));
    tab.throttle_uploads(Some(20_000));
    let told = tab.run(&format!(
        "const body = new Blob(Array(10).fill(new Uint8Array(1 << 20))); \
         const answer = await fetch('{}/stalled/echo', {{ method: 'POST', body }}); \
         return [answer.status, (await answer.text()).length > 0];",
        proxy.url()
    ));
    tab.throttle_uploads(None);
    assert_eq!(told, json!([408, true]));
}
