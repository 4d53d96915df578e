//! Cookies and passwords of pages.

use super::check::{self, Check, Nginx::*, Page::*};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "cookies are set and sent with credentials",
        page: Neighbour,
        script: "const ask = () => read(`${api}/listed/cookie?Path=/`, { credentials: 'include' }); \
                 return [await ask(), await ask()];",
        expected: r#"[[200, "none"], [200, "seen=1"]]"#,
        nginx: Fails("\"*\" grants no credentials"),
    },
    Check {
        name: "cookies are set and sent from another site",
        page: App,
        script: "const url = `${api}/listed/cookie?Path=/&SameSite=None&Secure`; \
                 const ask = () => read(url, { credentials: 'include' }); \
                 return [await ask(), await ask()];",
        expected: r#"[[200, "none"], [200, "seen=1"]]"#,
        nginx: Fails("\"*\" grants no credentials"),
    },
    Check {
        name: "XMLHttpRequest reads with credentials",
        page: Neighbour,
        script: "const asked = new XMLHttpRequest(); \
                 asked.open('PUT', `${api}/listed/status/200`); \
                 asked.withCredentials = true; \
                 const ended = once(asked, 'load', 'error'); \
                 asked.send('x'); \
                 return [await ended, asked.status];",
        expected: r#"["load", 200]"#,
        nginx: Fails("\"*\" grants no credentials"),
    },
    Check {
        name: "without credentials no cookie is sent",
        page: Neighbour,
        script: "const url = `${api}/any/cookie?Path=/`; \
                 await fetch(url, { credentials: 'include', mode: 'no-cors' }); \
                 return await read(url);",
        expected: r#"[200, "none"]"#,
        nginx: Passes,
    },
    Check {
        name: "with credentials that no policy grants nothing is read",
        page: Neighbour,
        script: "return await read(`${api}/any/cookie?Path=/`, { credentials: 'include' });",
        expected: r#""TypeError""#,
        nginx: Passes,
    },
    Check {
        name: "a token is sent behind a preflight that has none",
        page: App,
        script: "const ask = (headers) => status(`${api}/token/echo`, { headers }); \
                 return [await ask({ Authorization: 'Bearer of-the-robots-51c2' }), \
                         await ask({ Authorization: 'Bearer wrong' })];",
        expected: "[200, 401]",
        nginx: HasNothingLike,
    },
    Check {
        name: "a password is sent behind a preflight that has none",
        page: App,
        script: "const Authorization = 'Basic ' + btoa('ann:of-ann-9f3e'); \
                 return await status(`${api}/password/echo`, { headers: { Authorization } });",
        expected: "200",
        nginx: Passes,
    },
    Check {
        name: "who asks for a password, and for what, is read",
        page: App,
        script: "const { status, headers } = await fetch(`${api}/password/echo`); \
                 return [status, headers.get('WWW-Authenticate').split(' ')[0]];",
        expected: r#"[401, "Basic"]"#,
        nginx: Fails("`add_header` leaves errors out"),
    },
];

#[test]
fn credentials_of_pages_are_sent_where_they_are_granted() {
    check::all_pass(CHECKS);
}
