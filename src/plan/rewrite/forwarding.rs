//! What every request of a client says of it: `X-Real-IP`, `X-Forwarded-*` and `Forwarded` (RFC 7239).

use std::{
    fmt::{self, Write},
    net::{IpAddr, SocketAddr},
};

use crate::{
    http1::{edits::Edits, emit::HeadWriter, fields::FieldId, head::Request},
    plan::{asker::Asker, client::Client},
    trust::links,
};

/// What every request of a client says of it, rendered once for all of them.
#[derive(Debug)]
pub struct Forwarding {
    /// What stands before the host, and what stands between it and where it is named again.
    rendered: String,
    /// Bytes of the former.
    before_host: usize,
    /// What ends the lines.
    behind_host: &'static str,
}

/// Room for the lines of any client, so that they are rendered in one piece of memory.
const FORWARDING_ROOM: usize = 256;

impl Forwarding {
    /// The lines that tell of `client`.
    #[must_use]
    pub fn of(client: &Client) -> Self {
        let address = client.address.map(|address| address.ip().to_canonical());
        let (protocol, behind_host) = if client.secure {
            ("\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: ", "\";proto=https\r\n")
        } else {
            ("\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: ", "\";proto=http\r\n")
        };
        // RFC 7239 §4: values that are no token are quoted; a host was checked to hold neither quote nor
        // backslash.
        let (before_address, behind_address) = match address {
            Some(IpAddr::V6(_)) => ("\"[", "]\";host=\""),
            Some(IpAddr::V4(_)) | None => ("", ";host=\""),
        };
        let mut rendered = String::with_capacity(FORWARDING_ROOM);
        // It holds an address and nothing else: where there is none, it is left out (rule 24 of `plan`).
        if address.is_some() {
            rendered.push_str("X-Real-IP: ");
            push_address(&mut rendered, address);
            rendered.push_str("\r\n");
        }
        rendered.push_str("X-Forwarded-For: ");
        push_address(&mut rendered, address);
        rendered.push_str(protocol);
        let before_host = rendered.len();
        rendered.push_str("\r\nForwarded: for=");
        rendered.push_str(before_address);
        push_address(&mut rendered, address);
        rendered.push_str(behind_address);
        Self { rendered, before_host, behind_host }
    }

    /// Who the client is and how it reached us: what it said of that itself was dropped, for it is not trusted. What
    /// the operator sets or removes of it is left out.
    pub(super) fn write(&self, writer: &mut HeadWriter<'_>, host: &[u8], edits: Option<&Edits>) {
        let (before, between) = self.rendered.split_at(self.before_host);
        let behind = self.behind_host.as_bytes();
        let Some(edits) = edits else {
            return writer.lines_in_parts([before.as_bytes(), host, between.as_bytes(), host, behind]);
        };
        let stays = |line: &str| {
            let name = line.split(':').next().unwrap_or_default().as_bytes();
            !edits.drops(FieldId::of(name), name)
        };
        for line in before.split("\r\n").filter(|line| stays(line)) {
            // The host ends the last of them.
            let host: &[u8] = if line.ends_with(": ") { host } else { b"" };
            writer.lines_in_parts([line.as_bytes(), host, b"\r\n"]);
        }
        let line = between.trim_start();
        if stays(line) {
            writer.lines_in_parts([line.as_bytes(), host, behind]);
        }
    }
}

/// Adds an address as it is written; the formatter takes its time for the short ones. Where there is none, that is said
/// (RFC 7239 §6.2): were nothing said, a server would take this proxy for the client.
fn push_address(text: &mut String, address: Option<IpAddr>) {
    match address {
        None => text.push_str("unknown"),
        Some(IpAddr::V4(address)) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    text.push('.');
                }
                text.push_str(itoa::Buffer::new().format(octet));
            }
        }
        // Writing to a string cannot fail.
        Some(IpAddr::V6(address)) => _ = write!(text, "{address}"),
    }
}

/// The way of a request that came by trusted proxies, told in both families alike (rule 26 of [`plan`](super::super)).
/// Written anew for each request, for the next one on the connection may be of another client.
pub(super) struct Chain<'a> {
    /// The request, in which the proxies have told of it.
    pub(super) request: Request<'a>,
    /// Who asks.
    pub(super) asker: &'a Asker,
    /// The peer of the connection, who comes last; nothing where it has no address.
    pub(super) peer: Option<SocketAddr>,
    /// What the client asked for.
    pub(super) host: &'a [u8],
}

impl Chain<'_> {
    /// The lines; what the operator sets or removes of them is left out.
    pub(super) fn write(&self, writer: &mut HeadWriter<'_>, edits: Option<&Edits>) {
        let stays = |name: &str| {
            let name = name.as_bytes();
            edits.is_none_or(|edits| !edits.drops(FieldId::of(name), name))
        };
        let scheme: &[u8] = if self.asker.secure { b"https" } else { b"http" };
        let client = self.asker.address;
        if let Some(client) = client.filter(|_| stays(REAL_IP)) {
            writer.field(REAL_IP.as_bytes(), Written::plain(client.ip()).text());
        }
        if stays(FOR) {
            let mut list = writer.list_field(FOR.as_bytes());
            for address in self.all() {
                list.push(Written::plain(address.ip()).text());
            }
            if client.is_none() {
                list.push(b"unknown");
            }
            list.finish();
        }
        if stays(PROTO) {
            writer.field(PROTO.as_bytes(), scheme);
        }
        if stays(HOST) {
            writer.field(HOST.as_bytes(), self.host);
        }
        if stays(FORWARDED) {
            let mut all = self.all();
            let first = all.next().map(|first| Written::node(first.ip()));
            let node = first.as_ref().map_or(&b"for=unknown"[..], Written::text);
            writer.lines_in_parts([
                FORWARDED.as_bytes(),
                b": ",
                node,
                b";host=\"",
                self.host,
                b"\";proto=",
                scheme,
            ]);
            for address in all {
                writer.lines_in_parts([b", ", Written::node(address.ip()).text()]);
            }
            writer.lines(b"\r\n");
        }
    }

    /// The client, and all behind it.
    fn all(&self) -> impl Iterator<Item = SocketAddr> {
        links(self.request, &self.asker.told).chain(self.peer)
    }
}

const REAL_IP: &str = "X-Real-IP";
const FOR: &str = "X-Forwarded-For";
const PROTO: &str = "X-Forwarded-Proto";
const HOST: &str = "X-Forwarded-Host";
const FORWARDED: &str = "Forwarded";

/// An address in writing, on the stack.
struct Written {
    text: [u8; WRITTEN_ROOM],
    len: usize,
}

/// `for="[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]"`, and more than that.
const WRITTEN_ROOM: usize = 64;

impl Written {
    fn plain(ip: IpAddr) -> Self {
        Self::of(format_args!("{}", ip.to_canonical()))
    }

    /// As in `Forwarded` (RFC 7239 §6).
    fn node(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::of(format_args!("for={ip}")),
            IpAddr::V6(ip) => Self::of(format_args!("for=\"[{ip}]\"")),
        }
    }

    fn of(text: fmt::Arguments<'_>) -> Self {
        let mut written = Self { text: [0; WRITTEN_ROOM], len: 0 };
        // Every address fits.
        let _ = written.write_fmt(text);
        written
    }

    fn text(&self) -> &[u8] {
        self.text.get(..self.len).unwrap_or_default()
    }
}

impl Write for Written {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.text.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}
