//! `trusted_proxies`, `trusted_headers`: whose word about a client counts.

use super::{keys::Key, reader::Reader, values};
use crate::trust::{Trust, TrustRule, TrustedHeaders, TrustedProxies};

/// Whom to believe, with a warning where that is everybody, or nobody although fields are named.
pub(super) fn read(reader: &mut Reader<'_>) -> Trust {
    let rules = reader.members(Key::TrustedProxies, TrustRule::parse);
    let headers = reader.value(Key::TrustedHeaders, |text| {
        values::choice(
            text,
            &[("x-forwarded", TrustedHeaders::XForwarded), ("forwarded", TrustedHeaders::Forwarded)],
        )
    });
    let proxies = TrustedProxies::of(&rules);
    if proxies.is_everybody() {
        let message = "takes in a sixteenth of the internet or more: anybody there can say who they are; name the \
                       balancers alone";
        reader.warn(Key::TrustedProxies, message);
    }
    if headers != TrustedHeaders::default() && !reader.has(Key::TrustedProxies) {
        let proxies = reader.spelled(Key::TrustedProxies);
        reader.warn(
            Key::TrustedHeaders,
            format!("has no effect: nobody is trusted; name the proxies with {proxies}"),
        );
    }
    Trust { proxies, headers }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn nobody_is_trusted_unless_named_and_x_forwarded_is_believed() {
        assert_eq!(sample::faults(&[], read), (Trust::default(), vec![]));
        let typed = [(Key::TrustedProxies, "loopback,10.0.0.0/8"), (Key::TrustedHeaders, "forwarded")];
        let (trust, faults) = sample::faults(&typed, read);
        assert_eq!((trust.headers, faults), (TrustedHeaders::Forwarded, vec![]));
        assert!(trust.proxies.trusts([10, 0, 0, 1].into()) && !trust.proxies.trusts([11, 0, 0, 1].into()));
    }

    #[test]
    fn what_names_no_proxy_is_a_fault_and_who_trusts_everybody_is_warned() {
        for (typed, expected) in [
            (
                &[(Key::TrustedProxies, "any")][..],
                "--trusted-proxy: \"any\" is no network; expected an address",
            ),
            (&[(Key::TrustedProxies, "")], "--trusted-proxy: "),
            (&[(Key::TrustedHeaders, "x-real-ip")], "trusted_headers: \"x-real-ip\""),
        ] {
            let faults = sample::faults(typed, read).1;
            assert!(faults.len() == 1 && faults[0].starts_with(expected), "{faults:?}");
        }
        for (typed, expected) in [
            (&[(Key::TrustedProxies, "0.0.0.0/0")][..], "--trusted-proxy: takes in a sixteenth"),
            (&[(Key::TrustedHeaders, "forwarded")], "trusted_headers: has no effect: nobody is trusted"),
        ] {
            let notes = sample::noted(typed, read).1;
            let warnings: Vec<_> = notes.warnings.iter().map(ToString::to_string).collect();
            assert!(warnings.len() == 1 && warnings[0].starts_with(expected), "{warnings:?}");
        }
    }
}
