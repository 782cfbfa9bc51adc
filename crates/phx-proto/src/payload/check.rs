//! Finds JSON that is valid by the grammar, but that a Phoenix server refuses.

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
    let value = core::str::from_utf8(number).ok().and_then(|number| number.parse::<f64>().ok());
    // Rust reads a number out of range as infinite.
    if is_float && value.is_some_and(f64::is_infinite) { Err(OutOfRange) } else { Ok(rest) }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn ends_on_what_is_not_json() {
        for text in ["\"", "\"\\", "\"\\u", "\"\\u12", "\"\\ud800\\u", "-", "--1e.e", "\"abc"] {
            let _ = refused_by_servers(text.as_bytes());
        }
    }
}
