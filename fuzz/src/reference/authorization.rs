//! What a request shows to be let in, looked for slowly: credentials of `Authorization`, tokens and signatures of targets.

/// The longest credentials.
const LONGEST: usize = 1024;

/// Why there are no credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Of nobody, or of another scheme.
    Missing,
    /// None that could be right.
    Wrong,
}

/// What stands in a target for this proxy alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// What is left of the target.
    pub left: Vec<u8>,
    /// The tokens, as they are written.
    pub tokens: Vec<Vec<u8>>,
    /// Key, time and signature.
    pub signature: Option<[Vec<u8>; 3]>,
}

/// What `Authorization` says behind the name of a scheme, where there is one such field.
fn of_scheme(values: &[Vec<u8>], scheme: &str) -> Result<Vec<u8>, Refusal> {
    let value = match values {
        [] => return Err(Refusal::Missing),
        [value] => value,
        _ => return Err(Refusal::Wrong),
    };
    let name: Vec<u8> = value.iter().copied().take_while(|byte| *byte != b' ').collect();
    if name.to_ascii_lowercase() != scheme.as_bytes() {
        return Err(Refusal::Missing);
    }
    let rest = value[name.len()..].iter().copied();
    Ok(rest.skip_while(u8::is_ascii_whitespace).collect())
}

/// The token of a request.
///
/// # Errors
/// Why there is none.
pub fn bearer(values: &[Vec<u8>]) -> Result<Vec<u8>, Refusal> {
    let token = of_scheme(values, "bearer")?;
    let is_fine =
        (1..=LONGEST).contains(&token.len()) && token.iter().all(|byte| (0x21..=0x7e).contains(byte));
    if is_fine { Ok(token) } else { Err(Refusal::Wrong) }
}

/// User and password of a request.
///
/// # Errors
/// Why there are none.
pub fn basic(values: &[Vec<u8>]) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
    let decoded = decoded(&of_scheme(values, "basic")?, b"+/", true).ok_or(Refusal::Wrong)?;
    if decoded.len() > LONGEST || decoded.iter().any(|byte| *byte < 0x20 || *byte == 0x7f) {
        return Err(Refusal::Wrong);
    }
    let colon = decoded.iter().position(|byte| *byte == b':').ok_or(Refusal::Wrong)?;
    Ok((decoded[..colon].to_vec(), decoded[colon + 1..].to_vec()))
}

/// Base64 with these last two digits, padded or not, where it may be.
#[must_use]
pub fn decoded(text: &[u8], last: &[u8; 2], may_be_padded: bool) -> Option<Vec<u8>> {
    let mut digits: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').collect();
    digits.extend(last);
    let kept = text.len() - text.iter().rev().take_while(|byte| **byte == b'=').count();
    let padding = text.len() - kept;
    let mut bits = Vec::new();
    for byte in &text[..kept] {
        let digit = digits.iter().position(|digit| digit == byte)?;
        bits.extend((0..6).rev().map(|bit| digit >> bit & 1 == 1));
    }
    let whole = bits.len() / 8 * 8;
    let is_rest_silent = bits.len() - whole < 6 && !bits[whole..].contains(&true);
    let is_padding_right = if may_be_padded { padding <= (4 - kept % 4) % 4 } else { padding == 0 };
    let byte = |bits: &[bool]| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    (is_rest_silent && is_padding_right).then(|| bits[..whole].chunks(8).map(byte).collect())
}

/// What of a target is for this proxy alone, where it looks for tokens, and for signatures.
#[must_use]
pub fn taken(target: &[u8], tokens: bool, signatures: bool) -> Taken {
    let mut taken = Taken { left: target.to_vec(), ..Taken::default() };
    if tokens {
        taken = without_tokens(target);
    }
    if signatures && let Some((left, signature)) = signature(&taken.left) {
        taken.signature = Some(signature);
        taken.left = left;
    }
    taken
}

/// The query in pieces, each with the `?` or `&` before it; a token ends at a `&` alone.
fn without_tokens(target: &[u8]) -> Taken {
    let path = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
    let mut taken = Taken { left: target[..path].to_vec(), ..Taken::default() };
    let mut rest = &target[path..];
    let mut begins_query = false;
    while let [separator, behind @ ..] = rest {
        let token = behind.strip_prefix(b"corsair-token=");
        let ends = |byte: &u8| *byte == b'&' || token.is_none() && *byte == b'?';
        let end = behind.iter().position(ends).unwrap_or(behind.len());
        let separator = if begins_query { b'?' } else { *separator };
        match token {
            Some(_) => {
                taken.tokens.push(behind[b"corsair-token=".len()..end].to_vec());
                begins_query = separator == b'?';
            }
            None => {
                taken.left.push(separator);
                taken.left.extend_from_slice(&behind[..end]);
                begins_query = false;
            }
        }
        rest = &behind[end..];
    }
    taken
}

/// The last three parameters, and what stands before them.
fn signature(target: &[u8]) -> Option<(Vec<u8>, [Vec<u8>; 3])> {
    let text = str::from_utf8(target).ok()?;
    let at = text.rfind("corsair-key=")?;
    let (before, parameters) = text.split_at(at);
    let separator = if before[..before.len().checked_sub(1)?].contains('?') { '&' } else { '?' };
    let before = before.strip_suffix(separator)?;
    let parameters: Vec<(&str, &str)> =
        parameters.split('&').map(|one| one.split_once('=').unwrap_or((one, ""))).collect();
    let [("corsair-key", key), ("corsair-expires", expires), ("corsair-signature", mac)] = *parameters else {
        return None;
    };
    let is_of = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
    let is_one = (1..=64).contains(&key.len())
        && is_of(key, "-_.")
        && (1..=20).contains(&expires.len())
        && expires.chars().all(|c| c.is_ascii_digit())
        && mac.len() == 43
        && is_of(mac, "-_");
    is_one.then(|| (before.into(), [key.into(), expires.into(), mac.into()]))
}

/// A parameter of a query without its percent-encoding.
#[must_use]
pub fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match (byte, digit(text.get(at + 1)), digit(text.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).expect("two digits"));
                at += 3;
            }
            _ => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    decoded
}

/// HMAC-SHA256 (RFC 2104).
#[must_use]
pub fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = if key.len() > 64 { sha256(key).to_vec() } else { key.to_vec() };
    block.resize(64, 0);
    let with = |pad: u8, rest: &[u8]| {
        sha256(&block.iter().map(|byte| byte ^ pad).chain(rest.iter().copied()).collect::<Vec<u8>>())
    };
    with(0x5c, &with(0x36, message))
}

/// SHA-256, whose constants are computed as FIPS 180-4 says what they are: roots of the first primes.
fn sha256(message: &[u8]) -> [u8; 32] {
    let is_prime = |number: &u32| (2..*number).all(|divisor| number % divisor != 0);
    let primes: Vec<u32> = (2..).filter(is_prime).take(64).collect();
    let fraction = |root: f64| (root.fract() * 4_294_967_296.0) as u32;
    let constants: Vec<u32> = primes.iter().map(|prime| fraction(f64::from(*prime).cbrt())).collect();
    let mut state: Vec<u32> = primes.iter().take(8).map(|prime| fraction(f64::from(*prime).sqrt())).collect();
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend((message.len() as u64 * 8).to_be_bytes());
    for block in padded.chunks(64) {
        let mut words: Vec<u32> =
            block.chunks(4).map(|word| u32::from_be_bytes(word.try_into().expect("four bytes"))).collect();
        for at in 16..64 {
            let (early, late) = (words[at - 15], words[at - 2]);
            let early = early.rotate_right(7) ^ early.rotate_right(18) ^ early >> 3;
            let late = late.rotate_right(17) ^ late.rotate_right(19) ^ late >> 10;
            words.push(words[at - 16].wrapping_add(early).wrapping_add(words[at - 7]).wrapping_add(late));
        }
        let mut turn = state.clone();
        for (constant, word) in constants.iter().zip(&words) {
            let [a, b, c, _, e, f, g, h] = *turn else { unreachable!("eight words") };
            let mixed = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let first = h
                .wrapping_add(mixed)
                .wrapping_add(e & f ^ !e & g)
                .wrapping_add(*constant)
                .wrapping_add(*word);
            let second = (a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22))
                .wrapping_add(a & b ^ a & c ^ b & c);
            turn.rotate_right(1);
            turn[0] = first.wrapping_add(second);
            turn[4] = turn[4].wrapping_add(first);
        }
        state.iter_mut().zip(turn).for_each(|(word, turned)| *word = word.wrapping_add(turned));
    }
    let bytes: Vec<u8> = state.iter().flat_map(|word| word.to_be_bytes()).collect();
    bytes.try_into().expect("32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn a_digest_is_that_of_the_standards() {
        // FIPS 180-4, its first example; RFC 4231, test case 2.
        assert_eq!(hex(&sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex(&hmac(b"Jefe", b"what do ya want for nothing?")), expected);
    }
}
