//! Fields of answers, and what else a page learns about them.

use super::check::{self, Check, Nginx::*, Page::*};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "every header of an answer is read, but no cookie",
        page: App,
        script: "const { headers } = await fetch(`${api}/any/fields`); \
                 return ['x-total', 'etag', 'link', 'ratelimit-limit', 'set-cookie'].map((name) => headers.get(name));",
        expected: r#"["7", "\"one\"", "</next>; rel=next", "5", null]"#,
        nginx: Fails("only the headers that the snippet lists are exposed"),
    },
    Check {
        name: "every header of an answer is read with credentials",
        page: App,
        script: "const { headers } = await fetch(`${api}/listed/fields`, { credentials: 'include' }); \
                 return ['x-total', 'etag', 'link', 'ratelimit-limit', 'set-cookie'].map((name) => headers.get(name));",
        expected: r#"["7", "\"one\"", "</next>; rel=next", "5", null]"#,
        nginx: Fails("\"*\" grants no credentials"),
    },
    Check {
        name: "what was decided is read",
        page: App,
        script: "return (await fetch(`${api}/any/fields`)).headers.get('corsair-cors');",
        expected: r#""allowed""#,
        nginx: HasNothingLike,
    },
    Check {
        name: "sizes and times of an answer are measured (`timing`)",
        page: App,
        script: "const url = `${api}/listed/fields?${id}`; \
                 const measured = new Promise((done) => new PerformanceObserver((list) => { \
                     const [entry] = list.getEntriesByName(url); \
                     if (entry) done(entry.transferSize > 0 && entry.requestStart > 0); \
                 }).observe({ type: 'resource', buffered: true })); \
                 await (await fetch(url)).text(); \
                 return await measured;",
        expected: "true",
        nginx: Fails("the snippet says nothing of Timing-Allow-Origin"),
    },
    Check {
        name: "an isolated page shows a picture (`resource_policy`)",
        page: Isolated,
        script: "return await element('img', { src: `${api}/listed/picture` });",
        expected: r#""load""#,
        nginx: Fails("the snippet says nothing of Cross-Origin-Resource-Policy"),
    },
];

#[test]
fn pages_learn_of_an_answer_what_its_policy_grants() {
    check::all_pass(CHECKS);
}
