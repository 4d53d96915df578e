//! The forms in which a request names its target.

/// Which forms of the gateway are switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatewayForms {
    /// `/?url=…`
    pub query: bool,
    /// `/https://host/…`
    pub path: bool,
}

impl Default for GatewayForms {
    fn default() -> Self {
        Self { query: true, path: true }
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
