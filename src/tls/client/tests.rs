use rustls::CertificateError;

use super::{super::testing::Files, *};

fn load(settings: &ClientSettings, before: &[&ClientTls]) -> Result<(ClientTls, Vec<TlsPart>), Vec<TlsPart>> {
    let parts = |faults: Vec<PartFault>| faults.into_iter().map(|(part, _)| part).collect();
    match ClientTls::load(settings, before) {
        Ok((tls, kept)) => Ok((tls, parts(kept))),
        Err(faults) => Err(parts(faults)),
    }
}

#[test]
fn what_a_reload_cannot_read_of_it_is_used_as_it_was_read_last() {
    let files = Files::new();
    let settings = ClientSettings {
        ca: Some(files.authority("ca", (2024, 4000))),
        certificate: Some(files.pair("own", &["own.example"], (2024, 4000))),
        ..ClientSettings::default()
    };
    let (before, kept) = load(&settings, &[]).unwrap();
    assert_eq!(kept, []);
    for name in ["ca.pem", "own.key"] {
        std::fs::write(files.path(name), "").unwrap();
    }
    let faults = [TlsPart::Authority, TlsPart::Key(0)];
    let (now, kept) = load(&settings, &[&load(&ClientSettings::default(), &[]).unwrap().0, &before]).unwrap();
    assert_eq!(kept, faults);
    assert_eq!(now.told_apart(), before.told_apart());
    assert_eq!(now.certificate(), before.certificate());
    // What was never read is a fault.
    assert_eq!(load(&settings, &[]).unwrap_err(), faults);
    let elsewhere = ClientSettings { certificate: Some(files.pair("b", &["b"], (2024, 4000))), ..settings };
    assert_eq!(load(&elsewhere, &[&before]).unwrap().1, [TlsPart::Authority]);
    std::fs::write(files.path("b.pem"), "").unwrap();
    assert_eq!(load(&elsewhere, &[&before]).unwrap_err(), [TlsPart::Authority, TlsPart::Certificate(0)]);
}

#[test]
fn sessions_are_those_of_the_same_settings_alone() {
    let files = Files::new();
    let trusting =
        ClientSettings { ca: Some(files.authority("ca", (2024, 4000))), ..ClientSettings::default() };
    let (before, _) = load(&trusting, &[]).unwrap();
    let shares = |settings: &ClientSettings| {
        Arc::ptr_eq(load(settings, &[&before]).unwrap().0.config(), before.config())
    };
    assert!(shares(&trusting));
    for other in [
        ClientSettings::default(),
        ClientSettings { verify: false, ..trusting.clone() },
        ClientSettings { min_version: TlsVersion::V13, ..trusting.clone() },
        ClientSettings { server_name: ServerName::try_from("a.example").ok(), ..trusting.clone() },
        ClientSettings {
            certificate: Some(files.pair("own", &["own.example"], (2024, 4000))),
            ..trusting.clone()
        },
    ] {
        assert!(!shares(&other), "{other:?}");
    }
    // It was replaced by another one of the same name.
    files.authority("ca", (2024, 4000));
    assert!(!shares(&trusting));
}

#[test]
fn only_faults_of_the_certificate_are_certificate_errors() {
    let certificate = rustls::Error::InvalidCertificate(CertificateError::Expired);
    assert!(is_certificate_error(&io::Error::new(io::ErrorKind::InvalidData, certificate)));
    let protocol = rustls::Error::DecryptError;
    assert!(!is_certificate_error(&io::Error::new(io::ErrorKind::InvalidData, protocol)));
    assert!(!is_certificate_error(&io::ErrorKind::UnexpectedEof.into()));
}
