//! Answers that arrive as they are written, and uploads.

use super::{
    application::Site,
    check::{self, Check, Nginx::*, Page::*},
    chromium::Tab,
    proxies::Proxy,
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "each piece of an answer is read while the next one is held back",
        page: App,
        script: "const reader = (await fetch(`${api}/any/steps/${id}`)).body.pipeThrough(new TextDecoderStream()).getReader(); \
                 const late = []; \
                 for (let number = 0, text = ''; number < 3; number++, text = '') { \
                     while (!text.endsWith('\\n\\n')) text += (await reader.read()).value; \
                     late.push(Date.now() - Number(text.split(' ')[1])); \
                     await tell(id); \
                 } \
                 return [(await reader.read()).done, Math.min(...late) < 150, Math.max(...late) < 2000];",
        expected: "[true, true, true]",
        nginx: Passes,
    },
    Check {
        name: "server-sent events arrive one by one",
        page: App,
        script: "const source = new EventSource(`${api}/any/events/${id}`); \
                 const seen = []; \
                 await new Promise((done) => { \
                     source.onerror = done; \
                     source.onmessage = ({ data }) => { \
                         const [name, written] = data.split(' '); \
                         if (seen.push(`${name} ${Date.now() - written < 2000}`) === 3) done(); \
                         tell(id); \
                     }; \
                 }); \
                 source.close(); \
                 return seen;",
        expected: r#"["0 true", "1 true", "2 true"]"#,
        nginx: Passes,
    },
    Check {
        name: "server-sent events arrive with credentials",
        page: Neighbour,
        script: "const source = new EventSource(`${api}/listed/events/${id}`, { withCredentials: true }); \
                 const first = await once(source, 'message', 'error'); \
                 source.close(); \
                 return first;",
        expected: r#""message""#,
        nginx: Fails("\"*\" grants no credentials"),
    },
    Check {
        name: "an upload tells its progress and arrives whole",
        page: App,
        script: "const bytes = crypto.getRandomValues(new Uint8Array(60000)); \
                 const body = new Blob(Array(15).fill(bytes)); \
                 const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await body.arrayBuffer())); \
                 const hex = [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join(''); \
                 const asked = new XMLHttpRequest(); \
                 let sent = 0; \
                 asked.upload.onprogress = (event) => { sent = event.loaded; }; \
                 asked.open('POST', `${api}/any/echo`); \
                 const ended = once(asked, 'load', 'error'); \
                 asked.send(body); \
                 await ended; \
                 const told = JSON.parse(asked.responseText); \
                 return [sent, told.length, told.sha256 === hex];",
        expected: "[900000, 900000, true]",
        nginx: Passes,
    },
    Check {
        name: "an upload reaches the application while it is sent",
        page: App,
        script: "const abort = new AbortController(), name = `${id}.upload`; \
                 const body = new Blob(Array(32).fill(new Uint8Array(1 << 20))); \
                 const init = { method: 'POST', body, signal: abort.signal }; \
                 const asked = read(`${api}/any/hang/${name}`, init).then(() => 'over'); \
                 const first = await Promise.race([asked, when(`begun-${name}`).then(() => 'begun')]); \
                 abort.abort(); \
                 return first;",
        expected: r#""begun""#,
        nginx: Fails("it keeps uploads until they are whole, and none above 1 MB"),
    },
];

#[test]
fn bodies_arrive_as_they_are_written() {
    check::all_pass(CHECKS);
}

#[test]
fn a_large_download_is_read_whole_and_takes_no_memory() {
    const LENGTH: u64 = 160 << 20;
    let Some(tab) = Tab::open() else { return };
    let site = Site::start();
    let proxy = Proxy::corsair(&site, &tab);
    tab.go(&site.origin(check::APP));
    let download = |length: u64| {
        tab.run(&format!(
            "const reader = (await fetch('{}/any/download/{length}')).body.getReader(); \
             let count = 0, right = true; \
             for (;;) {{ \
                 const {{ done, value }} = await reader.read(); \
                 if (done) return [count, right]; \
                 count += value.length; \
                 right &&= value[0] === 100 && value[value.length - 1] === 100; \
             }}",
            proxy.url()
        ))
    };
    download(4 << 20);
    let before = proxy.daemon().peak_memory();
    assert_eq!(download(LENGTH), serde_json::json!([LENGTH, true]));
    let grown = proxy.daemon().peak_memory() - before;
    assert!(grown < 4 << 20, "{grown} bytes more for a longer body");
}
