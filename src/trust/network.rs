//! Where a client is, for what is shared out among clients.

use std::net::IpAddr;

/// A v4 address, or the /64 of a v6 one: whoever has one address of such a network has all of them (RFC 6177 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientNetwork(u128);

impl ClientNetwork {
    /// That of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            // Mapped, they are of no other network.
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits() >> 64 << 64,
        })
    }

    /// As bytes, the same on every machine.
    #[must_use]
    pub const fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_an_address_or_the_half_of_a_long_one() {
        let of = |text: &str| ClientNetwork::of(text.parse().expect("an address"));
        for (one, other, is_same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("2001:db8::1", "2001:db8:0:0:ffff::2", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("::1", "0.0.0.1", false),
        ] {
            assert_eq!(of(one) == of(other), is_same, "{one} {other}");
        }
        assert_eq!(of("::ffff:192.0.2.1").bytes(), of("192.0.2.1").bytes());
    }
}
