//! How long a chain of certificates a peer may show.

use std::{fmt, sync::Arc};

use rustls::{CertificateError, OtherError, pki_types::CertificateDer};

use super::subject::SUBJECT_MAX;

/// Certificates that a peer may show, its own included, and their bytes: a chain has three to five with a tenth of
/// that as a rule. It is held for as long as the connection.
const MAX_CHAIN: usize = 16;
const MAX_CHAIN_BYTES: usize = 32 << 10;
/// What such a chain takes, in bytes, with what the allocator leaves around it.
pub const CHAIN_MEMORY: usize = MAX_CHAIN_BYTES + (8 << 10);

/// What the chain of a client takes, in bytes: it goes back in two tickets, which wait for as long as nobody takes them,
/// and its subject is held beside it.
pub const CLIENT_CHAIN_MEMORY: usize = 3 * CHAIN_MEMORY + SUBJECT_MAX;

/// Refuses a chain that would take more memory than there is for one.
///
/// # Errors
/// That it does.
pub(super) fn limit(
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> Result<(), rustls::Error> {
    let count = 1 + intermediates.len();
    let bytes = end_entity.len() + intermediates.iter().map(|certificate| certificate.len()).sum::<usize>();
    if count > MAX_CHAIN || bytes > MAX_CHAIN_BYTES {
        let fault = OtherError(Arc::new(LongChain { count, bytes }));
        return Err(CertificateError::Other(fault).into());
    }
    Ok(())
}

/// A chain of so many certificates and bytes.
#[derive(thiserror::Error)]
#[error(
    "a chain of {count} certificates, {bytes} bytes; at most {MAX_CHAIN} of {MAX_CHAIN_BYTES} bytes are taken"
)]
struct LongChain {
    count: usize,
    bytes: usize,
}

/// rustls shows it in no other way.
impl fmt::Debug for LongChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
