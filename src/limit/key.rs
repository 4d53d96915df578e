//! Who is counted together.

use std::net::IpAddr;

use crate::{
    http1::{
        fields::{FieldId, trim},
        head::Request,
    },
    trust::ClientNetwork,
};

/// What makes two requests those of the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CountedBy {
    /// The network of the client.
    Client,
    /// The origin of the page.
    Origin,
    /// Who was let in.
    Access,
    /// The value of this field.
    Header(Box<str>),
    /// The route that takes it.
    Route,
}

/// Tells who somebody is, piece by piece.
pub type Person<'a> = dyn Fn(&mut dyn FnMut(&[u8])) + 'a;

/// A request, as far as it is counted.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Its head.
    pub request: Request<'a>,
    /// The address of the client.
    pub client: Option<IpAddr>,
    /// Tells who was let in, as bytes; nothing where nobody knows.
    pub person: &'a Person<'a>,
    /// The name of the route that takes it.
    pub route: &'a str,
}

impl CountedBy {
    /// Tells what is the same in all requests that are counted together, as bytes that are the same on every machine.
    /// Those that have none of it are counted together.
    pub fn tell(&self, asked: &Asked<'_>, tell: &mut dyn FnMut(&[u8])) {
        match self {
            Self::Client => {
                if let Some(address) = asked.client {
                    tell(&ClientNetwork::of(address).bytes());
                }
            }
            Self::Origin => tell(asked.request.value(FieldId::Origin).unwrap_or_default()),
            Self::Access => (asked.person)(tell),
            Self::Header(name) => {
                let Request { bytes, head } = asked.request;
                let is_named =
                    |known: &[u8]| known.len() == name.len() && known.eq_ignore_ascii_case(name.as_bytes());
                if let Some(field) = head.fields.iter().find(|field| is_named(field.name.of(bytes))) {
                    tell(trim(field.value.of(bytes)));
                }
            }
            Self::Route => tell(asked.route.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::sample;

    fn told(counted_by: &CountedBy, head: &str, client: Option<&str>) -> Vec<u8> {
        let request = sample::request(format!("GET / HTTP/1.1\r\nHost: h\r\n{head}\r\n"));
        let person = |tell: &mut dyn FnMut(&[u8])| tell(b"ann");
        let client = client.and_then(|client| client.parse().ok());
        let asked = Asked { request: request.request(), client, person: &person, route: "api" };
        let mut told = Vec::new();
        counted_by.tell(&asked, &mut |bytes| told.extend_from_slice(bytes));
        told
    }

    #[test]
    fn requests_are_counted_by_what_the_operator_says() {
        let by_key = CountedBy::Header("x-api-key".into());
        for (counted_by, head, expected) in [
            (&CountedBy::Origin, "Origin: https://a.example\r\n", &b"https://a.example"[..]),
            (&CountedBy::Origin, "", b""),
            (&CountedBy::Access, "", b"ann"),
            (&by_key, "X-API-Key:  k1 \r\nX-Api-Key: k2\r\n", b"k1"),
            (&by_key, "X-Api-Keys: k1\r\n", b""),
            (&CountedBy::Route, "", b"api"),
            (&CountedBy::Client, "", b""),
        ] {
            assert_eq!(told(counted_by, head, None), expected, "{counted_by:?} {head}");
        }
        let of = |address| told(&CountedBy::Client, "", Some(address));
        assert_eq!(of("2001:db8::1"), of("2001:db8::2"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert!(!of("192.0.2.1").is_empty());
    }
}
