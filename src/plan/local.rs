//! What stands under `/__corsair/` for who develops on this machine: a script that tells pages why they are refused, and a
//! page that tries what a page can do with a route.

use crate::{
    error::Error,
    http1::head::{Method, Request},
};

/// What its paths begin with.
const PREFIX: &[u8] = b"/__corsair/";

/// One of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local {
    /// The page that tries a route.
    Page,
    /// What that page runs.
    PageScript,
    /// The script for pages of any origin.
    Script,
    /// Why a request of the page that asks was refused; told to its origin alone.
    Why,
}

impl Local {
    /// What a request with this path asks for; nothing where it is not for any of it.
    ///
    /// # Errors
    /// Where there is nothing of that name, or not for that method.
    pub(super) fn named(path: &[u8], request: Request<'_>) -> Option<Result<Self, Error>> {
        let rest = path.strip_prefix(PREFIX)?;
        let name = rest.split(|byte| *byte == b'?').next().unwrap_or_default();
        let local = match name {
            b"" => Self::Page,
            b"page.js" => Self::PageScript,
            b"why.js" => Self::Script,
            b"why" => Self::Why,
            _ => return Some(Err(Error::NoRoute)),
        };
        // With POST every browser says of which origin the page is, even where that is ours.
        let method = request.head.method;
        let is_served =
            matches!(method, Method::Get | Method::Head) || method == Method::Post && local == Self::Why;
        Some(if is_served { Ok(local) } else { Err(Error::NoRoute) })
    }

    /// What it is; nothing where that depends on who asks.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Page => include_str!("local/page.html"),
            Self::PageScript => include_str!("local/page.js"),
            Self::Script => include_str!("local/why.js"),
            Self::Why => "",
        }
    }

    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Page => "text/html; charset=utf-8",
            Self::PageScript | Self::Script => "text/javascript; charset=utf-8",
            Self::Why => "application/json",
        }
    }
}

/// What the page may do: run its script, and ask whatever it is told to.
pub(super) const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src http: https:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::sample;

    #[test]
    fn what_is_there_is_served_for_the_methods_that_it_has() {
        for (method, path, expected) in [
            ("GET", "/__corsair/", Some(Ok(Local::Page))),
            ("HEAD", "/__corsair/page.js", Some(Ok(Local::PageScript))),
            ("GET", "/__corsair/why.js?1", Some(Ok(Local::Script))),
            ("GET", "/__corsair/why?url=/a", Some(Ok(Local::Why))),
            ("POST", "/__corsair/why", Some(Ok(Local::Why))),
            ("POST", "/__corsair/", Some(Err(Error::NoRoute))),
            ("OPTIONS", "/__corsair/why", Some(Err(Error::NoRoute))),
            ("GET", "/__corsair/etc", Some(Err(Error::NoRoute))),
            ("GET", "/__corsair", None),
            ("GET", "/a/__corsair/", None),
        ] {
            let parsed = sample::request(format!("{method} {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
            assert_eq!(Local::named(path.as_bytes(), parsed.request()), expected, "{method} {path}");
        }
    }

    #[test]
    fn no_script_makes_markup_or_code_of_a_text() {
        for text in [Local::Page, Local::PageScript, Local::Script].map(Local::text) {
            for dangerous in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"]
            {
                assert!(!text.contains(dangerous), "{dangerous}");
            }
        }
    }
}
