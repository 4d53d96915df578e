//! The options of `Connection`: what a peer says of its own hop, and whether its connection persists.

use super::{fields, head::Version};

/// What the `Connection` fields of a head say (RFC 9110 §7.6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionOptions {
    /// `close`
    pub close: bool,
    /// `keep-alive`
    pub keep_alive: bool,
    /// `upgrade`
    pub upgrade: bool,
    /// Something that may be the name of a field, which then ends at this hop.
    pub nominates: bool,
}

impl ConnectionOptions {
    /// The options in these values, in any case and order.
    #[must_use]
    pub fn of<'a>(values: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut options = Self::default();
        for value in values {
            match value {
                // What nearly every head says needs no look at its members.
                b"keep-alive" => options.keep_alive = true,
                b"close" => options.close = true,
                _ => fields::list(value).for_each(|option| options.add(option)),
            }
        }
        options
    }

    fn add(&mut self, option: &[u8]) {
        match option {
            _ if option.eq_ignore_ascii_case(b"close") => self.close = true,
            _ if option.eq_ignore_ascii_case(b"keep-alive") => self.keep_alive = true,
            _ if option.eq_ignore_ascii_case(b"upgrade") => self.upgrade = true,
            // This one never travels, whether or not it is named.
            _ if option.eq_ignore_ascii_case(b"te") => {}
            _ => self.nominates = true,
        }
    }
}

/// Whether the client connection can carry another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// HTTP/1.1, nobody asked for anything else.
    KeepAlive,
    /// HTTP/1.0 that asked for it, and must be told.
    KeepAliveExplicit,
    /// It ends with this exchange.
    Close,
}

impl Persistence {
    /// What a client of this version asks for (RFC 9112 §9.3).
    #[must_use]
    pub const fn asked(options: ConnectionOptions, version: Version) -> Self {
        match version {
            _ if options.close => Self::Close,
            Version::Http11 => Self::KeepAlive,
            Version::Http10 if options.keep_alive => Self::KeepAliveExplicit,
            Version::Http10 => Self::Close,
        }
    }

    /// What `Connection` must say to the client, if anything.
    #[must_use]
    pub const fn option(self) -> Option<&'static [u8]> {
        match self {
            Self::KeepAlive => None,
            Self::KeepAliveExplicit => Some(b"keep-alive"),
            Self::Close => Some(b"close"),
        }
    }
}

/// The names that the `Connection` fields of a head give to its own hop.
///
/// A peer says how many there are, and how many fields are looked for among them, so they are sorted. Nearly
/// every head has none, which costs no allocation.
///
/// Source: RFC 9110 §7.6.1.
#[derive(Clone, Debug, Default)]
pub struct Nominated<'a>(Vec<&'a [u8]>);

impl<'a> Nominated<'a> {
    /// The names in these values, which are looked at twice.
    #[must_use]
    pub fn of<I: Iterator<Item = &'a [u8]>>(values: impl Fn() -> I) -> Self {
        if !ConnectionOptions::of(values()).nominates {
            return Self::default();
        }
        let mut names: Vec<_> = values().flat_map(fields::list).collect();
        names.sort_unstable_by(|name, other| fields::name_order(name, other));
        Self(names)
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `name` is among them, in any case.
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.0.binary_search_by(|known| fields::name_order(known, name)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nominated_name_is_found_in_any_case_place_and_line() {
        let values = ["close, X-Hop", "a,b ,, c", "keep-alive", "x-hoq,x-ho"];
        let nominated = Nominated::of(|| values.iter().map(|value| value.as_bytes()));
        for name in ["x-hop", "X-HOP", "A", "b", "C", "X-Hoq", "x-ho", "Keep-Alive"] {
            assert!(nominated.contains(name.as_bytes()), "{name}");
        }
        for name in ["", "x", "x-h", "x-hopp", "x-hor", "d", "aa"] {
            assert!(!nominated.contains(name.as_bytes()), "{name}");
        }
        let options = Nominated::of(|| [&b"close, keep-alive, te"[..]].into_iter());
        assert!(!options.contains(b"close"), "options alone nominate nothing");
    }

    #[test]
    fn options_are_read_in_any_case_place_and_line() {
        let none = ConnectionOptions::default();
        let cases: [(&[&str], ConnectionOptions); 12] = [
            (&[], none),
            (&[""], none),
            (&[" , ,"], none),
            (&["close"], ConnectionOptions { close: true, ..none }),
            (&["Close"], ConnectionOptions { close: true, ..none }),
            (&["keep-alive"], ConnectionOptions { keep_alive: true, ..none }),
            (&["Keep-Alive"], ConnectionOptions { keep_alive: true, ..none }),
            (&["TE, Upgrade"], ConnectionOptions { upgrade: true, ..none }),
            (&["keep-alive", "close"], ConnectionOptions { keep_alive: true, close: true, ..none }),
            (&["close,\tx-hop"], ConnectionOptions { close: true, nominates: true, ..none }),
            (&["closed"], ConnectionOptions { nominates: true, ..none }),
            (&["te", "upgrade , keep-alive"], ConnectionOptions { upgrade: true, keep_alive: true, ..none }),
        ];
        for (values, expected) in cases {
            let options = ConnectionOptions::of(values.iter().map(|value| value.as_bytes()));
            assert_eq!(options, expected, "{values:?}");
        }
    }
}
