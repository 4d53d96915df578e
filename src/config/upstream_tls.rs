//! `[upstream.NAME] tls`: how TLS is spoken to servers, and to targets of the gateway.

use std::{path::PathBuf, time::SystemTime};

use rustls::pki_types::ServerName;

use super::{keys::Key, reader::Reader, values};
use crate::tls::{self, CertificateFiles, ClientSettings, ClientTls, TlsPart};

/// TLS towards the servers of the table that is being read, with a warning where it verifies nothing, where none of them
/// speaks it, and where the certificate that it shows ends soon after `now`; `None` if something is faulty. What cannot be
/// read any more of what there was `before` is used as it was, which is warned of.
pub(super) fn read(
    before: &[&ClientTls],
    is_plain: bool,
    now: SystemTime,
    reader: &mut Reader<'_>,
) -> Option<ClientTls> {
    let settings = settings(reader)?;
    if !settings.verify {
        let message = "any certificate is trusted: whoever is on the way can read and change what passes";
        reader.warn(Key::VerifyUpstream, message);
    }
    if is_plain {
        for key in [Key::UpstreamCert, Key::UpstreamKey, Key::UpstreamServerName] {
            if reader.has(key) {
                reader.warn(key, "has no effect: no server of this upstream is https");
            }
        }
    }
    match ClientTls::load(&settings, before) {
        Ok((tls, kept)) => {
            for (part, fault) in kept {
                reader.warn(key_of(part), format!("{fault}; meanwhile what was read last is used"));
            }
            if let Some(warning) = tls.expiry_warning(now) {
                reader.warn(Key::UpstreamCert, warning);
            }
            Some(tls)
        }
        Err(faults) => {
            for (part, fault) in faults {
                reader.fault(key_of(part), fault.to_string());
            }
            None
        }
    }
}

/// What is asked of TLS; `None` where what was typed cannot be understood, or does not go together.
fn settings(reader: &mut Reader<'_>) -> Option<ClientSettings> {
    let verify = reader.switch(Key::VerifyUpstream);
    let ca = reader.optional(Key::CaFile, values::file);
    let certificate = reader.optional(Key::UpstreamCert, values::file);
    let key = reader.optional(Key::UpstreamKey, values::file);
    let server_name = reader.optional(Key::UpstreamServerName, server_name);
    let min_version = reader.value(Key::UpstreamMinVersion, values::tls_version);
    let certificate = pair(certificate, key, reader)?;
    Some(ClientSettings { ca, verify, certificate, server_name, min_version })
}

/// A certificate and its key, or neither; `None` where one of them is missing.
fn pair(
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    reader: &mut Reader<'_>,
) -> Option<Option<CertificateFiles>> {
    let (typed, missing, fault, message) = match (certificate, key) {
        (Some(certificate), Some(key)) => return Some(Some(CertificateFiles { certificate, key })),
        (None, None) => return Some(None),
        (Some(file), None) => {
            let message = "a certificate needs its private key; give it with tls.key";
            (Key::UpstreamCert, Key::UpstreamKey, tls::certificate_fault(&file), message)
        }
        (None, Some(file)) => {
            let message = "a private key needs its certificate; give it with tls.cert";
            (Key::UpstreamKey, Key::UpstreamCert, tls::key_fault(&file), message)
        }
    };
    if let Some(fault) = fault {
        reader.fault(typed, fault.to_string());
    }
    // What was typed and is faulty has been told.
    if !reader.has(missing) {
        reader.fault(typed, message);
    }
    None
}

/// The setting that a fault of TLS is about.
const fn key_of(part: TlsPart) -> Key {
    match part {
        TlsPart::Certificate(_) => Key::UpstreamCert,
        TlsPart::Key(_) => Key::UpstreamKey,
        TlsPart::Authority | TlsPart::Settings => Key::CaFile,
    }
}

fn server_name(text: &str) -> Result<ServerName<'static>, String> {
    // A certificate names no trailing dot (RFC 6066 §3).
    ServerName::try_from(text.strip_suffix('.').unwrap_or(text).to_owned()).map_err(|_| {
        format!("\"{text}\" is no name that a certificate can bear; expected a host such as api.internal, or an address")
    })
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    fn client_tls(reader: &mut Reader<'_>) -> Option<ClientTls> {
        read(&[], false, SystemTime::now(), reader)
    }

    #[test]
    fn a_file_of_trust_that_cannot_be_used_is_a_fault() {
        let (made, faults) = sample::faults(&[(Key::CaFile, "/nonexistent/file")], client_tls);
        assert!(made.is_none() && faults.len() == 1 && faults[0].starts_with("--ca-file: "), "{faults:?}");
        let (_folder, cert, _) = sample::certificate();
        let (made, faults) = sample::faults(&[(Key::CaFile, &cert)], client_tls);
        assert_eq!((made.is_some(), faults), (true, vec![]));
    }

    #[test]
    fn certificates_are_verified_unless_that_is_switched_off() {
        for (settings, warnings) in
            [(&[][..], 0), (&[(Key::VerifyUpstream, "false")], 0), (&[(Key::VerifyUpstream, "true")], 1)]
        {
            let (_, notes) = sample::noted(settings, client_tls);
            assert_eq!(notes.warnings.len(), warnings, "{settings:?}: {notes:?}");
        }
    }

    #[test]
    fn a_certificate_for_servers_has_its_key_and_a_key_its_certificate() {
        let ((_a, cert, key), (_b, _, other)) = (sample::certificate(), sample::certificate());
        let told = |settings: &[(Key, &str)]| sample::faults(settings, client_tls);
        let (made, faults) = told(&[(Key::UpstreamCert, &cert), (Key::UpstreamKey, &key)]);
        assert!(made.is_some_and(|tls| tls.certificate().is_some()), "{faults:?}");
        for (settings, expected) in [
            (
                &[(Key::UpstreamCert, &*cert)][..],
                "upstream.tls.cert: a certificate needs its private key; give it with tls.key",
            ),
            (
                &[(Key::UpstreamKey, &*key)],
                "upstream.tls.key: a private key needs its certificate; give it with tls.cert",
            ),
            (
                &[(Key::UpstreamCert, &*cert), (Key::UpstreamKey, &*other)],
                "upstream.tls.key: the private key in ",
            ),
            (&[(Key::UpstreamCert, &*cert), (Key::UpstreamKey, "")], "upstream.tls.key: "),
            (
                &[(Key::UpstreamCert, &*cert), (Key::UpstreamKey, "/none")],
                "upstream.tls.key: cannot read /none",
            ),
        ] {
            let (made, faults) = told(settings);
            let [fault] = &faults[..] else { panic!("{settings:?}: {faults:?}") };
            assert!(made.is_none() && fault.starts_with(expected), "{fault}");
        }
        let (_, faults) = told(&[(Key::UpstreamCert, "/none")]);
        assert_eq!(faults.len(), 2, "what is wrong with it does not hide what is missing: {faults:?}");
    }

    #[test]
    fn a_server_name_is_a_name_or_an_address_and_a_version_is_one_of_two() {
        let told = |key, text: &str| sample::faults(&[(key, text)], client_tls);
        for (text, expected) in
            [("api.internal", "api.internal"), ("api.internal.", "api.internal"), ("::1", "::1")]
        {
            let (made, faults) = told(Key::UpstreamServerName, text);
            let tls = made.unwrap_or_else(|| panic!("{faults:?}"));
            assert_eq!(tls.server_name().map(|name| name.to_str().into_owned()).as_deref(), Some(expected));
        }
        for text in ["a b", "https://a", "a:443", "*.a", "[::1]"] {
            let (_, faults) = told(Key::UpstreamServerName, text);
            let expected =
                format!("upstream.tls.server_name: \"{text}\" is no name that a certificate can bear");
            assert!(faults.len() == 1 && faults[0].starts_with(&expected), "{text}: {faults:?}");
        }
        assert_eq!(
            told(Key::UpstreamMinVersion, "1.1").1,
            [
                "upstream.tls.min_version: \"1.1\" is no version of TLS that is spoken here; expected 1.2 or 1.3"
            ]
        );
        assert!(told(Key::UpstreamMinVersion, "1.3").0.is_some());
    }

    #[test]
    fn where_every_server_is_plain_what_is_said_of_tls_has_no_effect() {
        let text = |scheme: &str| {
            format!(
                "[upstream.a]\nservers = [\"{scheme}://127.0.0.1:1\"]\ntls.server_name = \"b\"\n\
                 [[route]]\nupstream = \"a\""
            )
        };
        let told = "f:3:19: upstream.a.tls.server_name: has no effect: no server of this upstream is https";
        assert_eq!(sample::notes_of_file(&text("http"), &[]), (vec![], vec![told.to_owned()]));
        assert_eq!(sample::notes_of_file(&text("https"), &[]), (vec![], vec![]));
    }

    #[test]
    fn connections_are_told_apart_by_what_the_settings_and_files_say() {
        let ((_a, cert, key), (_b, other, _)) = (sample::certificate(), sample::certificate());
        let folder = tempfile::tempdir().expect("a folder");
        let copy = folder.path().join("copy.pem").display().to_string();
        std::fs::copy(&cert, &copy).expect("copied");
        let of = |settings: &[(Key, &str)]| {
            let (made, faults) = sample::faults(settings, client_tls);
            made.unwrap_or_else(|| panic!("{faults:?}")).told_apart().to_owned()
        };
        assert_eq!(of(&[]), "");
        let all = [
            of(&[]),
            of(&[(Key::CaFile, &cert)]),
            of(&[(Key::CaFile, &other)]),
            of(&[(Key::VerifyUpstream, "true")]),
            of(&[(Key::UpstreamCert, &cert), (Key::UpstreamKey, &key)]),
            of(&[(Key::UpstreamServerName, "a")]),
            of(&[(Key::UpstreamServerName, "b")]),
            of(&[(Key::UpstreamMinVersion, "1.3")]),
        ];
        let distinct: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(distinct.len(), all.len(), "{all:#?}");
        assert_eq!(of(&[(Key::CaFile, &copy)]), of(&[(Key::CaFile, &cert)]), "not by the name of a file");
        std::fs::copy(&other, &copy).expect("copied");
        assert_eq!(of(&[(Key::CaFile, &copy)]), of(&[(Key::CaFile, &other)]));
    }
}
