//! Typed text to words: one of a few, yes or no, lists.

/// The value that `text` names among `choices`.
///
/// # Errors
/// All valid words, and the nearest one where it looks like a slip.
pub fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
    let nearest = words
        .iter()
        .map(|word| (strsim::jaro_winkler(&text.to_ascii_lowercase(), word), word))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map_or_else(String::new, |(_, word)| format!("; did you mean {word}?"));
    Err(format!("\"{text}\" is none of {}{nearest}", words.join(", ")))
}

/// `true` or `false`, and what the environment of other programs uses for them.
///
/// # Errors
/// As [`choice`].
pub fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "yes" | "on" => Ok(true),
        "0" | "no" | "off" => Ok(false),
        lower => choice(lower, &[("true", true), ("false", false)])
            .map_err(|_| format!("\"{text}\" is neither true nor false")),
    }
}

/// The members of a list of which each item may hold several, separated by commas.
///
/// A comma inside brackets is none: it belongs to a pattern such as `~https://app-[0-9]{1,3}\.example\.com`.
/// Space around a member is dropped.
///
/// # Errors
/// A member that is empty: the sign of a variable that was not set.
pub fn list(items: &[String]) -> Result<Vec<String>, String> {
    let members: Vec<String> = items.iter().flat_map(|item| members(item)).collect();
    if members.iter().any(String::is_empty) {
        return Err("has an empty member; expected a value before and after every comma".into());
    }
    Ok(members)
}

fn members(item: &str) -> Vec<String> {
    let mut members = vec![String::new()];
    let mut depth = 0_usize;
    let mut escaped = false;
    for character in item.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' | '{' | '(' => depth = depth.saturating_add(1),
            ']' | '}' | ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                members.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(member) = members.last_mut() {
            member.push(character);
        }
    }
    members.iter().map(|member| member.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(items: &[&str]) -> Vec<String> {
        items.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_slip_of_the_pen_hears_the_nearest_word() {
        let choices = [("follow", 1), ("rewrite", 2), ("pass", 3)];
        assert_eq!(choice("rewrite", &choices), Ok(2));
        for (text, fault) in [
            ("folow", "\"folow\" is none of follow, rewrite, pass; did you mean follow?"),
            ("Pass", "\"Pass\" is none of follow, rewrite, pass; did you mean pass?"),
            ("xyz", "\"xyz\" is none of follow, rewrite, pass"),
            ("", "\"\" is none of follow, rewrite, pass"),
        ] {
            assert_eq!(choice(text, &choices), Err(fault.into()));
        }
    }

    #[test]
    fn yes_and_no_are_said_in_many_ways() {
        for (text, value) in [("true", true), ("TRUE", true), ("1", true), ("on", true), ("yes", true)]
            .into_iter()
            .chain([("false", false), ("0", false), ("off", false), ("No", false)])
        {
            assert_eq!(boolean(text), Ok(value), "{text}");
        }
        assert_eq!(boolean("maybe"), Err("\"maybe\" is neither true nor false".into()));
        assert!(boolean("").is_err());
    }

    #[test]
    fn lists_are_repeated_or_separated_by_commas() {
        assert_eq!(list(&typed(&["a, b", "c"])), Ok(typed(&["a", "b", "c"])));
        assert_eq!(list(&[]), Ok(vec![]));
        for empty in [&["a,"][..], &["a,,b"], &[""], &["a", " "], &[","]] {
            assert!(list(&typed(empty)).is_err(), "{empty:?}");
        }
    }

    #[test]
    fn a_comma_inside_a_pattern_separates_nothing() {
        for pattern in [
            r"~https://app-[0-9]{1,3}\.example\.com",
            r"~https://(a|b{2,})\.example",
            r"~https://[\],]x\.example",
        ] {
            assert_eq!(list(&typed(&[pattern])), Ok(typed(&[pattern])));
        }
        assert_eq!(list(&typed(&["[::1],[::2]"])), Ok(typed(&["[::1]", "[::2]"])));
        assert_eq!(list(&typed(&["a],b"])), Ok(typed(&["a]", "b"])));
    }
}
