//! `Accept`: which form of an answer a client wants (RFC 9110 §12.5.1).

use super::fields;

fn media_types(accept: &[u8]) -> impl Iterator<Item = &[u8]> {
    fields::list(accept).map(|item| fields::trim(item.split(|byte| *byte == b';').next().unwrap_or_default()))
}

/// Whether the client takes a page.
#[must_use]
pub fn accepts_html(accept: &[u8]) -> bool {
    media_types(accept).any(|media_type| media_type.eq_ignore_ascii_case(b"text/html"))
}

/// Whether JSON is what the client wants most: by weight, and of equals the one named first
/// (RFC 9110 §12.4.2, §12.5.1).
#[must_use]
pub fn prefers_json(accept: &[u8]) -> bool {
    let mut best = (0, false);
    for item in fields::list(accept) {
        let mut parts = item.split(|byte| *byte == b';').map(fields::trim);
        let media_type = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix(b"q=").or_else(|| part.strip_prefix(b"Q=")));
        let weight = weight.map_or(1000, thousandths);
        if weight > best.0 {
            let is_json = media_type.eq_ignore_ascii_case(b"application/json")
                || media_type.eq_ignore_ascii_case(b"application/problem+json");
            best = (weight, is_json);
        }
    }
    best.1
}

/// A weight such as `0.25` in thousandths; 0 for what is none.
fn thousandths(weight: &[u8]) -> u16 {
    match weight {
        [b'1', ..] => 1000,
        [b'0', b'.', digits @ ..] => [100, 10, 1]
            .into_iter()
            .zip(digits)
            .map(|(place, digit): (u16, _)| {
                place.saturating_mul(u16::from(digit.saturating_sub(b'0').min(9)))
            })
            .sum(),
        _ => 0,
    }
}
