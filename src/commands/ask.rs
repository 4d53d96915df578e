//! A question to the admin listener of a running process, and its answer.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    time::Duration,
};

use crate::{
    config::ListenAddress,
    http1::head::{Fields, HeadEnd, MAX_FIELDS, parse_response},
};

/// How long a process may take to be connected to.
const CONNECT: Duration = Duration::from_secs(5);
/// How long it may take to say something.
const READ: Duration = Duration::from_secs(15);
/// The largest answer that is read, in bytes.
const MOST: u64 = 64 << 20;

/// What was answered.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// Asks there, with this method, for this path.
///
/// # Errors
/// In a line: why there is no answer, and what to do.
pub(super) fn ask(address: &ListenAddress, method: &str, path: &str) -> Result<Answered, String> {
    let bytes = exchange(address, method, path).map_err(|error| {
        format!(
            "nobody answers at {}: {error}; name the address of the process with --admin",
            address.url(false)
        )
    })?;
    read(bytes).ok_or_else(|| format!("what answers at {} is no corsair; check --admin", address.url(false)))
}

fn exchange(address: &ListenAddress, method: &str, path: &str) -> io::Result<Vec<u8>> {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    match address {
        ListenAddress::Tcp(address) => {
            let stream = TcpStream::connect_timeout(address, CONNECT)?;
            stream.set_read_timeout(Some(READ))?;
            stream.set_write_timeout(Some(READ))?;
            talk(stream, &request)
        }
        ListenAddress::Unix(name) => {
            let address = socket2::SockAddr::unix(name.system_name())?;
            let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
            socket.connect(&address)?;
            let stream = UnixStream::from(socket);
            stream.set_read_timeout(Some(READ))?;
            stream.set_write_timeout(Some(READ))?;
            talk(stream, &request)
        }
    }
}

fn talk(mut stream: impl Read + Write, request: &str) -> io::Result<Vec<u8>> {
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.take(MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Takes a response apart; nothing where it is none.
fn read(mut bytes: Vec<u8>) -> Option<Answered> {
    let mut end = HeadEnd::default();
    let len = end.find_response(&bytes).ok()??;
    let head = parse_response(&mut bytes, &end, len, MAX_FIELDS, Fields::default()).ok()?;
    Some(Answered { status: head.status, body: bytes.split_off(head.len) })
}
