//! `upstream.balance`: which server of an upstream a request goes to.

use super::{keys::Key, reader::Reader, values};
use crate::http1::fields;

/// Which server a request goes to, and how far one key may burden its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balancing {
    /// By what rule one is chosen.
    pub rule: BalanceRule,
    /// What a server may have under way before hashing takes the next one, in percent of its share.
    pub hash_bound: u32,
}

/// By what rule a server is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BalanceRule {
    /// One after the other, by weight.
    RoundRobin,
    /// The one with the least requests under way for its weight.
    LeastConnections,
    /// Of two by chance the one with less under way.
    RandomTwo,
    /// The same one for the same key.
    Hash(HashKey),
}

/// What requests have in common that go to the same server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashKey {
    /// The address of the client.
    ClientAddress,
    /// The value of the first field of this name.
    Field(Box<str>),
    /// The request target.
    Target,
}

/// Which server a request goes to.
pub(super) fn read(reader: &mut Reader<'_>) -> Balancing {
    Balancing {
        rule: reader.value(Key::Balance, rule),
        hash_bound: reader.value(Key::HashBound, |text| values::percent(text, 100..=10_000)),
    }
}

fn rule(text: &str) -> Result<BalanceRule, String> {
    match text.split_once(':') {
        Some(("hash", "ip")) => Ok(BalanceRule::Hash(HashKey::ClientAddress)),
        Some(("hash", "uri")) => Ok(BalanceRule::Hash(HashKey::Target)),
        Some(("hash", of)) => match of.split_once(':') {
            Some(("header", name)) if fields::is_token(name.as_bytes()) => {
                Ok(BalanceRule::Hash(HashKey::Field(name.into())))
            }
            Some(("header", name)) => {
                Err(format!("\"{name}\" is no field name; expected one such as hash:header:X-Session"))
            }
            _ => Err(format!("\"{text}\" hashes nothing; expected hash:ip, hash:uri or hash:header:NAME")),
        },
        _ => values::choice(
            text,
            &[
                ("round_robin", BalanceRule::RoundRobin),
                ("least_conn", BalanceRule::LeastConnections),
                ("random_two", BalanceRule::RandomTwo),
                ("hash:ip", BalanceRule::Hash(HashKey::ClientAddress)),
                ("hash:uri", BalanceRule::Hash(HashKey::Target)),
            ],
        )
        .map_err(|fault| fault.replacen("hash:uri", "hash:uri, hash:header:NAME", 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn each_rule_is_read() {
        for (typed, rule) in [
            ("round_robin", BalanceRule::RoundRobin),
            ("least_conn", BalanceRule::LeastConnections),
            ("random_two", BalanceRule::RandomTwo),
            ("hash:ip", BalanceRule::Hash(HashKey::ClientAddress)),
            ("hash:uri", BalanceRule::Hash(HashKey::Target)),
            ("hash:header:X-Session", BalanceRule::Hash(HashKey::Field("X-Session".into()))),
        ] {
            let settings = [(Key::Balance, typed), (Key::HashBound, "125%")];
            let expected = Balancing { rule, hash_bound: 125 };
            assert_eq!(sample::faults(&settings, read), (expected, vec![]), "{typed}");
        }
    }

    #[test]
    fn what_is_no_rule_hears_what_is() {
        for (typed, message) in [
            ("roundrobin", "did you mean round_robin?"),
            ("hash", "hash:uri, hash:header:NAME"),
            ("hash:cookie", "hashes nothing; expected hash:ip, hash:uri or hash:header:NAME"),
            ("hash:header:", "is no field name"),
            ("hash:header:a b", "is no field name"),
        ] {
            let (_, faults) = sample::faults(&[(Key::Balance, typed)], read);
            assert!(faults.len() == 1 && faults[0].contains(message), "{typed}: {faults:?}");
        }
        for typed in ["99%", "150", "-1%", "10001%"] {
            let (_, faults) = sample::faults(&[(Key::HashBound, typed)], read);
            assert!(faults.len() == 1 && faults[0].contains("100% to 10000%"), "{typed}: {faults:?}");
        }
    }
}
