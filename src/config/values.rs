//! Typed text to values: durations, sizes, rates, counts; one of a few words, yes or no, lists, files.
//!
//! Every fault says what was found and what was expected, and names no setting: the caller knows which.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use crate::tls::TlsVersion;

/// The longest duration that can be set: it keeps every deadline representable.
const MAX_DURATION: Duration = Duration::from_secs(365 * 24 * 3600);

/// `250ms`, `30s`, `5m`, `1h`, `2d`, or several in a row: `1m30s`. Zero needs no unit.
///
/// # Errors
/// What is wrong with it, and what a duration looks like.
pub fn duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let fault = || format!("\"{text}\" is no duration; expected one such as 250ms, 30s, 5m or 1h");
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (digits, after) = split(rest, |byte| byte.is_ascii_digit());
        let (unit, after) = split(after, |byte| byte.is_ascii_alphabetic());
        let count = number(digits).ok_or_else(fault)?;
        let milliseconds = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60 * 1000,
            "h" => 3600 * 1000,
            "d" => 24 * 3600 * 1000,
            "" if digits.len() == text.len() => {
                return Err(format!("\"{text}\" has no unit; write {text}s if seconds are meant"));
            }
            _ => return Err(fault()),
        };
        let part = count.checked_mul(milliseconds).map(Duration::from_millis);
        total = part
            .and_then(|part| total.checked_add(part))
            .filter(|total| *total <= MAX_DURATION)
            .ok_or_else(|| format!("\"{text}\" is too long; expected at most 365d"))?;
        rest = after;
    }
    if text.is_empty() { Err(fault()) } else { Ok(total) }
}

/// A duration that is more than nothing: a wait of zero would fail at once.
///
/// # Errors
/// As [`duration`], and for zero.
pub(super) fn wait(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err(format!("\"{text}\" would end every wait at once; expected more than zero")),
        wait => Ok(wait),
    }
}

/// Bytes: `512`, `16k`, `10m`, `1g`; the units are powers of 1024, in either case.
///
/// # Errors
/// What is wrong with it, and what a size looks like.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let fault = || format!("\"{text}\" is no size; expected bytes or one such as 16k, 10m or 1g");
    let (digits, unit) = split(text, |byte| byte.is_ascii_digit());
    let shift = match unit {
        "" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        _ => return Err(fault()),
    };
    number(digits)
        .ok_or_else(fault)?
        .checked_mul(1 << shift)
        .ok_or_else(|| format!("\"{text}\" is too large"))
}

/// Bytes per second: `100/s`, `1k/s`; `off` is 0, which switches the demand off.
///
/// # Errors
/// What is wrong with it, and what a rate looks like.
pub(super) fn rate(text: &str) -> Result<u64, String> {
    if text == "off" || text == "0" {
        return Ok(0);
    }
    let fault = || format!("\"{text}\" is no rate; expected bytes per second such as 100/s or 1k/s, or off");
    size(text.strip_suffix("/s").ok_or_else(fault)?).map_err(|_| fault())
}

/// A count within `range`.
///
/// # Errors
/// That it is no plain number, or out of the range.
pub(super) fn count(text: &str, range: RangeInclusive<usize>) -> Result<usize, String> {
    number(text)
        .and_then(|count| usize::try_from(count).ok())
        .filter(|count| range.contains(count))
        .ok_or_else(|| format!("\"{text}\" is out of range; expected {} to {}", range.start(), range.end()))
}

/// A share within `range`: `150%`.
///
/// # Errors
/// That it is no percentage, or out of the range.
pub(super) fn percent(text: &str, range: RangeInclusive<u32>) -> Result<u32, String> {
    let percent = text.strip_suffix('%').and_then(number).and_then(|percent| u32::try_from(percent).ok());
    percent
        .filter(|percent| range.contains(percent))
        .ok_or_else(|| format!("\"{text}\" is out of range; expected {}% to {}%", range.start(), range.end()))
}

/// A size within `range`, both ends written the way they would be typed.
///
/// # Errors
/// As [`size`], and for what is out of the range.
pub(super) fn size_within(text: &str, range: RangeInclusive<u64>) -> Result<u64, String> {
    let bytes = size(text)?;
    if range.contains(&bytes) {
        return Ok(bytes);
    }
    Err(format!("\"{text}\" is out of range; expected {} to {}", typed(*range.start()), typed(*range.end())))
}

/// A size within `range` that is held in memory.
///
/// # Errors
/// As [`size_within`].
pub(super) fn memory_within(text: &str, range: RangeInclusive<u64>) -> Result<usize, String> {
    size_within(text, range).map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
}

/// What `read` understands, or `None` for the one `word` that stands for none.
///
/// # Errors
/// Those of `read`, with the word.
pub(super) fn or_word<T>(
    text: &str,
    word: &str,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    if text == word { Ok(None) } else { read(text).map(Some).map_err(|fault| format!("{fault}, or {word}")) }
}

/// A size the way it would be typed, in the largest unit that divides it.
fn typed(bytes: u64) -> String {
    [(30, 'g'), (20, 'm'), (10, 'k')]
        .into_iter()
        .find(|(shift, _)| bytes != 0 && bytes.trailing_zeros() >= *shift)
        .map_or_else(|| bytes.to_string(), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}

/// Digits and nothing else: `str::parse` would take a sign.
fn number(digits: &str) -> Option<u64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// `text` at the end of its longest beginning made of what `belongs`.
fn split(text: &str, belongs: impl Fn(u8) -> bool) -> (&str, &str) {
    // What belongs is ASCII, so the position is a boundary.
    text.split_at(text.bytes().position(|byte| !belongs(byte)).unwrap_or(text.len()))
}

/// The value that `text` names among `choices`.
///
/// # Errors
/// All valid words, and the nearest one where it looks like a slip.
pub(super) fn choice<T: Clone>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
        return Ok(value.clone());
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

/// The one of `known` that `name` is a slip of, if there is one: some letters away from it.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|known| (strsim::osa_distance(name, known), known))
        .filter(|(distance, known)| *distance <= slips(name.len().min(known.len())))
        .min()
        .map(|(_, known)| known)
}

/// How many letters may be wrong in a name of this length.
const fn slips(length: usize) -> usize {
    match length {
        0..4 => 0,
        4..7 => 1,
        7..11 => 2,
        _ => 3,
    }
}

/// `true` or `false`, and what the environment of other programs uses for them.
///
/// # Errors
/// As [`choice`].
pub(super) fn boolean(text: &str) -> Result<bool, String> {
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
pub(super) fn list<'a>(items: impl IntoIterator<Item = &'a str>) -> Result<Vec<String>, String> {
    let members: Vec<String> = items.into_iter().flat_map(members).collect();
    if members == [""] {
        return Err("is empty; give a value, or leave it out".into());
    }
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

/// The name of a file.
///
/// # Errors
/// That it is empty: the sign of a variable that was not set.
pub(super) fn file(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("is empty; expected the name of a file".into()) } else { Ok(text.into()) }
}

/// A version of TLS.
///
/// # Errors
/// That it is none of those that are spoken.
pub(super) fn tls_version(text: &str) -> Result<TlsVersion, String> {
    match text {
        "1.2" => Ok(TlsVersion::V12),
        "1.3" => Ok(TlsVersion::V13),
        _ => Err(format!("\"{text}\" is no version of TLS that is spoken here; expected 1.2 or 1.3")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owned(items: &[&str]) -> Vec<String> {
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
    fn a_word_may_stand_for_none() {
        assert_eq!(or_word("off", "off", size), Ok(None));
        assert_eq!(or_word("1k", "off", size), Ok(Some(1024)));
        assert!(or_word("on", "off", size).expect_err("neither").ends_with(", or off"));
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
        assert_eq!(list(["a, b", "c"]), Ok(owned(&["a", "b", "c"])));
        assert_eq!(list([]), Ok(vec![]));
        for empty in [&["a,"][..], &["a,,b"], &[""], &["a", " "], &[","]] {
            assert!(list(empty.iter().copied()).is_err(), "{empty:?}");
        }
    }

    #[test]
    fn a_comma_inside_a_pattern_separates_nothing() {
        for pattern in [
            r"~https://app-[0-9]{1,3}\.example\.com",
            r"~https://(a|b{2,})\.example",
            r"~https://[\],]x\.example",
        ] {
            assert_eq!(list([pattern]), Ok(owned(&[pattern])));
        }
        assert_eq!(list(["[::1],[::2]"]), Ok(owned(&["[::1]", "[::2]"])));
        assert_eq!(list(["a],b"]), Ok(owned(&["a]", "b"])));
    }

    #[test]
    fn durations_carry_a_unit() {
        for (text, milliseconds) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("2d", 172_800_000),
            ("1m30s", 90_000),
            ("0", 0),
            ("0s", 0),
            ("365d", 31_536_000_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_an_example() {
        for text in
            ["", "s", "-1s", "+1s", "1.5s", "1 s", " 1s", "1s ", "10x", "1S", "٣s", "s1", "1m30", "1é"]
        {
            let fault = duration(text).expect_err(text);
            assert!(fault.contains("expected one such as 250ms, 30s"), "{text}: {fault}");
        }
        assert_eq!(
            duration("30").expect_err("no unit"),
            "\"30\" has no unit; write 30s if seconds are meant"
        );
        for text in ["366d", "365d1ms", "18446744073709551615d", "18446744073709551615ms"] {
            assert!(duration(text).expect_err(text).contains("at most 365d"), "{text}");
        }
    }

    #[test]
    fn a_wait_is_more_than_zero() {
        assert!(wait("0s").expect_err("zero").contains("more than zero"));
        assert_eq!(wait("1ms"), Ok(Duration::from_millis(1)));
    }

    #[test]
    fn sizes_are_bytes_or_powers_of_1024() {
        for (text, bytes) in
            [("0", 0), ("512", 512), ("16k", 16_384), ("16K", 16_384), ("10m", 10 << 20), ("1g", 1 << 30)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "k", "16kb", "16 k", "-1", "+1", "1.5k", "0x10", "1e3", "99999999999999999999"] {
            assert!(size(text).expect_err(text).contains("is no size"), "{text}");
        }
        assert!(size("18446744073709551615g").expect_err("overflow").contains("too large"));
    }

    #[test]
    fn rates_are_bytes_per_second() {
        for (text, bytes) in [("100/s", 100), ("1k/s", 1024), ("off", 0), ("0", 0), ("0/s", 0)] {
            assert_eq!(rate(text), Ok(bytes), "{text}");
        }
        for text in ["", "100", "100/m", "/s", "100/", "-1/s"] {
            assert!(rate(text).expect_err(text).contains("is no rate"), "{text}");
        }
    }

    #[test]
    fn what_is_out_of_range_hears_the_range() {
        assert_eq!(count("0", 1..=1024), Err("\"0\" is out of range; expected 1 to 1024".into()));
        assert_eq!(count("many", 1..=9), Err("\"many\" is out of range; expected 1 to 9".into()));
        assert_eq!(count("1024", 1..=1024), Ok(1024));
        assert_eq!(
            size_within("2m", 1 << 10..=1 << 20),
            Err("\"2m\" is out of range; expected 1k to 1m".into())
        );
        assert_eq!(size_within("0", 0..=10), Ok(0));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_readers_panic(text in ".{0,24}") {
            let _ = (duration(&text), size(&text), rate(&text), count(&text, 1..=5));
        }

        #[test]
        fn a_size_survives_being_written(bytes in 0..u64::MAX) {
            prop_assert_eq!(size(&typed(bytes)), Ok(bytes));
        }
    }
}
