//! Both ends of a proxy in one thread: the clients that ask through it, and the origin that answers.
//!
//! Whoever measures a proxy with a load generator and a web server on the other core measures these two: they do more
//! for a request than the proxy does, so it waits for them, and is billed for falling asleep and waking up. Here both
//! ends send bytes that were made before and look at no more than framing, so that the proxy's core is what is full.
//!
//! ```text
//! corsair-load saturate ORIGIN PROXY KIND CONNECTIONS SECONDS [PATH]
//! corsair-load quiet ORIGIN PROXY KIND CONNECTIONS
//! ```
//!
//! `ORIGIN` is the address that the origin listens on, `PROXY` the one that clients connect to. Both modes do their next
//! step when they are told to by a line on stdin, so that whoever reads what the proxy takes can do it between.
//!
//! - `saturate` keeps one request under way on each connection. It warms up and says `ready`; after a line it asks for so
//!   many seconds and says `over`, then one line of JSON: answers, seconds, errors, percentiles in milliseconds.
//! - `quiet` opens some streams that then say nothing and says `ready`; after a line it opens `CONNECTIONS` more and says
//!   how many there are, as JSON; after another line, how many there are still, and ends.
//!
//! Anything but the answer that was due is an error, a connection that ends too early as well.

mod framing;
mod kinds;
mod quiet;
mod rig;
mod saturate;

use std::{env, error::Error, io, str::FromStr};

use kinds::Kind;
use rig::Rig;

const USAGE: &str = "usage: corsair-load saturate ORIGIN PROXY KIND CONNECTIONS SECONDS [PATH]
       corsair-load quiet ORIGIN PROXY KIND CONNECTIONS";

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [mode, origin, proxy, kind, connections, rest @ ..] = words.as_slice() else {
        return Err(USAGE.into());
    };
    let connections = number(connections)?;
    match (*mode, rest) {
        ("saturate", [seconds, path @ ..]) => {
            let path = path.first().copied().unwrap_or("/1k");
            let kind = Kind::saturating(kind, proxy, path).ok_or(kinds::SATURATING)?;
            saturate::run(Rig::new(kind, origin.parse()?, proxy.parse()?)?, connections, number(seconds)?)
        }
        ("quiet", []) => {
            let kind = Kind::quiet(kind, proxy).ok_or(kinds::QUIET)?;
            quiet::run(Rig::new(kind, origin.parse()?, proxy.parse()?)?, connections)
        }
        _ => Err(USAGE.into()),
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is no number\n{USAGE}"))
}

/// Waits until whoever started this says that it may go on.
fn wait_for_line() -> io::Result<()> {
    match io::stdin().read_line(&mut String::new())? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
