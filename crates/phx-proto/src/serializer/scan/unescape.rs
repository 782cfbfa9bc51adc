//! The text of a JSON string without its escapes, in the pass that checks it.

use super::plain::{self, Bits};

/// A string that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unescaped {
    /// The position after the last quote.
    pub(super) end: usize,
    /// The length of its text.
    pub(super) len: usize,
    /// `false` if a half of a surrogate pair was in it, which is no text.
    pub(super) is_text: bool,
}

/// Writes the text of a string to the start of `out`. `at` is the position after the first quote. `out` must have the
/// length of what is left of the text, and a word more: escapes only shorten it.
///
/// The error is the position where the text isn't JSON.
#[cfg_attr(not(for_size), inline(always))]
pub(super) fn unescape(text: &[u8], at: usize, out: &mut [u8]) -> Result<Unescaped, usize> {
    let most = out.len();
    // What is left of both, rather than positions: a length is compared once for all that is done with a word.
    let mut rest = text.get(at..).unwrap_or_default();
    let mut out = out;
    let mut is_text = true;
    let position = |rest: &[u8]| text.len().wrapping_sub(rest.len());
    loop {
        // Eight bytes are copied at a time, whatever is of use of them: cheaper than runs of any length.
        let word = rest.first_chunk().copied().unwrap_or_else(|| last_word(rest));
        let copied = out.first_chunk_mut().ok_or_else(|| position(rest))?;
        *copied = word;
        let special = plain::special(word, &mut Bits::default());
        if special == 0 {
            (rest, out) = advance(rest, 8, out, 8);
            continue;
        }
        // The lowest bit is the highest of its byte.
        let bits = special.trailing_zeros() & !7;
        let plain = (bits / 8) as usize;
        match ((u64::from_le_bytes(word) >> bits) as u16).to_le_bytes() {
            // Most escapes of a message are this one. As the last byte of a word the backslash has a zero after it.
            [b'\\', b'"'] => {
                if let Some(byte) = copied.get_mut(plain) {
                    *byte = b'"';
                }
                (rest, out) = advance(rest, plain.wrapping_add(2), out, plain.wrapping_add(1));
            }
            [b'"', _] => {
                let len = most.wrapping_sub(out.len()).wrapping_add(plain);
                let end = position(rest).wrapping_add(plain).wrapping_add(1);
                return Ok(Unescaped { end, len, is_text });
            }
            _ => {
                (rest, out) = advance(rest, plain, out, plain);
                let at = position(rest);
                let (char, end) = escape(text, at)?;
                is_text &= char.is_some();
                // No longer than its escape.
                let char = char.unwrap_or(char::REPLACEMENT_CHARACTER);
                let place = out.first_chunk_mut::<4>().ok_or(at)?;
                let len = char.encode_utf8(place).len();
                (rest, out) = advance(rest, end.wrapping_sub(at), out, len);
            }
        }
    }
}

/// What is left after so many bytes of each.
#[cfg_attr(not(for_size), inline(always))]
fn advance<'a, 'b>(
    rest: &'a [u8],
    read: usize,
    out: &'b mut [u8],
    written: usize,
) -> (&'a [u8], &'b mut [u8]) {
    (rest.get(read..).unwrap_or_default(), out.get_mut(written..).unwrap_or_default())
}

/// A word of the last bytes, and of zeros, which no string holds.
#[cold]
fn last_word(rest: &[u8]) -> [u8; 8] {
    let mut word = [0; 8];
    word.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    word
}

/// The character of the escape that should be here, and the position after it. `None` for a half of a surrogate pair.
#[inline(never)]
fn escape(text: &[u8], at: usize) -> Result<(Option<char>, usize), usize> {
    if text.get(at) != Some(&b'\\') {
        return Err(at);
    }
    let (kind, end) = (at.wrapping_add(1), at.wrapping_add(2));
    let char = match text.get(kind) {
        Some(byte @ (b'"' | b'\\' | b'/')) => char::from(*byte),
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'u') => return unicode(text, end),
        _ => return Err(kind),
    };
    Ok((Some(char), end))
}

/// The character of the digits after `\u`, of two escapes if they are a surrogate pair, and the position after it. `None`
/// for a half of such a pair.
fn unicode(text: &[u8], at: usize) -> Result<(Option<char>, usize), usize> {
    let (first, end) = (hex(text, at)?, at.wrapping_add(4));
    if !(0xd800..0xdc00).contains(&first) {
        return Ok((char::from_u32(first), end));
    }
    let digits = end.wrapping_add(2);
    let second = match text.get(end..digits) {
        Some(b"\\u") => hex(text, digits)?,
        _ => return Ok((None, end)),
    };
    if !(0xdc00..0xe000).contains(&second) {
        return Ok((None, end));
    }
    let offset = ((first & 0x3ff) << 10) | (second & 0x3ff);
    Ok((char::from_u32(offset.wrapping_add(0x1_0000)), digits.wrapping_add(4)))
}

fn hex(text: &[u8], at: usize) -> Result<u32, usize> {
    (0..4).try_fold(0, |value, place| {
        let at = at.wrapping_add(place);
        let digit = text.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        Ok((value << 4) | digit.ok_or(at)?)
    })
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use proptest::prelude::*;

    use super::*;

    fn unescaped(json: &str) -> Option<String> {
        let mut out = [json.as_bytes(), &[0; 8]].concat();
        let Unescaped { end, len, is_text } = unescape(json.as_bytes(), 1, &mut out).unwrap();
        assert_eq!(end, json.len(), "{json}");
        let text = String::from_utf8(out[..len].to_vec()).unwrap();
        is_text.then_some(text)
    }

    #[test]
    fn every_escape_is_what_json_says() {
        for json in [
            r#""""#,
            r#""a""#,
            r#""\"\\\/\b\f\n\r\t""#,
            r#""\u0000\u0001\u00e9\u2028\uffff""#,
            r#""\ud83d\ude00\uD83D\uDE00""#,
            r#""eight by""#,
            r#""eight b\"""#,
            r#""\"eight by\"eight b\"""#,
        ] {
            assert_eq!(unescaped(json), serde_json::from_str(json).ok(), "{json}");
        }
    }

    #[test]
    fn halves_of_surrogate_pairs_are_no_text() {
        for json in [
            r#""\ud800""#,
            r#""\udc00 a""#,
            r#""\ud800\ud800""#,
            r#""\ud800\n""#,
            r#""a\ud800\u0041""#,
        ] {
            assert_eq!(unescaped(json), None, "{json}");
        }
    }

    #[test]
    fn what_is_no_string_is_an_error_at_its_place() {
        for (json, wrong) in [
            ("\"", 1),
            ("\"abc", 4),
            ("\"12345678", 9),
            ("\"a\\", 3),
            ("\"a\\x\"", 3),
            ("\"a\nb\"", 2),
            ("\"a\0b\"", 2),
            ("\"\\u12", 5),
            ("\"\\u12g4\"", 5),
            ("\"\\ud800\\u", 9),
            ("\"\\ud800\\uxx\"", 9),
        ] {
            let unescaped = unescape(json.as_bytes(), 1, &mut [json.as_bytes(), &[0; 8]].concat());
            assert_eq!(unescaped, Err(wrong), "{json}");
            assert!(serde_json::from_str::<String>(json).is_err(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in r#"(\PC|["\\/\n\t]|[a-z]{1,20}|[\x00-\x1f]){0,40}"#, escapes in any::<bool>()) {
            let json = if escapes {
                let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
                format!("\"{}\"", units.collect::<String>())
            } else {
                serde_json::to_string(&text).unwrap()
            };
            prop_assert_eq!(unescaped(&json), Some(text));
        }
    }
}
