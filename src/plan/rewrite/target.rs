//! What a gateway makes of the fields of its target's response: nothing of one target may act on the origin that all
//! targets share (rules 3, 4, 17 and 19 of [`gateway`](crate::gateway)).

use crate::{
    gateway::{Jar, Passage, RENAMED_CHALLENGE, Scope, SetCookie, passage},
    http1::{
        emit::{HeadWriter, ParsedFields},
        fields::{self, Field, FieldId},
    },
    uri::TargetUrl,
};

/// What becomes of the `Location` of a gateway's target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location<'a> {
    /// It goes on as it is.
    Kept,
    /// This takes its place.
    Rewritten(&'a str),
    /// It goes no further: we cannot read it, but a browser might, and leave the gateway.
    Dropped,
}

/// What becomes of the cookies that a gateway's target sets.
#[derive(Clone, Copy, Debug)]
pub enum CookiesHome<'a> {
    /// They go no further.
    Dropped,
    /// They go on as they are.
    Passed,
    /// They become those of this target alone, beside those that were set on the way.
    Isolated(&'a TargetUrl, Scope<'a>, Option<&'a Jar>),
}

/// What a gateway adds to and changes in its target's response.
#[derive(Clone, Copy, Debug)]
pub struct GatewayAnswer<'a> {
    /// Where the answer came from in the end.
    pub final_url: &'a str,
    /// What becomes of `Location`.
    pub location: Location<'a>,
    /// What becomes of its cookies.
    pub cookies: CookiesHome<'a>,
}

/// The fields of a target's response on their way: what has been seen of them.
pub(super) struct TargetFields<'a> {
    answer: GatewayAnswer<'a>,
    /// Whether every media type that was named is of no document; nothing where none was named.
    inert: Option<bool>,
    nosniff: bool,
    challenged: bool,
    /// Cookies for the browser, where they are isolated.
    jar: Jar,
    /// Whether one of them could not be kept.
    has_dropped_cookie: bool,
}

impl<'a> TargetFields<'a> {
    /// Before the first of them.
    pub(super) fn of(answer: GatewayAnswer<'a>) -> Self {
        let jar = match answer.cookies {
            CookiesHome::Isolated(.., Some(jar)) => jar.clone(),
            CookiesHome::Isolated(.., None) | CookiesHome::Dropped | CookiesHome::Passed => Jar::default(),
        };
        Self { answer, inert: None, nosniff: false, challenged: false, jar, has_dropped_cookie: false }
    }

    /// Whether cookies were dropped that the target or the browser has sent.
    pub(super) const fn drops_cookies(&self) -> bool {
        match self.answer.cookies {
            CookiesHome::Dropped => true,
            CookiesHome::Passed => false,
            CookiesHome::Isolated(..) => self.has_dropped_cookie,
        }
    }

    fn isolate(&mut self, target: &TargetUrl, scope: &Scope<'_>, value: &[u8]) {
        let is_kept = SetCookie::read(target, scope, value).is_some_and(|cookie| self.jar.keep(cookie));
        self.has_dropped_cookie |= !is_kept;
    }

    /// Whether a field goes on as it is; where another takes its place, that is written.
    pub(super) fn pass(&mut self, bytes: &[u8], field: &Field, fields: &mut ParsedFields<'_, '_>) -> bool {
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others have their passage")]
        match field.id {
            FieldId::XFinalUrl => false,
            FieldId::SetCookie => match self.answer.cookies {
                CookiesHome::Dropped => false,
                CookiesHome::Passed => true,
                CookiesHome::Isolated(target, scope, _) => {
                    self.isolate(target, &scope, field.value.of(bytes));
                    false
                }
            },
            FieldId::Location => match self.answer.location {
                Location::Kept => true,
                Location::Rewritten(location) => {
                    fields.writer().computed_field(b"Location", location.as_bytes());
                    false
                }
                Location::Dropped => false,
            },
            FieldId::ContentType => {
                self.inert = Some(self.inert.unwrap_or(true) && is_inert(field.value.of(bytes)));
                true
            }
            id => match passage(id, field.name.of(bytes)) {
                Passage::Leaves if is_nosniff(field, bytes) => {
                    self.nosniff = true;
                    false
                }
                Passage::Leaves => true,
                Passage::Renamed => {
                    self.challenged = true;
                    fields.writer().field(RENAMED_CHALLENGE.as_bytes(), field.value.of(bytes));
                    false
                }
                Passage::Stays => false,
            },
        }
    }

    /// Writes what is added behind the last of them.
    pub(super) fn finish(&self, writer: &mut HeadWriter<'_>) {
        for cookie in self.jar.lines() {
            writer.computed_field(b"Set-Cookie", cookie);
        }
        writer.computed_field(b"X-Final-URL", self.answer.final_url.as_bytes());
        // Without a media type browsers guess one.
        if self.inert != Some(true) {
            writer.lines(b"Content-Security-Policy: sandbox\r\n");
        }
        if self.inert == Some(true) || self.nosniff {
            writer.lines(b"X-Content-Type-Options: nosniff\r\n");
        }
    }

    /// The names of what corsair adds to the response, to be exposed to scripts.
    pub(super) const fn added(&self) -> &'static [&'static str] {
        if self.challenged { &["Via", "X-Final-URL", RENAMED_CHALLENGE] } else { &["Via", "X-Final-URL"] }
    }

    /// Whether a field leaves under its own name, so that it may be named to scripts.
    pub(super) fn leaves(&self, bytes: &[u8], field: &Field) -> bool {
        let is_dropped = field.id == FieldId::Location && self.answer.location == Location::Dropped;
        !is_dropped && passage(field.id, field.name.of(bytes)) == Passage::Leaves
    }
}

/// Whether this is `X-Content-Type-Options`, which is written once.
fn is_nosniff(field: &Field, bytes: &[u8]) -> bool {
    field.id == FieldId::Other && field.name.of(bytes).eq_ignore_ascii_case(b"x-content-type-options")
}

/// Media types that are no documents, and the one whose viewer shows nothing in a sandbox.
const INERT: &[&str] = &[
    "application/json",
    "application/octet-stream",
    "application/pdf",
    "text/css",
    "text/event-stream",
    "text/plain",
];

/// Media types that a browser cannot take for a document of our origin; whatever else comes is sandboxed (rule 4 of
/// [`gateway`](crate::gateway)).
fn is_inert(content_type: &[u8]) -> bool {
    // Of a list browsers take the last that they can read (Fetch, "extract a MIME type").
    if memchr::memchr(b',', content_type).is_some() {
        return false;
    }
    let essence = fields::trim(content_type.split(|byte| *byte == b';').next().unwrap_or_default());
    let is_xml = essence.len() >= 4 && essence[essence.len() - 4..].eq_ignore_ascii_case(b"+xml");
    INERT.iter().any(|inert| essence.eq_ignore_ascii_case(inert.as_bytes()))
        || !is_xml
            && ["image/", "font/", "audio/", "video/"].iter().any(|prefix| {
                // What is no media type is guessed at.
                fields::starts_with_ignore_case(essence, prefix.as_bytes())
                    && fields::is_token(&essence[prefix.len()..])
            })
}
