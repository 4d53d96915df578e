//! Settings that are planned: a file that names one is told so, and not that it has mistyped something.

/// What is said of them.
pub(super) const MESSAGE: &str = "is not there yet; leave it out";

/// Tables and settings of the root, of `[access.NAME]`, `[cors]`, `[forward]`, `[gateway]`, `[[listen]]`, `[[route]]` and `[upstream.NAME]`.
const LATER: &[&str] = &[
    "forward",
    "max_connections_per_client",
    "max_memory",
    "forward.limit",
    "access.signed",
    "access.jwt",
    "access.forward",
];

/// Whether a setting of this name is planned.
pub(super) fn is_later(name: &str) -> bool {
    LATER.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::Key;

    #[test]
    fn what_is_there_is_not_called_planned() {
        for key in Key::ALL {
            assert!(!key.row().name.is_some_and(is_later), "{key:?}");
        }
    }
}
