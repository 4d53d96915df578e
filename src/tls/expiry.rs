//! Certificates that end soon, or have ended.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

use super::{
    certificate::Certificate,
    client::ClientTls,
    server::{ServerTls, TlsPart},
};

/// How long before its end a certificate is warned of. What renews by itself does so about 30 days before.
const WARNED_BEFORE: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// Names that a warning tells.
const NAMES_SHOWN: usize = 3;

impl ServerTls {
    /// A line for each certificate that has expired at `now`, or will within 14 days: of those that are shown the own
    /// ones, for in a chain may stand what no client needs any more, and of those that must have signed the
    /// certificates of clients all.
    #[must_use]
    pub fn expiry_warnings(&self, now: SystemTime) -> Vec<(TlsPart, String)> {
        let own = self.certificates().enumerate().filter_map(|(index, certificate)| {
            let expires = expires(certificate, now)?;
            let warning = format!(
                "the certificate {}{} {expires}; renew it, clients refuse one that has expired",
                certificate.file.display(),
                list(&certificate.names),
            );
            Some((TlsPart::Certificate(index), warning))
        });
        let authorities = self.client_authorities().iter().filter_map(|certificate| {
            let expires = expires(certificate, now)?;
            let warning = format!(
                "certificate {} in {} ({}) {expires}; replace it, clients that it vouches for are refused once it has \
                 expired",
                certificate.number,
                certificate.file.display(),
                certificate.subject,
            );
            Some((TlsPart::Authority, warning))
        });
        own.chain(authorities).collect()
    }
}

impl ClientTls {
    /// A line for the certificate that servers are shown, if it has expired at `now`, or will within 14 days.
    #[must_use]
    pub fn expiry_warning(&self, now: SystemTime) -> Option<String> {
        let certificate = self.certificate()?;
        let expires = expires(certificate, now)?;
        let (file, subject) = (certificate.file.display(), &certificate.subject);
        Some(format!(
            "the certificate {file} ({subject}) {expires}; renew it, servers refuse one that has expired"
        ))
    }
}

/// What is to be said of its end; `None` where there is time.
fn expires(certificate: &Certificate, now: SystemTime) -> Option<String> {
    let end = certificate.not_after;
    if end < now {
        return Some(format!("has expired on {}", date(end)));
    }
    (end <= now + WARNED_BEFORE).then(|| format!("expires on {}", date(end)))
}

/// The names of a certificate, as far as they tell it from others.
fn list(names: &[impl ToString]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let shown: Vec<String> = names.iter().take(NAMES_SHOWN).map(ToString::to_string).collect();
    let more = if names.len() > NAMES_SHOWN { ", …" } else { "" };
    format!(" for {}{more}", shown.join(", "))
}

/// A time as RFC 3339 writes it; certificates have none beyond the year 9999.
fn date(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let timestamp = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    timestamp.unwrap_or(Timestamp::MAX).to_string()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            client::ClientSettings,
            server::{ServerSettings, TlsVersion},
            testing::Files,
        },
        *,
    };

    /// A time so many days behind the begin of 2025.
    fn at(days: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_735_689_600 + days * 86_400)
    }

    #[test]
    fn a_certificate_is_warned_of_from_14_days_before_its_end() {
        let files = Files::new();
        let settings = ServerSettings {
            certificates: vec![
                files.pair("a", &["a.example", "b.example", "*.c.example", "d.example"], (2024, 2026)),
                files.pair("b", &["b.example"], (2024, 4000)),
            ],
            min_version: TlsVersion::V12,
            client_ca: Some(files.authority("ca", (2024, 2026))),
        };
        let (tls, _) = ServerTls::load(&settings, None).unwrap();
        let warnings = |days| {
            let shown = files.path("").display().to_string();
            let warnings = tls.expiry_warnings(at(days)).into_iter();
            warnings.map(|(part, line)| (part, line.replace(&shown, "DIR/"))).collect::<Vec<_>>()
        };
        assert_eq!(warnings(350), []);
        for (days, expires) in [
            (351, "expires on 2026-01-01T00:00:00Z"),
            (365, "expires on 2026-01-01T00:00:00Z"),
            (366, "has expired on 2026-01-01T00:00:00Z"),
        ] {
            let own = format!(
                "the certificate DIR/a.pem for a.example, b.example, *.c.example, … {expires}; renew it, clients refuse \
                 one that has expired"
            );
            let authority = format!(
                "certificate 1 in DIR/ca.pem (CN=ca) {expires}; replace it, clients that it vouches for are refused \
                 once it has expired"
            );
            let expected = [(TlsPart::Certificate(0), own), (TlsPart::Authority, authority)];
            assert_eq!(warnings(days), expected, "{days}");
        }
    }

    #[test]
    fn what_servers_are_shown_is_warned_of_as_well() {
        let files = Files::new();
        let certificate = Some(files.pair("own", &["a.example"], (2024, 2026)));
        let settings = ClientSettings { certificate, ..ClientSettings::default() };
        let (tls, _) = ClientTls::load(&settings, &[]).unwrap();
        assert_eq!(tls.expiry_warning(at(350)), None);
        let warning = tls.expiry_warning(at(366)).unwrap();
        assert!(
            warning.contains("own.pem") && warning.contains("has expired on 2026-01-01T00:00:00Z"),
            "{warning}"
        );
        let (nobody, _) = ClientTls::load(&ClientSettings::default(), &[]).unwrap();
        assert_eq!(nobody.expiry_warning(at(366)), None);
    }
}
