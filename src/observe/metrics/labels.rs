//! The values that labels can have. All are enumerations, so the number of series is bounded by what stands
//! here and by nothing that a peer sends.

/// An enumeration whose values are the values of one label, with the word for each.
macro_rules! labels {
    ($($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $value:ident = $word:literal,)+ })+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$doc])* $value),+
        }

        impl $name {
            /// Every value, in a fixed order.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$value),+];

            /// The word for it in a metric.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$value => $word),+
                }
            }

            /// Where it stands in [`ALL`](Self::ALL).
            pub(super) const fn index(self) -> usize {
                self as usize
            }
        }
    )+};
}

labels! {
    /// `method`: the methods of RFC 9110 §9.3 and PATCH; any other is one value.
    MethodLabel {
        /// GET
        Get = "GET",
        /// HEAD
        Head = "HEAD",
        /// POST
        Post = "POST",
        /// PUT
        Put = "PUT",
        /// DELETE
        Delete = "DELETE",
        /// CONNECT
        Connect = "CONNECT",
        /// OPTIONS
        Options = "OPTIONS",
        /// TRACE
        Trace = "TRACE",
        /// PATCH (RFC 5789)
        Patch = "PATCH",
        /// Any other, and a head that could not be parsed.
        Other = "OTHER",
    }

    /// `side`: which of the two connections of an exchange.
    Leg {
        /// From the client to us.
        Client = "client",
        /// From us to the upstream.
        Upstream = "upstream",
    }

    /// `direction`: seen from us.
    Direction {
        /// Read from the peer.
        In = "in",
        /// Written to the peer.
        Out = "out",
    }

    /// `result` of a look into the pool.
    PoolResult {
        /// A connection that was idle was used again.
        Reused = "reused",
        /// There was none; a new one was made.
        New = "new",
        /// One was used that the upstream had closed in the meantime.
        Stale = "stale",
    }

    /// `state` of a relay buffer.
    BufferState {
        /// Lent to a connection.
        Used = "used",
        /// Kept for the next one.
        Free = "free",
    }
}

/// `result`: what a table of access said of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessResult {
    /// It lets it in.
    Admitted,
    /// It keeps it out.
    Refused,
    /// It could not be asked.
    Error,
}

impl AccessResult {
    /// All of them, in a fixed order.
    pub const ALL: [Self; 3] = [Self::Admitted, Self::Refused, Self::Error];

    /// Its place in [`ALL`](Self::ALL).
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The word for it in a metric.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Refused => "refused",
            Self::Error => "error",
        }
    }
}

impl MethodLabel {
    /// The label for a method as it was spelled; names are case-sensitive (RFC 9110 §9.1).
    #[must_use]
    pub const fn of(name: &[u8]) -> Self {
        match name {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"CONNECT" => Self::Connect,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"PATCH" => Self::Patch,
            _ => Self::Other,
        }
    }
}

/// `code`: the registered status codes (RFC 9110 §16.2), 499 for a client that left, and one value for the
/// rest of each class, because an upstream can send any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeLabel(u8);

impl CodeLabel {
    /// How many values there are.
    pub(super) const COUNT: usize = WORDS.len();

    /// The label for a status.
    #[must_use]
    pub fn of(status: u16) -> Self {
        let place = usize::from(status).checked_sub(100).and_then(|place| PLACES.get(place));
        Self(place.copied().unwrap_or(0))
    }

    /// Every value, in a fixed order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).take(WORDS.len()).map(Self)
    }

    /// The word for it in a metric: `200`, `2xx` or `other`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        WORDS[self.index()]
    }

    /// Where it stands among all.
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The words of [`CodeLabel`]: first what no class has, then the classes, then single codes.
const WORDS: [&str; 72] = [
    "other", "1xx", "2xx", "3xx", "4xx", "5xx", "100", "101", "102", "103", "104", "200", "201", "202",
    "203", "204", "205", "206", "207", "208", "226", "300", "301", "302", "303", "304", "305", "307", "308",
    "400", "401", "402", "403", "404", "405", "406", "407", "408", "409", "410", "411", "412", "413", "414",
    "415", "416", "417", "418", "421", "422", "423", "424", "425", "426", "428", "429", "431", "451", "499",
    "500", "501", "502", "503", "504", "505", "506", "507", "508", "510", "511", "520", "522",
];

/// For each status from 100 to 599 its place in [`WORDS`].
static PLACES: [u8; 500] = places();

const fn places() -> [u8; 500] {
    let mut places = [0; 500];
    let mut status = 100;
    while status < 600 {
        // The classes stand in the order of their digits.
        places[status - 100] = (status / 100) as u8;
        status += 1;
    }
    let mut place = 6;
    while place < WORDS.len() {
        let word = WORDS[place].as_bytes();
        let status =
            100 * (word[0] - b'0') as usize + 10 * (word[1] - b'0') as usize + (word[2] - b'0') as usize;
        places[status - 100] = place as u8;
        place += 1;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_the_label_of_itself_or_of_its_class() {
        for status in 0..=u16::MAX {
            let exact = status.to_string();
            let expected = if WORDS.contains(&exact.as_str()) {
                exact
            } else if (100..600).contains(&status) {
                format!("{}xx", status / 100)
            } else {
                "other".to_owned()
            };
            assert_eq!(CodeLabel::of(status).label(), expected);
        }
    }

    #[test]
    fn all_codes_are_different_and_in_their_places() {
        let all: Vec<CodeLabel> = CodeLabel::all().collect();
        assert_eq!(all.len(), CodeLabel::COUNT);
        for (index, code) in all.iter().enumerate() {
            assert_eq!(code.index(), index);
            assert_eq!(WORDS.iter().filter(|word| **word == code.label()).count(), 1);
        }
    }

    #[test]
    fn a_value_stands_at_its_index_and_a_method_has_the_label_of_its_name() {
        for (index, method) in MethodLabel::ALL.into_iter().enumerate() {
            assert_eq!(method.index(), index);
            if method != MethodLabel::Other {
                assert_eq!(MethodLabel::of(method.label().as_bytes()), method);
            }
        }
        for name in [&b"get"[..], b"PROPFIND", b"", b"OTHER"] {
            assert_eq!(MethodLabel::of(name), MethodLabel::Other);
        }
    }
}
