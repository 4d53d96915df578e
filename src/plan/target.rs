//! A gateway's target on its way through redirects.

use crate::{
    access::{NameVerdict, TargetRules},
    config::{Cookies, Gateway, Parent, ParentProxies, Redirects},
    error::Error,
    gateway::{Form, Hop, HopMethod, Jar, Naming, next_hop, to_gateway_location},
    http1::{
        edits::Edits,
        fields::FieldId,
        head::{Method, Response},
    },
    uri::TargetUrl,
};

/// Redirects that a gateway follows for one request.
pub(super) const MAX_HOPS: usize = 10;

/// A gateway's target on its way through redirects.
#[derive(Debug)]
pub struct Target {
    /// Where to.
    pub url: TargetUrl,
    /// How the request named it.
    pub form: Form,
    /// What becomes of redirects.
    pub redirects: Redirects,
    /// Redirects followed so far.
    pub hops: usize,
    /// The method has become GET.
    pub get: bool,
    /// Fields that describe a body go no further.
    pub without_body: bool,
    /// No credentials go there: the origin has changed since the client named its target, or they cannot be meant
    /// for it.
    pub without_credentials: bool,
    /// WebSockets alone go there.
    pub is_websocket: bool,
    /// What is added for it by the operator, and what cookies it has set, is for who asks.
    pub is_for_asker: bool,
    /// The origin has changed since the client named its target: the browser's cookies are for that one.
    pub without_cookies: bool,
    /// What becomes of cookies.
    pub cookies: Cookies,
    /// Cookies that were set on the way.
    pub jar: Option<Box<Jar>>,
}

/// Which of a request's cookies go on.
#[derive(Clone, Copy, Debug)]
pub enum CookiesOnward<'a> {
    /// All of them.
    AsTheyCame,
    /// None.
    None,
    /// Those that this target has set.
    Of(&'a Target),
    /// Those that no target has set.
    OfNoTarget,
}

/// What becomes of a response that may redirect.
pub(super) enum Redirected {
    /// It does not, or is passed on as it is.
    No,
    /// Its `Location` is none that we understand.
    Unreadable,
    /// The gateway goes there itself.
    Follow(Hop),
    /// `Location` becomes this.
    Rewrite(String),
}

/// Whether a URL may be asked for at all under these rules, and through which parent proxy that is done; where through none,
/// its address is still to be judged.
///
/// # Errors
/// Those of [`admit_name`](TargetRules::admit_name), and through a parent of
/// [`admit_unresolved`](TargetRules::admit_unresolved).
pub fn admit_target<'a>(
    rules: &TargetRules,
    parents: Option<&'a ParentProxies>,
    url: &TargetUrl,
) -> Result<(NameVerdict, Option<&'a Parent>), Error> {
    let (host, port) = (url.host(), url.port());
    let verdict = rules.admit_name(host, port)?;
    let parent = parents.and_then(|parents| parents.of_destination(url.scheme(), host, port));
    if parent.is_some() {
        rules.admit_unresolved(verdict, host, port)?;
    }
    Ok((verdict, parent))
}

impl Target {
    /// The target that a request names.
    #[must_use]
    pub const fn named(url: TargetUrl, naming: Naming, gateway: &Gateway) -> Self {
        let Naming { form, omits_credentials, is_websocket } = naming;
        Self {
            url,
            form,
            redirects: gateway.redirects,
            hops: 0,
            get: false,
            without_body: false,
            without_credentials: omits_credentials,
            is_websocket,
            is_for_asker: false,
            without_cookies: omits_credentials,
            cookies: gateway.cookies,
            jar: None,
        }
    }

    /// What the operator changes of the request for it.
    #[must_use]
    pub fn edits<'a>(&self, gateway: &'a Gateway) -> Option<&'a Edits> {
        if self.is_for_asker { gateway.edits_of(&self.url) } else { None }
    }

    /// Which cookies go there.
    #[must_use]
    pub const fn cookies_onward(&self) -> CookiesOnward<'_> {
        match self.cookies {
            Cookies::Pass if !self.without_cookies => CookiesOnward::AsTheyCame,
            Cookies::Isolate if self.is_for_asker => CookiesOnward::Of(self),
            Cookies::Strip | Cookies::Isolate | Cookies::Pass => CookiesOnward::None,
        }
    }

    /// The method that this target is asked with, when the client's is `asked`.
    #[must_use]
    pub const fn method(&self, asked: Method) -> Method {
        if self.get { Method::Get } else { asked }
    }

    /// What becomes of `response`, which answers a request of this method to this target. `has_body` says that it has a
    /// body which cannot be sent again.
    ///
    /// # Errors
    /// [`Error::ResponseHead`] for several `Location`s, [`Error::TooManyRedirects`], and those of [`next_hop`].
    ///
    /// Source: Fetch standard, "HTTP-redirect fetch".
    pub(super) fn redirected(
        &self,
        response: Response<'_>,
        method: Method,
        has_body: bool,
    ) -> Result<Redirected, Error> {
        let status = response.head.status;
        match status {
            _ if self.redirects == Redirects::Pass => return Ok(Redirected::No),
            301 | 302 | 303 | 307 | 308 => {}
            // No redirect to Fetch, but some browsers follow it.
            300..=399 => return Ok(Redirected::Unreadable),
            _ => return Ok(Redirected::No),
        }
        let mut locations = response.values(FieldId::Location);
        let location = match (locations.next(), locations.next()) {
            (None, _) => return Ok(Redirected::No),
            (Some(location), None) => location,
            // Browsers do not agree on which of several to follow.
            (Some(_), Some(_)) => return Err(Error::ResponseHead("there is more than one Location")),
        };
        let Some(hop) = next_hop(&self.url, status, location, method)? else {
            return Ok(Redirected::Unreadable);
        };
        let replays_body = has_body && hop.method == HopMethod::Keep && !self.without_body;
        if self.redirects == Redirects::Follow && !replays_body {
            if self.hops >= MAX_HOPS {
                return Err(Error::TooManyRedirects);
            }
            return Ok(Redirected::Follow(hop));
        }
        let naming = Naming { omits_credentials: self.without_credentials, ..self.form.into() };
        let rewritten = to_gateway_location(naming, &self.url, location)?;
        Ok(rewritten.map_or(Redirected::Unreadable, Redirected::Rewrite))
    }

    /// Goes where a redirect leads.
    pub fn follow(&mut self, hop: Hop) {
        self.hops += 1;
        self.get |= hop.method == HopMethod::Get;
        self.without_body |= hop.drop_body_fields;
        self.without_credentials |= hop.cross_origin;
        self.without_cookies |= hop.cross_origin;
        for cookie in hop.set_cookies {
            self.jar.get_or_insert_default().keep(cookie);
        }
        self.url = hop.target;
    }
}
