//! Certificates and keys in PEM files become rustls configurations, checked when they are loaded and not
//! when the first client comes.
//!
//! Nothing here touches a socket: the configuration is checked with these functions, and
//! [`net::handshake`](crate::net::handshake) uses what they return. The provider (aws-lc-rs) is always passed
//! explicitly, because a process may have two compiled in, and rustls then refuses to choose.
//!
//! Memory: rustls offers three bounds. The sessions kept for resumption are counted here, per configuration, and so are
//! the certificates that a peer may show; the records waiting for a slow peer are bounded per connection at the
//! handshake; fragments smaller than a record are not asked for, as they would cost every connection throughput.
//!
//! - `files`: certificates and keys out of PEM files, and what can be wrong with them
//! - `subject`: whose a certificate is, as text
//! - `chain`: how long a chain of certificates a peer may show
//! - `trust`: which certificates of servers are trusted
//! - `certificate`: what is known of a certificate: for whom it is, and until when
//! - `handshake`: what the handshake with a client told of it
//! - `identities`: the certificates of a listener, of which a client gets one, and that which servers get
//! - `authority`: certificates that clients of a listener must show, and who may have signed them
//! - `server`: how a listener speaks TLS to clients
//! - `client`: how we speak TLS to upstreams
//! - `expiry`: certificates that end soon, or have ended
//!
//! # The rules
//!
//! | | rule | source | test |
//! |---|---|---|---|
//! | 1 | A client gets the certificate of the name that it asks for, else one with a wildcard over it, else the first | RFC 6066 §3; RFC 9525 §6.3 | `tls::identities::tests::a_client_gets_the_certificate_of_the_name_it_asks_for_else_the_first`, `client_tls::each_name_gets_its_certificate_and_an_unknown_one_the_first` |
//! | 2 | A wildcard is the whole first label, and stands for one | RFC 9525 §6.3 | `tls::certificate::tests::a_certificate_is_for_its_names_and_one_label_below_a_wildcard`, `tls::certificate::tests::what_is_no_whole_first_label_is_no_wildcard` |
//! | 3 | Where clients must show a certificate, one without, or with a wrong one, gets no further than the handshake, nor does one whose certificate was good when the session began that it resumes | RFC 8446 §4.4.2.4 | `net::handshake::tests::a_client_without_a_certificate_that_is_asked_for_is_refused`, `net::handshake::tests::a_resumed_session_ends_where_the_certificate_of_its_client_is_good_no_more` |
//! | 4 | Sessions live on through a reload, unless what is asked of clients has changed: resumed, they would be asked for nothing | RFC 8446 §2.2 | `net::handshake::tests::sessions_live_on_through_a_reload_unless_clients_are_asked_for_something_else` |
//! | 5 | What a reload cannot read is used as it was read last; what was never read is a fault | experience | `tls::server::tests::what_a_reload_cannot_read_is_used_as_it_was_read_last`, `tls::client::tests::what_a_reload_cannot_read_of_it_is_used_as_it_was_read_last`, `upstream_tls::a_certificate_that_cannot_be_read_at_a_reload_is_shown_as_it_was_read_last` |
//! | 6 | A peer shows 16 certificates and 32 KiB of them at most | experience | `bounds::an_upstream_that_shows_too_many_certificates_is_a_502`, `net::handshake::tests::a_client_that_shows_too_many_certificates_is_refused` |
//! | 7 | A certificate is warned of from 14 days before its end | experience | `tls::expiry::tests::a_certificate_is_warned_of_from_14_days_before_its_end`, `client_tls::a_certificate_that_has_expired_is_warned_of_at_start`, `tls::expiry::tests::what_servers_are_shown_is_warned_of_as_well` |
//! | 8 | A connection to a server is used again, and a session with one resumed, under the same settings alone, files compared by what is in them | RFC 8446 §2.2 | `config::upstream_tls::tests::connections_are_told_apart_by_what_the_settings_and_files_say`, `tls::client::tests::sessions_are_those_of_the_same_settings_alone`, `upstream_tls::sessions_are_resumed_on_new_connections_and_never_by_an_upstream_of_other_settings`, `upstream_tls::a_server_that_asks_for_a_certificate_gets_it_and_another_upstream_shows_none` |
//! | 9 | A server is asked for the name that is set for it, and must prove that it is called so | RFC 6066 §3; RFC 9525 §6.3 | `upstream_tls::a_server_is_asked_for_the_name_that_is_set_and_must_prove_it` |
//! | 10 | In the text of a subject no value passes for an attribute | RFC 4514 §2.4 | `tls::subject::tests::a_subject_is_written_so_that_no_value_passes_for_an_attribute` |

mod files;

mod subject;

mod chain;

mod trust;

mod certificate;

mod handshake;

mod identities;

mod authority;

mod server;

mod client;

mod expiry;

#[cfg(test)]
mod testing;

#[cfg(test)]
pub(crate) mod sample;

pub use self::{
    certificate::{Certificate, CertificateName},
    chain::{CHAIN_MEMORY, CLIENT_CHAIN_MEMORY},
    client::{
        CLIENT_SESSION_MEMORY, CLIENT_SESSION_NAMES, ClientSettings, ClientTls, SESSIONS_OF_A_NAME,
        is_certificate_error,
    },
    files::{CertificateFiles, TlsFault},
    handshake::ServerHandshake,
    identities::{certificate_fault, key_fault},
    server::{
        PartFault, SERVER_SESSION_MEMORY, SERVER_SESSIONS, ServerSettings, ServerTls, TlsPart, TlsVersion,
    },
};

/// The protocol offered and asked for (RFC 7301); a peer that insists on another gets an alert instead of a
/// conversation in two languages.
const ALPN: &[u8] = b"http/1.1";
