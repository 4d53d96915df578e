//! What is known of a certificate: for whom it is, and until when.

use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::pki_types::CertificateDer;
use x509_parser::{
    certificate::X509Certificate,
    extensions::{GeneralName, ParsedExtension},
    prelude::FromDer,
};

/// A certificate out of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The file as it was named.
    pub file: PathBuf,
    /// Which of its certificates, from 1.
    pub number: usize,
    /// For whom it is: the alternative names of its subject. The common name counts for nobody any more (RFC 9525 §2).
    pub names: Vec<CertificateName>,
    /// How its subject is called by who signed it.
    pub subject: String,
    /// Its number at who signed it, as hexadecimal digits with colons.
    pub serial: String,
    /// The last moment at which it is good.
    pub not_after: SystemTime,
}

/// Somebody for whom a certificate is; names are in lower case and without a last dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateName {
    /// One host.
    Host(Box<str>),
    /// Every host with one label before this name (RFC 9525 §6.3).
    Below(Box<str>),
    /// An address.
    Address(IpAddr),
}

impl Certificate {
    /// What the certificate, which is the one of this number in `file`, says of itself.
    ///
    /// # Errors
    /// What is wrong with it, when it is no X.509 certificate.
    pub(super) fn read(der: &CertificateDer<'_>, file: &Path, number: usize) -> Result<Self, String> {
        let (_, parsed) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
        Ok(Self {
            file: file.to_owned(),
            number,
            names: names(&parsed),
            subject: parsed.subject().to_string(),
            serial: parsed.raw_serial_as_string(),
            not_after: time(parsed.validity().not_after.timestamp()),
        })
    }

    /// Whether it is for this host: a name without a last dot, or an address, in brackets if it has colons.
    #[must_use]
    pub fn is_for(&self, host: &[u8]) -> bool {
        self.names.iter().any(|name| name.is_of(host))
    }
}

impl CertificateName {
    /// The name as it stands in a certificate; nothing where it can be nobody's.
    fn new(name: &str) -> Option<Self> {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let (is_wildcard, host) = match name.strip_prefix("*.") {
            Some(parent) => (true, parent),
            None => (false, &*name),
        };
        // A wildcard is a whole label, and the first.
        if host.is_empty() || host.contains('*') || !host.is_ascii() {
            return None;
        }
        Some(if is_wildcard { Self::Below(host.into()) } else { Self::Host(host.into()) })
    }

    fn is_of(&self, host: &[u8]) -> bool {
        match self {
            Self::Host(name) => host.eq_ignore_ascii_case(name.as_bytes()),
            Self::Below(parent) => {
                let dot = host.iter().position(|byte| *byte == b'.').filter(|dot| *dot > 0);
                let behind = dot.and_then(|dot| host.get(dot + 1..));
                behind.is_some_and(|behind| behind.eq_ignore_ascii_case(parent.as_bytes()))
            }
            Self::Address(address) => {
                let bare = host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")).unwrap_or(host);
                str::from_utf8(bare).is_ok_and(|bare| bare.parse() == Ok(*address))
            }
        }
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => f.write_str(name),
            Self::Below(parent) => write!(f, "*.{parent}"),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<CertificateName> {
    let mut names = Vec::new();
    for extension in certificate.extensions() {
        let ParsedExtension::SubjectAlternativeName(alternative) = extension.parsed_extension() else {
            continue;
        };
        for name in &alternative.general_names {
            if let GeneralName::DNSName(name) = name {
                names.extend(CertificateName::new(name));
            } else if let GeneralName::IPAddress(octets) = name {
                names.extend(address(octets).map(CertificateName::Address));
            }
        }
    }
    names
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => <[u8; 4]>::try_from(octets).map(IpAddr::from).ok(),
        _ => <[u8; 16]>::try_from(octets).map(IpAddr::from).ok(),
    }
}

/// A time as certificates have it. One before 1970 is long over, whichever it is.
fn time(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    fn certificate(names: &[&str]) -> Certificate {
        let names = names.iter().filter_map(|name| match name.parse() {
            Ok(address) => Some(CertificateName::Address(address)),
            Err(_) => CertificateName::new(name),
        });
        Certificate {
            file: PathBuf::new(),
            number: 1,
            names: names.collect(),
            subject: String::new(),
            serial: String::new(),
            not_after: UNIX_EPOCH,
        }
    }

    #[test]
    fn a_certificate_is_for_its_names_and_one_label_below_a_wildcard() {
        let certificate = certificate(&["A.example.", "*.b.example", "192.0.2.1", "2001:db8::1"]);
        for host in ["a.example", "A.EXAMPLE", "x.b.example", "X.B.Example", "192.0.2.1", "[2001:db8:0::1]"] {
            assert!(certificate.is_for(host.as_bytes()), "{host}");
        }
        for host in [
            "",
            "b.example",
            ".b.example",
            "x.y.b.example",
            "x.a.example",
            "xb.example",
            "*.a.example",
            "192.0.2.2",
            "[2001:db8::2]",
            "example",
        ] {
            assert!(!certificate.is_for(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn what_is_no_whole_first_label_is_no_wildcard() {
        for name in ["*", "*.", "a*.example", "*a.example", "a.*.example", "*.*.example", "", "."] {
            assert_eq!(CertificateName::new(name), None, "{name}");
        }
    }

    #[test]
    fn names_serial_and_end_are_those_of_the_certificate() {
        let pem = testing::Files::new();
        let files = pem.pair("a", &["a.example", "*.b.example", "192.0.2.1"], (2024, 2025));
        let chain = super::super::files::read_certificates(&files.certificate).unwrap();
        let read = Certificate::read(&chain[0], &files.certificate, 1).unwrap();
        let names: Vec<String> = read.names.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["a.example", "*.b.example", "192.0.2.1"]);
        assert_eq!(read.not_after, UNIX_EPOCH + Duration::from_secs(1_735_689_600));
        assert!(read.serial.split(':').all(|pair| pair.len() == 2), "{}", read.serial);
        assert_eq!((&read.file, read.number), (&files.certificate, 1));
    }
}
