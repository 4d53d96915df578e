//! Names that lead nowhere.

use super::values::nearest;

/// What to say of the `name` of a key that is none of `known`.
pub(super) fn unknown_key<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("there is no key \"{name}\"; did you mean {near}?"),
        None => format!("there is no key \"{name}\"; there are {}", known.join(", ")),
    }
}

/// What to say of the `name` of a `kind` that is none of `known`.
pub(super) fn unknown_name<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    let hint = match (nearest(name, known.iter().copied()), &*known) {
        (Some(near), _) => format!("did you mean {near}?"),
        (None, []) => format!("write a table [{kind}.{name}]"),
        (None, _) => format!("there are {}", known.join(", ")),
    };
    format!("there is no {kind} \"{name}\"; {hint}")
}
