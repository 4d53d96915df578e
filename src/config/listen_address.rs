//! Where is listened: an address with a port, or a Unix socket.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::unix_name::UnixName;

/// Where is listened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// On a port of an address; port 0 lets the kernel choose one.
    Tcp(SocketAddr),
    /// On a Unix socket.
    Unix(UnixName),
}

impl ListenAddress {
    /// Whether only this machine can reach it, as is always so of a Unix socket.
    #[must_use]
    pub const fn is_loopback(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    /// Whether the kernel chooses the port.
    #[must_use]
    pub const fn is_any_port(&self) -> bool {
        match self {
            Self::Tcp(address) => address.port() == 0,
            Self::Unix(_) => false,
        }
    }

    /// The address that is typed so.
    #[cfg(test)]
    pub(crate) fn sample(text: &str) -> Self {
        parse(text).unwrap_or_else(|fault| panic!("{fault}"))
    }

    /// How it is told to a person: `https://ADDRESS:PORT`, or `unix:/PATH`, for which there is no URL.
    #[must_use]
    pub fn url(&self, tls: bool) -> String {
        match (self, tls) {
            (Self::Tcp(address), false) => format!("http://{address}"),
            (Self::Tcp(address), true) => format!("https://{address}"),
            (Self::Unix(name), false) => format!("unix:{name}"),
            (Self::Unix(name), true) => format!("unix:{name} (TLS)"),
        }
    }
}

/// As it is typed.
impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(name) => write!(f, "unix:{name}"),
        }
    }
}

/// An address to serve: `127.0.0.1:3000`, `[::]:443`, `:8080` for all of IPv4, `unix:/PATH` or `unix:@NAME`.
pub(super) fn parse(text: &str) -> Result<ListenAddress, String> {
    if let Some(name) = text.strip_prefix("unix:") {
        return UnixName::parse(name)
            .map(ListenAddress::Unix)
            .map_err(|reason| format!("\"{text}\" is no address to serve; {reason}"));
    }
    port_of_host(text).map(ListenAddress::Tcp)
}

fn port_of_host(text: &str) -> Result<SocketAddr, String> {
    if let Some(Ok(port)) = text.strip_prefix(':').map(port) {
        return Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
    }
    let fault = |hint: &str| Err(format!("\"{text}\" is no address to serve; {hint}"));
    if text.starts_with(['/', '@']) {
        return fault(&format!(
            "a Unix socket is told from a name by what stands before it: write unix:{text}"
        ));
    }
    if text.contains("://") {
        return fault("leave out the scheme; --tls-cert and --tls-key make a listener speak TLS");
    }
    match text.rsplit_once(':') {
        Some(("localhost", port)) => return fault(&format!("write 127.0.0.1:{port} or [::1]:{port}")),
        Some(("*", port)) => {
            return fault(&format!("write :{port} for IPv4 or [::]:{port} for both families"));
        }
        _ => {}
    }
    if text == "localhost" {
        return fault("write 127.0.0.1:3000 or [::1]:3000");
    }
    if port(text).is_ok() {
        return fault(&format!("write :{text} for all addresses or 127.0.0.1:{text} for this machine only"));
    }
    match text.rsplit_once(':') {
        Some((host, own)) if host.parse::<Ipv6Addr>().is_ok() && port(own).is_ok() => {
            return fault(&format!("an IPv6 address stands in brackets: write [{host}]:{own}"));
        }
        _ => {}
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return fault(&format!("it needs a port: write [{text}]:3000"));
    }
    if text.parse::<IpAddr>().is_ok() {
        return fault("it needs a port, such as 127.0.0.1:3000 or [::]:443");
    }
    text.parse().or_else(|_| fault("expected one such as 127.0.0.1:3000, :8080 or [::]:443"))
}

/// Digits and nothing else: `str::parse` would take a sign.
fn port(text: &str) -> Result<u16, ()> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().map_err(|_| ()) } else { Err(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_addresses_with_a_port() {
        for (text, address) in [
            ("127.0.0.1:3000", "127.0.0.1:3000"),
            (":8080", "0.0.0.0:8080"),
            ("[::]:443", "[::]:443"),
            ("[::1]:0", "[::1]:0"),
        ] {
            assert_eq!(parse(text), Ok(ListenAddress::Tcp(address.parse().unwrap())), "{text}");
        }
    }

    #[test]
    fn what_is_no_listener_hears_what_to_write() {
        for (text, hint) in [
            ("unix:run/corsair.sock", "give the absolute path"),
            ("/run/corsair.sock", "write unix:/run/corsair.sock"),
            ("http://127.0.0.1:3000", "leave out the scheme"),
            ("localhost:3000", "write 127.0.0.1:3000"),
            ("localhost", "write 127.0.0.1:3000"),
            ("*:80", "write :80"),
            ("8080", "write :8080"),
            ("127.0.0.1", "needs a port"),
            ("::1", "it needs a port: write [::1]:3000"),
            ("::", "it needs a port: write [::]:3000"),
            ("::1:3998", "write [::1]:3998"),
            ("2001:db8::1:80", "write [2001:db8::1]:80"),
            (":99999", "expected one such as"),
            (":+80", "expected one such as"),
            ("", "expected one such as"),
            (":", "expected one such as"),
            ("example.com:80", "expected one such as"),
        ] {
            let fault = parse(text).expect_err(text);
            assert!(fault.contains(hint), "{text}: {fault}");
        }
    }

    #[test]
    fn a_unix_socket_is_shown_as_it_is_typed_and_reached_by_this_machine_alone() {
        for text in ["unix:/run/corsair.sock", "unix:@corsair"] {
            let address = parse(text).expect(text);
            assert_eq!(address.to_string(), text);
            assert_eq!((address.url(false), address.url(true)), (text.to_owned(), format!("{text} (TLS)")));
            assert!(address.is_loopback() && !address.is_any_port());
        }
        for (text, expected) in
            [("127.0.0.2:0", (true, true)), ("[::1]:1", (true, false)), (":0", (false, true))]
        {
            let address = parse(text).expect(text);
            assert_eq!((address.is_loopback(), address.is_any_port()), expected, "{text}");
        }
    }
}
