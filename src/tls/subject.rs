//! Whose a certificate is, as text.

use std::fmt::Write as _;

use rustls::pki_types::CertificateDer;
use x509_parser::{
    certificate::X509Certificate,
    der_parser::asn1_rs::ToDer as _,
    prelude::FromDer,
    x509::{AttributeTypeAndValue, X509Name},
};

/// The most bytes of it that are kept.
pub(super) const SUBJECT_MAX: usize = 512;

/// The subject of a certificate as RFC 4514 writes it, `CN=a,O=b`, cut where it is long; empty where it has none, or where
/// it is no X.509 certificate.
pub(super) fn subject(certificate: &CertificateDer<'_>) -> String {
    X509Certificate::from_der(certificate).map(|(_, parsed)| text(parsed.subject())).unwrap_or_default()
}

/// What is most telling comes first, and so the last in the certificate (RFC 4514 §2.1).
fn text(name: &X509Name<'_>) -> String {
    let mut text = String::new();
    let parts: Vec<_> = name.iter_rdn().collect();
    for part in parts.into_iter().rev() {
        for (index, attribute) in part.iter().enumerate() {
            if !text.is_empty() {
                text.push(if index == 0 { ',' } else { '+' });
            }
            add(attribute, &mut text);
            if text.len() > SUBJECT_MAX {
                text.truncate(text.floor_char_boundary(SUBJECT_MAX));
                return text;
            }
        }
    }
    text
}

fn add(attribute: &AttributeTypeAndValue<'_>, text: &mut String) {
    let oid = attribute.attr_type().to_id_string();
    let known = short_name(&oid);
    text.push_str(known.unwrap_or(&oid));
    text.push('=');
    match (known, attribute.as_str()) {
        (Some(_), Ok(value)) => add_escaped(value, text),
        _ => {
            text.push('#');
            for byte in attribute.attr_value().to_der_vec_raw().unwrap_or_default() {
                let _ = write!(text, "{byte:02x}");
            }
        }
    }
}

/// Its name in RFC 4514 §3.
fn short_name(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        _ => return None,
    })
}

/// Without that a value could pass for another attribute (RFC 4514 §2.4).
fn add_escaped(value: &str, text: &mut String) {
    let last = value.chars().count().saturating_sub(1);
    for (index, character) in value.chars().enumerate() {
        match character {
            '\0' => text.push_str("\\00"),
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => text.extend(['\\', character]),
            ' ' if index == 0 || index == last => text.push_str("\\ "),
            '#' if index == 0 => text.push_str("\\#"),
            _ => text.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

    use super::*;

    fn of(attributes: &[(DnType, DnValue)]) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in attributes {
            params.distinguished_name.push(kind.clone(), value.clone());
        }
        subject(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der())
    }

    #[test]
    fn a_subject_is_written_so_that_no_value_passes_for_an_attribute() {
        let utf8 = |text: &str| DnValue::Utf8String(text.to_owned());
        assert_eq!(of(&[]), "");
        for (attributes, expected) in [
            (
                vec![
                    (DnType::CountryName, utf8("DE")),
                    (DnType::OrganizationName, utf8("Ex, Inc.")),
                    (DnType::CommonName, utf8("Jürgen")),
                ],
                "CN=Jürgen,O=Ex\\, Inc.,C=DE",
            ),
            (vec![(DnType::CommonName, utf8("a,O=b+C=d"))], "CN=a\\,O=b\\+C=d"),
            (vec![(DnType::CommonName, utf8(" # \"<>;\\ "))], "CN=\\ # \\\"\\<\\>\\;\\\\\\ "),
            (vec![(DnType::CommonName, utf8("#0"))], "CN=\\#0"),
            (vec![(DnType::CommonName, utf8(" "))], "CN=\\ "),
            // Of a kind that has no name there, and of a type that is no UTF-8 text.
            (vec![(DnType::CustomDnType(vec![1, 2, 3]), utf8("a"))], "1.2.3=#0c0161"),
            (vec![(DnType::CommonName, DnValue::BmpString("a".try_into().unwrap()))], "CN=#1e020061"),
        ] {
            assert_eq!(of(&attributes), expected);
        }
    }

    #[test]
    fn a_long_subject_is_cut_and_what_is_no_certificate_has_none() {
        let long = of(&[(DnType::CommonName, DnValue::Utf8String("ü".repeat(400)))]);
        assert!(long.starts_with("CN=ü") && (SUBJECT_MAX - 1..=SUBJECT_MAX).contains(&long.len()), "{long}");
        assert_eq!(subject(&CertificateDer::from(&b"none"[..])), "");
    }
}
