//! WebSockets, which browsers open to everybody: the server has to refuse them.

use super::check::{self, Check, Nginx::*, Page::*};

/// Opens a socket at `path`, and says what comes back of a message.
macro_rules! messages_at {
    ($path:literal) => {
        concat!(
            "const socket = new WebSocket(`${api.replace('http', 'ws')}",
            $path,
            "`); \
             const first = await once(socket, 'open', 'error'); \
             if (first === 'error') return first; \
             const answer = new Promise((done) => { socket.onmessage = (event) => done(event.data); }); \
             socket.send('hello'); \
             const told = await answer; \
             socket.close(); \
             return told;"
        )
    };
}

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "a WebSocket for any origin is opened",
        page: Stranger,
        script: messages_at!("/sockets/"),
        expected: r#""hello""#,
        nginx: Passes,
    },
    Check {
        name: "a WebSocket is opened to a page of an origin that is listed",
        page: App,
        script: messages_at!("/sockets-listed/"),
        expected: r#""hello""#,
        nginx: Passes,
    },
    Check {
        name: "a WebSocket is refused to a page of another origin",
        page: Stranger,
        script: messages_at!("/sockets-listed/"),
        expected: r#""error""#,
        nginx: Fails("WebSockets know no CORS: it opens one to every page"),
    },
    Check {
        name: "a WebSocket is opened to a page of the application's own origin",
        page: Own,
        script: messages_at!("/sockets-listed/"),
        expected: r#""hello""#,
        nginx: Passes,
    },
];

#[test]
fn web_sockets_are_opened_to_the_origins_that_are_listed_and_to_no_others() {
    check::all_pass(CHECKS);
}
