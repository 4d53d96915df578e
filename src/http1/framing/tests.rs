//! The framing of a message against the list of RFC 9112 §6.3, written down slowly.
#![allow(clippy::arithmetic_side_effects, reason = "a panic fails the test")]

use proptest::prelude::*;

use super::*;
use crate::http1::sample;

fn request_head(version: &str, fields: &[(&str, &str)]) -> Result<Framing, Error> {
    request_framing(&head(&format!("POST / HTTP/{version}"), fields))
}

fn request_framing(head: &[u8]) -> Result<Framing, Error> {
    Framing::of_request(sample::request(head).request())
}

fn response_head(
    status_line: &str,
    fields: &[(&str, &str)],
    method: Method,
) -> Result<(Framing, Option<u64>), Error> {
    Framing::of_response(sample::response(head(status_line, fields)).response(), method)
}

/// A head in latin-1, so that every byte can be written.
fn head(line: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("{line}\r\n");
    for (name, value) in fields {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect()
}

/// The number of a plain `Content-Length`, with room to spare.
fn plain_length(value: &str) -> Option<u64> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| value.trim_start_matches('0'))?;
    if number.len() > 20 {
        return None;
    }
    format!("0{number}").parse::<u128>().ok().and_then(|number| u64::try_from(number).ok())
}

/// The one length of a list of lengths that are all spelled alike.
fn only_spelling<'v>(values: &[&'v str]) -> Option<&'v str> {
    let mut members: Vec<&str> = values
        .iter()
        .flat_map(|value| value.split(','))
        .map(|member| member.trim_matches([' ', '\t']))
        .collect();
    members.dedup();
    if let [one] = members[..] { Some(one) } else { None }
}

/// What the fields declare, by the rules 1 to 4 and 45: `Err` where the message must be refused.
fn declared_slowly(
    version: &str,
    fields: &[(&str, &str)],
    is_response: bool,
) -> Result<(bool, Option<u64>), ()> {
    let named = |name: &str| -> Vec<&str> {
        let same = |field: &&(&str, &str)| field.0.eq_ignore_ascii_case(name);
        fields.iter().filter(same).map(|field| field.1.trim_matches([' ', '\t'])).collect()
    };
    let (codings, lengths) = (named("Transfer-Encoding"), named("Content-Length"));
    let length = match lengths.as_slice() {
        [] => None,
        [one] if !is_response => Some(plain_length(one).ok_or(())?),
        several if is_response => Some(only_spelling(several).and_then(plain_length).ok_or(())?),
        _ => return Err(()),
    };
    match codings.as_slice() {
        [] => Ok((false, length)),
        [one] if one.eq_ignore_ascii_case("chunked") && version == "1.1" && length.is_none() => {
            Ok((true, None))
        }
        _ => Err(()),
    }
}

const LENGTHS: &[&str] = &[
    "0",
    "5",
    "00005",
    "10",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999",
    "184467440737095516160",
    "0000000000000000000000000000000000000000000007",
    "",
    "+5",
    "-1",
    "0x5",
    "5 5",
    "1_0",
    "5,5",
    "5, 5",
    "5,6",
    "5;",
    "5.0",
    "five",
    "\u{a0}5",
    "5\u{85}",
    "\u{b2}",
    "\u{ff15}",
];

const CODINGS: &[&str] = &[
    "chunked",
    "Chunked",
    "CHUNKED",
    " \tchunked \t",
    "",
    "identity",
    "gzip",
    "gzip, chunked",
    "chunked, gzip",
    "chunked, chunked",
    "chunked,",
    ",chunked",
    "chunked;q=1",
    "\"chunked\"",
    "chunked\u{a0}",
    "\u{a0}chunked",
    "chunke",
    "chunkedd",
    "x-chunked",
];

#[test]
fn a_length_is_plain_digits_up_to_the_largest_number() {
    for value in LENGTHS.iter().filter(|value| value.chars().all(|c| u32::from(c) < 256)) {
        let expected = plain_length(value).map(Framing::of_length);
        assert_eq!(request_head("1.1", &[("Content-Length", value)]).ok(), expected, "{value:?}");
        let framing = response_head("HTTP/1.1 200 OK", &[("Content-Length", value)], Method::Get);
        let length = only_spelling(&[value]).and_then(plain_length);
        let expected = length.map(|length| (Framing::of_length(length), Some(length)));
        assert_eq!(framing.ok(), expected, "{value:?}");
    }
    assert_eq!(plain_length("18446744073709551615"), Some(u64::MAX));
    assert_eq!(plain_length("18446744073709551616"), None);
}

#[test]
fn the_only_coding_is_one_chunked() {
    for value in CODINGS {
        let expected = value.trim_matches([' ', '\t']).eq_ignore_ascii_case("chunked");
        let framing = request_head("1.1", &[("Transfer-Encoding", value)]);
        let refused = match *value {
            "gzip, chunked" => Error::RequestCoding,
            _ => Error::RequestHead(CODING_NOT_CHUNKED),
        };
        assert_eq!(framing, if expected { Ok(Framing::Chunked) } else { Err(refused) }, "{value:?}");
        let framing = response_head("HTTP/1.1 200 OK", &[("Transfer-Encoding", value)], Method::Get);
        assert_eq!(framing.ok(), expected.then_some((Framing::Chunked, None)), "{value:?}");
    }
    for (first, second, status) in [
        ("chunked", "chunked", 400),
        ("gzip", "chunked", 501),
        ("gzip, br", "CHUNKED", 501),
        ("x-a", "x-b,chunked", 501),
        ("gzip, chunked", "chunked", 400),
        ("gzip, chunked", "br", 400),
        ("chunked", "gzip, chunked", 400),
        ("chunked", "gzip", 400),
        ("chunked", "", 400),
        ("", "chunked", 400),
        ("gzip,", "chunked", 400),
        ("gzip;q=1", "chunked", 400),
        ("\u{a0}gzip", "chunked", 400),
        ("gzip", "chunked;q=1", 400),
        ("identity", "chunked", 400),
        ("chunked", "identity", 400),
        ("identity", "identity", 400),
    ] {
        let fields = [("Transfer-Encoding", first), ("transfer-encoding", second)];
        let error = request_head("1.1", &fields).unwrap_err();
        assert_eq!((error.status(), error.closes()), (status, true), "{first:?}, {second:?}");
        assert_eq!(request_head("1.0", &fields).unwrap_err().status(), 400, "{first:?}, {second:?}");
        assert!(response_head("HTTP/1.1 200 OK", &fields, Method::Get).is_err());
    }
}

#[test]
fn a_length_beside_a_coding_is_refused_whatever_both_say() {
    for coding in CODINGS {
        for length in ["0", "5", "", "x"] {
            let orders = [
                [("Content-Length", length), ("Transfer-Encoding", *coding)],
                [("Transfer-Encoding", *coding), ("Content-Length", length)],
            ];
            for fields in orders {
                for version in ["1.0", "1.1"] {
                    let error = request_head(version, &fields).unwrap_err();
                    assert!(error.closes() && matches!(error.status(), 400 | 501), "{fields:?}: {error:?}");
                    let line = format!("HTTP/{version} 200 OK");
                    for method in [Method::Get, Method::Head] {
                        assert!(matches!(response_head(&line, &fields, method), Err(Error::ResponseHead(_))));
                    }
                }
            }
        }
    }
}

#[test]
fn a_coding_in_http_10_is_a_fault_that_closes() {
    let fields = [("Transfer-Encoding", "chunked")];
    assert_eq!(request_head("1.0", &fields), Err(Error::RequestHead(CODING_IN_10)));
    assert!(request_head("1.0", &fields).unwrap_err().closes());
    assert_eq!(
        response_head("HTTP/1.0 200 OK", &fields, Method::Get),
        Err(Error::ResponseHead(CODING_IN_10))
    );
}

#[test]
fn repeated_lengths_of_a_request_are_refused_and_those_of_a_response_are_one_if_they_agree() {
    for (first, second, length) in [
        ("5", "5", Some(5)),
        ("5,\t5", "5", Some(5)),
        ("05", "05", Some(5)),
        ("0", "0", Some(0)),
        ("5", "6", None),
        ("5", "5, 6", None),
        ("5, 6", "5", None),
        ("5", "05", None),
        ("5", "", None),
        ("", "5", None),
        ("", "", None),
        ("5,", "5", None),
        (",", ",", None),
        ("+5", "+5", None),
        ("18446744073709551616", "18446744073709551616", None),
    ] {
        let fields = [("Content-Length", first), ("CONTENT-LENGTH", second)];
        assert!(request_head("1.1", &fields).unwrap_err().closes(), "{fields:?}");
        let framing = response_head("HTTP/1.1 200 OK", &fields, Method::Get);
        let expected = length.map(|length| (Framing::of_length(length), Some(length)));
        assert_eq!(framing.ok(), expected, "{fields:?}");
    }
    let fields = [("Content-Length", "5"), ("Content-Length", "5"), ("Transfer-Encoding", "chunked")];
    assert!(response_head("HTTP/1.1 200 OK", &fields, Method::Get).is_err());
}

#[test]
fn the_method_changes_nothing_about_the_body_of_a_request() {
    for method in ["GET", "HEAD", "OPTIONS", "DELETE", "TRACE", "POST", "get", "X"] {
        let framing = |fields| request_framing(&head(&format!("{method} /x HTTP/1.1"), fields));
        assert_eq!(framing(&[]), Ok(Framing::None), "{method}");
        assert_eq!(framing(&[("Content-Length", "5")]), Ok(Framing::Length(5)), "{method}");
        assert_eq!(framing(&[("Content-Length", "0")]), Ok(Framing::None), "{method}");
        assert_eq!(framing(&[("Transfer-Encoding", "chunked")]), Ok(Framing::Chunked), "{method}");
    }
}

#[test]
fn a_response_without_declared_framing_lasts_until_the_end() {
    for version in ["1.0", "1.1"] {
        let framing = response_head(&format!("HTTP/{version} 200 OK"), &[], Method::Get);
        assert_eq!(framing, Ok((Framing::UntilClose, None)));
    }
}

#[test]
fn some_responses_have_no_body_whatever_their_fields_say() {
    let length: &[(&str, &str)] = &[("Content-Length", "5")];
    let chunked: &[(&str, &str)] = &[("Transfer-Encoding", "chunked")];
    let both: &[(&str, &str)] = &[("Content-Length", "5"), ("Transfer-Encoding", "chunked")];
    for status in [100, 101, 103, 199, 204] {
        for fields in [&[][..], length, chunked, both] {
            let framing = response_head(&format!("HTTP/1.1 {status} x"), fields, Method::Get);
            assert_eq!(framing, Ok((Framing::None, None)), "{status} {fields:?}");
        }
    }
    for (line, method) in [("HTTP/1.1 304 x", Method::Get), ("HTTP/1.1 200 OK", Method::Head)] {
        assert_eq!(response_head(line, &[], method), Ok((Framing::None, None)));
        assert_eq!(response_head(line, length, method), Ok((Framing::None, Some(5))));
        assert_eq!(response_head(line, &[("Content-Length", "0")], method), Ok((Framing::None, Some(0))));
        assert_eq!(response_head(line, chunked, method), Ok((Framing::None, None)));
        assert!(response_head(line, both, method).is_err());
    }
    for status in [200, 203, 205, 206, 301, 400, 404, 500, 599] {
        let framing = response_head(&format!("HTTP/1.1 {status} x"), length, Method::Post);
        assert_eq!(framing, Ok((Framing::Length(5), Some(5))), "{status}");
    }
}

fn field_lists() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let latin: Vec<&'static str> =
        LENGTHS.iter().copied().filter(|value| value.chars().all(|c| u32::from(c) < 256)).collect();
    let length =
        (prop::sample::select(&["Content-Length", "content-length"][..]), prop::sample::select(latin));
    let coding = (
        prop::sample::select(&["Transfer-Encoding", "TRANSFER-ENCODING"][..]),
        prop::sample::select(CODINGS),
    );
    // Likely values are drawn more often, so that messages that are right are among them.
    let field = prop_oneof![
        2 => length,
        2 => coding,
        2 => Just(("Content-Length", "5")),
        2 => Just(("Transfer-Encoding", "chunked")),
        2 => Just(("X-Length", "5")),
    ];
    prop::collection::vec(field, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_request_is_framed_as_the_slow_list_says(
        fields in field_lists(),
        version in prop::sample::select(&["1.0", "1.1"][..]),
    ) {
        let expected = declared_slowly(version, &fields, false).map(|(chunked, length)| match (chunked, length) {
            (true, _) => Framing::Chunked,
            (false, None | Some(0)) => Framing::None,
            (false, Some(length)) => Framing::Length(length),
        });
        let framing = request_head(version, &fields);
        prop_assert_eq!(framing.ok(), expected.ok());
        let has = |name: &str| fields.iter().any(|field| field.0.eq_ignore_ascii_case(name));
        if has("Content-Length") && has("Transfer-Encoding") {
            prop_assert!(framing.is_err());
        }
        if let Err(error) = framing {
            prop_assert!(error.closes() && matches!(error.status(), 400 | 501));
        }
    }

    #[test]
    fn a_response_is_framed_as_the_slow_list_says(
        fields in field_lists(),
        version in prop::sample::select(&["1.0", "1.1"][..]),
        status in prop::sample::select(&[100, 103, 200, 204, 206, 304, 404, 500][..]),
        method in prop::sample::select(&[Method::Get, Method::Head, Method::Post][..]),
    ) {
        let framing = response_head(&format!("HTTP/{version} {status} x"), &fields, method);
        let expected = if matches!(status, 100..=199 | 204) {
            Ok((Framing::None, None))
        } else {
            declared_slowly(version, &fields, true).map(|(chunked, length)| {
                let framing = match (chunked, length) {
                    _ if method == Method::Head || status == 304 => Framing::None,
                    (true, _) => Framing::Chunked,
                    (false, Some(0)) => Framing::None,
                    (false, Some(length)) => Framing::Length(length),
                    (false, None) => Framing::UntilClose,
                };
                (framing, length)
            })
        };
        prop_assert_eq!(framing.ok(), expected.ok());
    }
}
