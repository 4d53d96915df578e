//! What requests have in common that belong to the same server.

use std::hash::BuildHasher as _;

use foldhash::quality::FixedState;

use super::asker::Asker;
use crate::{
    config::{BalanceRule, HashKey},
    http1::head::Request,
};

/// The key by which an upstream's rule chooses a server for this request, the same in each process that serves the upstream;
/// nothing where it chooses by something else, or where the request has no such thing.
#[must_use]
pub fn affinity(rule: &BalanceRule, asker: &Asker, request: Request<'_>) -> Option<u64> {
    let BalanceRule::Hash(key) = rule else { return None };
    // What counts is that it does not change: that clients can guess it gives them nothing that they could not have by
    // asking for the same again, and a server that has too much under way is passed over.
    let hash = FixedState::default();
    match key {
        HashKey::ClientAddress => asker.address.map(|address| hash.hash_one(address.ip().to_canonical())),
        HashKey::Field(name) => {
            let fields = request.head.fields.iter();
            let is_it = |of: &[u8]| of.eq_ignore_ascii_case(name.as_bytes());
            let mut values = fields.filter(|field| is_it(field.name.of(request.bytes)));
            values.next().map(|field| hash.hash_one(field.value.of(request.bytes)))
        }
        HashKey::Target => Some(hash.hash_one(request.target())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        http1::sample,
        plan::sample::{REVERSE, client, config, planned},
    };

    fn key(rule: HashKey, address: Option<&str>, head: &str) -> Option<u64> {
        let address = address.map(|address| address.parse().expect("an address"));
        let (plan, _) = planned(&config(REVERSE), &client(), head);
        let request = sample::request(head);
        affinity(&BalanceRule::Hash(rule), &Asker { address, ..plan.asker }, request.request())
    }

    #[test]
    fn requests_that_have_the_same_in_common_have_the_same_key() {
        const HEAD: &str = "GET /a HTTP/1.1\r\nHost: a\r\nX-Session: 1\r\n\r\n";
        const OTHER: &str = "GET /b HTTP/1.1\r\nHost: a\r\nx-session: 1\r\nX-Session: 2\r\n\r\n";
        let (one, same, another) = (Some("192.0.2.1:1"), Some("[::ffff:192.0.2.1]:2"), Some("192.0.2.2:1"));
        let session = || HashKey::Field("X-SESSION".into());
        for (rule, second, is_same) in [
            (HashKey::ClientAddress, (same, OTHER), true),
            (HashKey::ClientAddress, (another, HEAD), false),
            (HashKey::Target, (another, HEAD), true),
            (HashKey::Target, (one, OTHER), false),
            (session(), (another, OTHER), true),
        ] {
            let keys = [key(rule.clone(), one, HEAD), key(rule.clone(), second.0, second.1)];
            assert!(keys[0].is_some());
            assert_eq!(keys[0] == keys[1], is_same, "{rule:?}");
        }
    }

    #[test]
    fn a_request_without_it_has_no_key() {
        const HEAD: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(key(HashKey::ClientAddress, None, HEAD), None, "over a Unix socket");
        assert_eq!(key(HashKey::Field("X-Session".into()), None, HEAD), None);
        for rule in [BalanceRule::RoundRobin, BalanceRule::LeastConnections, BalanceRule::RandomTwo] {
            let (plan, _) = planned(&config(REVERSE), &client(), HEAD);
            assert_eq!(affinity(&rule, &plan.asker, sample::request(HEAD).request()), None);
        }
    }
}
