use std::fs;

use super::{
    super::testing::{Files, folder},
    *,
};

impl ServerTls {
    /// The same with another configuration for the library.
    pub(in super::super) fn with_config(&self, config: ServerConfig) -> Self {
        let Loaded { identities, min_version, client_ca, .. } = &*self.0;
        Self(Arc::new(Loaded {
            config: Arc::new(config),
            identities: Arc::clone(identities),
            min_version: *min_version,
            client_ca: client_ca.clone(),
        }))
    }
}

/// What is wrong, each with the folder left out.
fn faults(files: &Files, settings: &ServerSettings, before: Option<&ServerTls>) -> Vec<(TlsPart, String)> {
    let shown = files.path("").display().to_string();
    let faults = ServerTls::load(settings, before).map(|_| ()).unwrap_err();
    faults.into_iter().map(|(part, fault)| (part, fault.to_string().replace(&shown, "DIR/"))).collect()
}

#[test]
fn a_certificate_and_its_key_make_a_configuration() {
    let folder = folder();
    let tls = ServerTls::of(&folder.path().join("a.pem"), &folder.path().join("a.key"));
    assert_eq!(tls.config().alpn_protocols, [b"http/1.1"]);
    assert!(tls.config().ticketer.enabled() && tls.keeps_sessions() && !tls.asks_for_certificates());
    assert_eq!(tls.config().max_early_data_size, 0);
    let names: Vec<String> = tls.certificates().flat_map(|own| &own.names).map(ToString::to_string).collect();
    assert_eq!(names, ["localhost"]);
}

#[test]
fn a_fault_names_the_file_the_cause_and_the_remedy() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    for (certificate, key, expected) in [
        ("missing.pem", "a.key", "cannot read DIR/missing.pem: there is no such file; check the path"),
        (".", "a.key", "cannot read DIR/.: it is a directory; check the path"),
        ("empty", "a.key", "DIR/empty holds no certificate; name"),
        ("a.key", "a.key", "DIR/a.key holds no certificate; name"),
        ("cut.pem", "a.key", "DIR/cut.pem is damaged: "),
        ("no.pem", "a.key", "certificate 1 in DIR/no.pem cannot be used: "),
        ("a.pem", "missing.key", "cannot read DIR/missing.key: there is no such file; check the path"),
        ("a.pem", "a.pem", "DIR/a.pem holds no private key; name"),
        ("a.pem", "locked.key", "the private key in DIR/locked.key is encrypted; decrypt it with"),
        ("a.pem", "locked-old.key", "the private key in DIR/locked-old.key is encrypted; decrypt it with"),
        ("a.pem", "bad.key", "the private key in DIR/bad.key cannot be used: "),
        (
            "a.pem",
            "b.key",
            "the private key in DIR/b.key does not belong to the first certificate in DIR/a.pem",
        ),
    ] {
        let faults = ServerTls::load(&ServerSettings::of(&at(certificate), &at(key)), None).unwrap_err();
        let [(part, fault)] = &faults[..] else { panic!("{certificate} {key}: {faults:?}") };
        let fault = fault.to_string().replace(folder.path().to_str().unwrap(), "DIR");
        assert!(fault.starts_with(expected), "{certificate} {key}: {fault}");
        let of_key = certificate == "a.pem";
        assert_eq!(*part, if of_key { TlsPart::Key(0) } else { TlsPart::Certificate(0) });
    }
}

#[test]
fn all_faults_are_told_together_each_with_what_it_is_about() {
    let files = Files::new();
    let pair = |certificate: &str, key: &str| CertificateFiles {
        certificate: files.path(certificate),
        key: files.path(key),
    };
    let good = files.pair("good", &["a.example"], (2024, 4000));
    let settings = ServerSettings {
        certificates: vec![pair("1.pem", "1.key"), good.clone(), pair("good.pem", "3.key")],
        min_version: TlsVersion::V13,
        client_ca: Some(good.key.clone()),
    };
    let parts: Vec<TlsPart> = faults(&files, &settings, None).into_iter().map(|(part, _)| part).collect();
    assert_eq!(parts, [TlsPart::Certificate(0), TlsPart::Key(0), TlsPart::Key(2), TlsPart::Authority]);
    let nobody = ServerSettings { certificates: vec![], client_ca: None, ..settings };
    let [(TlsPart::Settings, fault)] = &faults(&files, &nobody, None)[..] else { panic!("one fault") };
    assert!(fault.starts_with("there is no certificate; "), "{fault}");
}

#[test]
fn what_a_reload_cannot_read_is_used_as_it_was_read_last() {
    let files = Files::new();
    let (a, b) =
        (files.pair("a", &["a.example"], (2024, 4000)), files.pair("b", &["b.example"], (2024, 4000)));
    let authority = files.authority("ca", (2024, 4000));
    let settings = ServerSettings {
        certificates: vec![a.clone(), b.clone()],
        min_version: TlsVersion::V12,
        client_ca: Some(authority.clone()),
    };
    let (before, faults_at_start) = ServerTls::load(&settings, None).unwrap();
    assert!(faults_at_start.is_empty());
    let serials = |tls: &ServerTls| tls.certificates().map(|own| own.serial.clone()).collect::<Vec<_>>();

    // One is renewed, of the other the key alone, and the authority is gone.
    files.pair("a", &["a.example", "new.example"], (2025, 4000));
    fs::copy(&a.key, &b.key).unwrap();
    fs::remove_file(&authority).unwrap();
    let (now, warned) = ServerTls::load(&settings, Some(&before)).unwrap();
    let told: Vec<String> = warned.iter().map(ToString::to_string).collect();
    assert!(told.len() == 2 && told[0].contains("b.key") && told[1].contains("ca.pem"), "{told:?}");
    let ([a_before, b_before], [a_now, b_now]) = (&serials(&before)[..], &serials(&now)[..]) else {
        panic!("two certificates each")
    };
    assert!(a_before != a_now && b_before == b_now);
    assert!(now.asks_for_certificates() && now.shares_sessions_with(&before));

    // Nothing but the fault is known of files that are new, and then all is told.
    let mut more = settings.clone();
    let new = CertificateFiles { certificate: files.path("new.pem"), key: files.path("new.key") };
    more.certificates.push(new);
    let parts: Vec<TlsPart> = faults(&files, &more, Some(&now)).into_iter().map(|(part, _)| part).collect();
    assert_eq!(parts, [TlsPart::Key(1), TlsPart::Certificate(2), TlsPart::Key(2), TlsPart::Authority]);
    let other = ServerSettings { client_ca: Some(files.path("other.pem")), ..settings };
    assert!(ServerTls::load(&other, Some(&now)).is_err());
}

#[test]
fn sessions_are_carried_over_where_clients_are_asked_for_the_same() {
    let files = Files::new();
    let own = files.pair("own", &["a.example"], (2024, 4000));
    let (one, other) = (files.authority("one", (2024, 4000)), files.authority("other", (2024, 4000)));
    let copy = files.path("copy.pem");
    fs::copy(&one, &copy).unwrap();
    let settings = |min_version, client_ca: Option<&PathBuf>| ServerSettings {
        certificates: vec![own.clone()],
        min_version,
        client_ca: client_ca.cloned(),
    };
    use TlsVersion::{V12, V13};
    for (before, now, expected) in [
        ((V12, None), (V12, None), true),
        ((V13, Some(&one)), (V13, Some(&one)), true),
        ((V12, Some(&one)), (V12, Some(&copy)), true),
        ((V12, None), (V13, None), false),
        ((V13, None), (V12, None), false),
        ((V12, None), (V12, Some(&one)), false),
        ((V12, Some(&one)), (V12, None), false),
        ((V12, Some(&one)), (V12, Some(&other)), false),
    ] {
        let (before, _) = ServerTls::load(&settings(before.0, before.1), None).unwrap();
        let (now, _) = ServerTls::load(&settings(now.0, now.1), Some(&before)).unwrap();
        assert_eq!(now.shares_sessions_with(&before), expected, "{before:?} {now:?}");
        assert_eq!(Arc::ptr_eq(&now.config().ticketer, &before.config().ticketer), expected);
    }
}
