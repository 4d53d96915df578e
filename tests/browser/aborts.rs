//! What a page gives up ends at the application, too.

use super::check::{self, Check, Nginx::*, Page::*};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "an abort before the answer ends at the application",
        page: App,
        script: "const abort = new AbortController(), name = `${id}.head`; \
                 const asked = read(`${api}/any/hang/${name}`, { signal: abort.signal }); \
                 await when(`begun-${name}`); \
                 const since = performance.now(); \
                 abort.abort(); \
                 await when(`ended-${name}`); \
                 return [await asked, performance.now() - since < 1500];",
        expected: r#"["AbortError", true]"#,
        nginx: Passes,
    },
    Check {
        name: "an abort within the answer ends at the application",
        page: App,
        script: "const abort = new AbortController(), name = `${id}.body`; \
                 const answer = await fetch(`${api}/any/hang/${name}`, { signal: abort.signal }); \
                 await when(`begun-${name}`); \
                 const since = performance.now(); \
                 abort.abort(); \
                 await when(`ended-${name}`); \
                 return [answer.status, performance.now() - since < 1500];",
        expected: "[200, true]",
        nginx: Fails("it notices only when there is more to send"),
    },
    Check {
        name: "an abort within an upload ends at the application",
        page: App,
        script: "const abort = new AbortController(), name = `${id}.upload`; \
                 const body = new Blob(Array(32).fill(new Uint8Array(1 << 20))); \
                 const init = { method: 'POST', body, signal: abort.signal }; \
                 const asked = read(`${api}/any/hang/${name}`, init); \
                 await Promise.race([asked, when(`begun-${name}`)]); \
                 const since = performance.now(); \
                 abort.abort(); \
                 const error = await asked; \
                 if (error === 'AbortError') await when(`ended-${name}`); \
                 return [error, performance.now() - since < 1500];",
        expected: r#"["AbortError", true]"#,
        nginx: Fails("it keeps uploads until they are whole, and none above 1 MB"),
    },
];

#[test]
fn what_a_page_gives_up_ends_at_the_application() {
    check::all_pass(CHECKS);
}
