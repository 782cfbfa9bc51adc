//! Finds JSON that is valid by the grammar, but that a Phoenix server refuses.

use core::cmp::Ordering;

/// The first thing in `json` that makes Phoenix close the connection with 1011.
///
/// Expects valid JSON. On anything else it ends, with some answer.
pub(super) fn refused_by_servers(json: &[u8]) -> Option<&'static str> {
    let mut rest = json;
    while let Some((first, tail)) = rest.split_first() {
        rest = match first {
            b'"' => match after_string(tail) {
                Ok(after) => after,
                Err(LoneSurrogate) => return Some("half of a surrogate pair in a string"),
            },
            b'-' | b'0'..=b'9' => match after_number(rest) {
                Ok(after) => after,
                Err(OutOfRange) => return Some("a number out of range"),
            },
            _ => tail,
        };
    }
    None
}

struct LoneSurrogate;

struct OutOfRange;

/// Returns the text after a string whose opening quote has been read.
fn after_string(text: &[u8]) -> Result<&[u8], LoneSurrogate> {
    let mut rest = text;
    loop {
        let Some(stop) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) else {
            return Ok(&[]);
        };
        rest = rest.get(stop..).unwrap_or_default();
        rest = match rest {
            [b'\\', b'u', ..] => match (code_unit(rest), rest.get(6..).and_then(code_unit)) {
                (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => rest.get(12..),
                (Some(0xD800..=0xDFFF), _) => return Err(LoneSurrogate),
                _ => rest.get(6..),
            },
            [b'\\', ..] => rest.get(2..),
            _ => return Ok(rest.get(1..).unwrap_or_default()),
        }
        .unwrap_or_default();
    }
}

/// The code unit of an escape such as `\u00e9` that `text` starts with.
fn code_unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(br"\u")?.get(..4)?;
    u16::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()
}

/// Returns the text after the number that `text` starts with. Integers have no limit on the server;
/// a number with a fraction or an exponent must fit a double there.
fn after_number(text: &[u8]) -> Result<&[u8], OutOfRange> {
    let end = text
        .iter()
        .position(|byte| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
        .unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(end).unwrap_or((text, &[]));
    let is_float = number.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
    if is_float && is_out_of_range(number) { Err(OutOfRange) } else { Ok(rest) }
}

/// Returns true if a number is no double, but rounds to infinity.
// By its digits: the reader of doubles takes 12 KiB of a microcontroller's flash, and nothing else of the core needs it.
fn is_out_of_range(number: &[u8]) -> bool {
    let number = number.strip_prefix(b"-").unwrap_or(number);
    let end = number.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(number.len());
    let (mantissa, exponent) = number.split_at_checked(end).unwrap_or_default();
    let point = mantissa.iter().position(|byte| *byte == b'.').unwrap_or(mantissa.len());
    let digits = || mantissa.iter().filter(|byte| **byte != b'.');
    let Some(zeros) = digits().position(|digit| *digit != b'0') else { return false };
    // A slice is never too long for these.
    let [point, before] = [point, zeros].map(|len| i64::try_from(len).unwrap_or(i64::MAX));
    // Of the first digit that isn't zero.
    let power = point.saturating_sub(before).saturating_sub(1);
    let power = power.saturating_add(power_of_ten(exponent));
    match power.cmp(&LARGEST_POWER) {
        Ordering::Less => false,
        Ordering::Greater => true,
        // Missing digits are zeros, and so smaller.
        Ordering::Equal => digits().skip(zeros).ge(TOO_LARGE.iter()),
    }
}

/// The exponent in `e+12`; zero without one. One that is too large for an integer is the largest, or the smallest.
fn power_of_ten(exponent: &[u8]) -> i64 {
    let (is_negative, digits) = match exponent {
        [_, b'-', digits @ ..] => (true, digits),
        [_, b'+', digits @ ..] | [_, digits @ ..] => (false, digits),
        [] => return 0,
    };
    let power = digits.iter().fold(0_i64, |power, digit| {
        power.saturating_mul(10).saturating_add(i64::from(digit.saturating_sub(b'0')))
    });
    if is_negative { power.saturating_neg() } else { power }
}

/// The power of ten of the largest double.
const LARGEST_POWER: i64 = 308;

/// The smallest integer that rounds to infinity, 2^1024 - 2^970: in the middle between the largest double and the next power of two,
/// to which it is rounded.
const TOO_LARGE: &[u8; 309] = b"1797693134862315807937289714053034150799341327100378269361737789804449682927647509466490179775872070\
    9633028641669288791094655554785194040263065748867150582068190890200070838367627385484581771153176447\
    5730270069855571366959622842914819860834936475292719074168444365510704342711559699508093042880177904\
    174497792";

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned as _;
    use alloc::format;

    use super::*;

    #[test]
    fn takes_what_servers_take() {
        for json in [
            r#""""#,
            r#""\ud83d\ude00""#,
            r#""\\ud800""#,
            r#""\"\\""#,
            r#"{"a":[1,-2.5e3,1e308,1e-999,"1e999"],"b":"x"}"#,
            "123456789012345678901234567890",
        ] {
            assert_eq!(refused_by_servers(json.as_bytes()), None, "{json}");
        }
        let long_integer = [b'9'; 400];
        assert_eq!(refused_by_servers(&long_integer), None);
    }

    #[test]
    fn finds_halves_of_surrogate_pairs_wherever_they_are() {
        for json in [
            r#""\ud800""#,
            r#""\uDFFF""#,
            r#""\ude00\ud83d""#,
            r#""\ud83d\ud83d\ude00""#,
            r#""\ud83dx""#,
            r#""\ud83d\n""#,
            r#"{"a\ud800":1}"#,
            r#"["\\","\ud800"]"#,
        ] {
            let found = refused_by_servers(json.as_bytes());
            assert_eq!(found, Some("half of a surrogate pair in a string"), "{json}");
        }
    }

    #[test]
    fn finds_numbers_that_are_no_doubles() {
        for json in ["1e999", "-1e999", "[1.5e309]", r#"{"a":2E400}"#, "1.0e+999"] {
            let found = refused_by_servers(json.as_bytes());
            assert_eq!(found, Some("a number out of range"), "{json}");
        }
    }

    /// Rust reads a number out of range as infinite.
    fn is_infinite(number: &str) -> bool {
        number.parse::<f64>().unwrap().is_infinite()
    }

    #[test]
    fn the_largest_double_is_the_last_one_in_range() {
        let too_large = core::str::from_utf8(TOO_LARGE).unwrap();
        let below = format!("{}1", too_large.strip_suffix('2').unwrap());
        let numbers = [
            format!("{too_large}.0"),
            format!("{below}.9"),
            format!("{too_large}e0"),
            format!("0.000{too_large}e3"),
            format!("{below}e0"),
            "1.7976931348623157e308".to_owned(),
            "1.7976931348623158e308".to_owned(),
            "1.7976931348623159e308".to_owned(),
            "179769313486231.59E294".to_owned(),
            "0.0017976931348623159e+311".to_owned(),
            "-0.0017976931348623158e311".to_owned(),
            "1e308".to_owned(),
            "10e308".to_owned(),
            "0.0e999".to_owned(),
            "0e99999999999999999999".to_owned(),
            "1e99999999999999999999".to_owned(),
            "1e-99999999999999999999".to_owned(),
            format!("0.{}1e400", "0".repeat(100)),
            format!("0.{}1e401", "0".repeat(92)),
            format!("1{}e-100", "0".repeat(409)),
            format!("1{}e-100", "0".repeat(408)),
        ];
        for number in numbers {
            assert_eq!(is_out_of_range(number.as_bytes()), is_infinite(&number), "{number}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_number_is_out_of_range_if_it_would_be_infinite(
            number in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?[eE](2[6-9][0-9]|3[0-3][0-9]|[+-]?[0-9]{1,3})",
            near in "17976931348623158?[0-9]{0,4}\\.[0-9]{1,3}e2(8[5-9]|9[0-9])",
        ) {
            for number in [number, near] {
                proptest::prop_assert_eq!(is_out_of_range(number.as_bytes()), is_infinite(&number));
            }
        }
    }

    #[test]
    fn ends_on_what_is_not_json() {
        for text in ["\"", "\"\\", "\"\\u", "\"\\u12", "\"\\ud800\\u", "-", "--1e.e", "\"abc"] {
            let _ = refused_by_servers(text.as_bytes());
        }
    }
}
