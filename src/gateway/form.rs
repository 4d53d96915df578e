//! The forms in which a request names its target.

/// Which forms of the gateway are switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatewayForms {
    /// `/?url=…`
    pub query: bool,
    /// `/https://host/…`
    pub path: bool,
    /// `/host/…`, which is https, as part of the path form.
    pub bare_hosts: bool,
}

impl Default for GatewayForms {
    fn default() -> Self {
        Self { query: true, path: true, bare_hosts: false }
    }
}

/// The form in which a target was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `/?url=…`
    Query,
    /// `/https://host/…`
    Path,
}

/// How a request names its target, and what it says of it beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Naming {
    /// In which form.
    pub form: Form,
    /// It carries the mark of a redirect that has led to another origin: no credentials go there.
    pub omits_credentials: bool,
    /// It was spelled `ws://` or `wss://`: WebSockets alone go there.
    pub is_websocket: bool,
}

impl From<Form> for Naming {
    fn from(form: Form) -> Self {
        Self { form, omits_credentials: false, is_websocket: false }
    }
}

/// The mark by which a request is known that follows a redirect to another origin. To a browser it is the same
/// origin, so that it sends the credentials along.
pub(super) const OMITS_CREDENTIALS: &str = "credentials=omit";
