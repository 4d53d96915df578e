//! The policy: what an operator typed, and what became of it.
//!
//! Everything that does not depend on the request is rendered here once, so that a response costs copies
//! and no formatting. That any origin is allowed with credentials cannot be expressed.

use std::{fmt, time::Duration};

use super::{
    origin::{Admission, OriginList, is_one_value},
    reason::Reason,
};
use crate::http1::{
    field_set::FieldSet,
    fields::{FieldId, starts_with_ignore_case},
};

/// A policy as it was typed: the keys of `[cors]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsSettings {
    /// `"*"`, exact origins, `scheme://*.host`, `"null"`, `"loopback"`, and expressions behind a `~`.
    pub allow_origins: Vec<String>,
    /// Entries of the same kind, but `"*"`, that are refused whatever else allows them.
    pub deny_origins: Vec<String>,
    /// Whether browsers may send cookies and show the answer; needs a list of origins.
    pub allow_credentials: bool,
    /// Methods, case-sensitive; or `"any"` alone. GET, HEAD and POST are always allowed.
    pub allow_methods: Vec<String>,
    /// Names of request fields, and `NAME-*` for all that begin so; or `"any"` alone.
    pub allow_headers: Vec<String>,
    /// Names of response fields that scripts may read; or `"all"` alone.
    pub expose_headers: Vec<String>,
    /// How long browsers may remember the answer to a preflight; whole seconds count.
    pub max_age: Duration,
    /// Whether a preflight that asks for a private (or local) network is told yes.
    pub private_network: bool,
    /// What becomes of the upstream's own CORS fields.
    pub upstream_headers: UpstreamHeaders,
    /// Who answers preflights.
    pub preflight: Preflight,
    /// Whether requests from origins that are not allowed are blocked instead of forwarded.
    pub refuse_other_origins: bool,
    /// Whether allowed origins may read timings (`Timing-Allow-Origin`).
    pub timing: bool,
    /// `Cross-Origin-Resource-Policy` of every response.
    pub resource_policy: Option<ResourcePolicy>,
    /// Whether `Corsair-Cors` explains every response to a request with an `Origin`.
    pub verdict: bool,
    /// Decide, count and log, but change nothing.
    pub report_only: bool,
}

/// What becomes of the CORS response fields that an upstream sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamHeaders {
    /// They are removed; the policy alone speaks.
    Replace,
    /// Where the upstream sends any, they pass and nothing is added.
    Keep,
}

/// Who answers a preflight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preflight {
    /// corsair, without the upstream.
    Answer,
    /// The application.
    Forward,
}

/// Values of `Cross-Origin-Resource-Policy` (Fetch, "cross-origin resource policy check").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourcePolicy {
    /// `same-origin`
    SameOrigin,
    /// `same-site`
    SameSite,
    /// `cross-origin`
    CrossOrigin,
}

impl ResourcePolicy {
    /// The value of the field.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SameOrigin => "same-origin",
            Self::SameSite => "same-site",
            Self::CrossOrigin => "cross-origin",
        }
    }
}

/// What is wrong, or dangerous, with one key of the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFault {
    /// The key, as it is written in a file.
    pub key: &'static str,
    /// What is wrong with its value and what to do.
    pub message: String,
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}

/// A compiled policy: valid by construction and immutable.
#[derive(Clone, Debug)]
pub struct CorsPolicy {
    pub(super) origins: Origins,
    pub(super) denied: Option<OriginList>,
    pub(super) methods: Allowed,
    pub(super) headers: Allowed,
    pub(super) expose_all: bool,
    pub(super) private_network: bool,
    pub(super) upstream_headers: UpstreamHeaders,
    pub(super) preflight: Preflight,
    pub(super) refuse_other_origins: bool,
    pub(super) timing: bool,
    pub(super) resource_policy: bool,
    pub(super) verdict: bool,
    pub(super) report_only: bool,
    pub(super) rendered: Rendered,
    pub(super) plain_http_origins: Vec<String>,
    /// Entries that anybody can meet.
    pub(super) strangers: Vec<String>,
    pub(super) description: String,
}

/// The origins of a policy. Credentials belong to a list, so that they cannot meet "any".
#[derive(Clone, Debug)]
pub(super) enum Origins {
    /// Every origin, none of them with credentials.
    Any,
    /// The named ones.
    Listed { list: OriginList, credentials: bool },
}

/// Methods or field names that may be used.
#[derive(Clone, Debug)]
pub(super) enum Allowed {
    /// Whatever is asked for.
    Any,
    /// The named ones.
    Listed(Box<[Box<[u8]>]>),
}

/// What all names begin with that an entry such as `X-Stainless-*` stands for.
pub(super) fn family(entry: &[u8]) -> Option<&[u8]> {
    entry.strip_suffix(b"*").filter(|begin| begin.ends_with(b"-"))
}

/// Whole field lines, rendered once.
#[derive(Clone, Debug, Default)]
pub(super) struct Rendered {
    /// Of every response, whatever was decided.
    pub(super) always: Box<[u8]>,
    /// Of an allowed response, but for what names the origin; `always` included, no verdict.
    pub(super) allowed: Box<[u8]>,
    /// The same with the verdict, if it is on.
    pub(super) allowed_explained: Box<[u8]>,
    /// Of an allowed preflight, but for what echoes the request; with the verdict, if it is on.
    pub(super) preflight: Box<[u8]>,
    /// `Vary` of a refused preflight.
    pub(super) refused_preflight: Box<[u8]>,
    /// `Access-Control-Allow-Headers` of a list; nothing where an entry stands for several names.
    pub(super) allow_headers: Box<[u8]>,
    /// The verdict on an allowed request, if it is on.
    pub(super) verdict: Box<[u8]>,
    /// Names of the fields that this policy adds to allowed responses, the verdict's excepted.
    pub(super) own_names: Box<[&'static str]>,
}

impl CorsPolicy {
    /// Whether the policy is the literal `*`.
    #[must_use]
    pub const fn is_any_origin(&self) -> bool {
        matches!(self.origins, Origins::Any)
    }

    /// Whether only origins that somebody named are allowed: not `*`, and no entry of
    /// [`strangers`](Self::strangers). A gateway that anyone can reach needs such a list, or another one.
    #[must_use]
    pub fn is_list(&self) -> bool {
        !self.is_any_origin() && self.strangers.is_empty()
    }

    /// Entries of the list that name nobody: `null`, which every sandboxed frame has, expressions that admit anything,
    /// and wildcards over a public suffix.
    #[must_use]
    pub fn strangers(&self) -> &[String] {
        &self.strangers
    }

    /// Whether responses differ by the origin of the request, so that caches must be told.
    #[must_use]
    pub const fn depends_on_origin(&self) -> bool {
        !self.is_any_origin() || self.denied.is_some()
    }

    /// Whether requests from origins that are not allowed are blocked.
    #[must_use]
    pub const fn refuses_other_origins(&self) -> bool {
        self.refuse_other_origins
    }

    /// Whether the upstream's CORS response fields are always removed.
    #[must_use]
    pub const fn strips_upstream_headers(&self) -> bool {
        matches!(self.upstream_headers, UpstreamHeaders::Replace)
    }

    /// Whether corsair answers preflights itself.
    #[must_use]
    pub const fn answers_preflight(&self) -> bool {
        matches!(self.preflight, Preflight::Answer)
    }

    /// Whether `Corsair-Cors` is sent.
    #[must_use]
    pub const fn verdict(&self) -> bool {
        self.verdict
    }

    /// Whether decisions are only counted and logged.
    #[must_use]
    pub const fn is_report_only(&self) -> bool {
        self.report_only
    }

    /// Whether an upstream's field of this name must not be copied, because
    /// [`write_response_fields`](super::write_response_fields) writes what belongs there.
    ///
    /// The CORS response fields are not among these: [`strips`](super::strips) tells of them, since they
    /// depend on the decision.
    #[must_use]
    pub const fn replaces(&self, id: FieldId) -> bool {
        self.replaced().has(id)
    }

    /// All of which [`CorsPolicy::replaces`] tells.
    #[must_use]
    pub const fn replaced(&self) -> FieldSet {
        let enforced = !self.report_only;
        FieldSet::of(&[FieldId::Vary])
            .and_if(enforced && self.verdict, FieldSet::of(&[FieldId::CorsairCors]))
            .and_if(enforced && self.timing, FieldSet::of(&[FieldId::TimingAllowOrigin]))
            .and_if(enforced && self.resource_policy, FieldSet::of(&[FieldId::CrossOriginResourcePolicy]))
    }

    /// The policy in one line, for people.
    #[must_use]
    pub fn describe(&self) -> &str {
        &self.description
    }

    /// What is dangerous about this policy on a listener with TLS: a page that came in the clear may have been
    /// changed on its way, and with credentials it acts for its user. One for each such origin.
    pub fn faults_behind_tls(&self) -> impl Iterator<Item = PolicyFault> {
        self.plain_http_origins.iter().map(|origin| PolicyFault {
            key: "allow_origins",
            message: format!(
                "whoever is on the way to {origin} can change its pages and use the credentials that TLS \
                 protects here"
            ),
        })
    }

    /// Whether responses to this origin may be shown to scripts with credentials.
    #[must_use]
    pub const fn allows_credentials(&self) -> bool {
        matches!(self.origins, Origins::Listed { credentials: true, .. })
    }

    /// Judges the value of the one `Origin` field of a request.
    ///
    /// # Errors
    /// Why it is not allowed.
    pub(super) fn judge(&self, origin: &[u8]) -> Result<(), Reason> {
        if self.denied.as_ref().is_some_and(|denied| denied.admits(origin) == Admission::Allowed) {
            return Err(Reason::OriginDenied);
        }
        let admission = match &self.origins {
            Origins::Any if is_one_value(origin) => Admission::Allowed,
            Origins::Any => Admission::NotAnOrigin,
            Origins::Listed { list, .. } => list.admits(origin),
        };
        match admission {
            Admission::Allowed => Ok(()),
            Admission::NotAllowed => Err(Reason::OriginNotAllowed),
            Admission::NotAnOrigin => Err(Reason::OriginInvalid),
        }
    }

    /// Whether a preflight for this method succeeds; names are compared with their case (RFC 9110 §9.1).
    pub(super) fn allows_method(&self, method: &[u8]) -> bool {
        match &self.methods {
            Allowed::Any => true,
            Allowed::Listed(names) => names.iter().any(|name| **name == *method),
        }
    }

    /// Whether a preflight for this request field succeeds; names are compared without their case.
    pub(super) fn allows_header(&self, header: &[u8]) -> bool {
        match &self.headers {
            Allowed::Any => true,
            Allowed::Listed(names) => names.iter().any(|name| match family(name) {
                Some(begin) => header.len() > begin.len() && starts_with_ignore_case(header, begin),
                None => name.eq_ignore_ascii_case(header),
            }),
        }
    }
}
