//! One pass over JSON text that finds where values start and end, and builds nothing.
//!
//! It accepts exactly what `serde_json` accepts when it ignores a value (a test compares them).
//! `serde_json`'s own raw values would do, but they allocate for every value nested in another, which
//! every presence message has; here the nesting is kept in a machine word up to 64 levels deep.

use alloc::vec::Vec;

use super::{DecodeErrorKind, Field};

/// A position in JSON text. Every method that fails leaves it where the text went wrong.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    rest: &'a [u8],
    /// The part of the message that is being read, for errors.
    pub(super) field: Option<Field>,
}

/// The text isn't JSON where the scanner stands.
#[derive(Debug)]
struct NotJson;

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Scanner { text, rest: text.as_bytes(), field: None }
    }

    /// Whether all of the text has been read.
    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// The error that the text isn't JSON here.
    #[cold]
    pub(super) fn malformed(&self) -> DecodeErrorKind {
        let before = self.text.as_bytes().get(..self.offset()).unwrap_or_default();
        let newlines = before.iter().filter(|byte| **byte == b'\n').count();
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count();
        DecodeErrorKind::Json { line: newlines.saturating_add(1), column: column.saturating_add(1) }
    }

    /// Skips white space and looks at the next byte.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.rest {
                [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] => self.rest = rest,
                [next, ..] => return Some(*next),
                [] => return None,
            }
        }
    }

    /// Skips white space, and the next byte if it is this one.
    #[inline]
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        self.peek();
        self.skip_if(|next| next == byte)
    }

    /// Skips white space and this byte.
    #[inline]
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), DecodeErrorKind> {
        if self.eat(byte) { Ok(()) } else { Err(self.malformed()) }
    }

    /// Expects nothing but white space until the end.
    pub(super) fn end(&mut self) -> Result<(), DecodeErrorKind> {
        if self.peek().is_none() { Ok(()) } else { Err(self.malformed()) }
    }

    /// A key of an object with its quotes, and the colon after it.
    pub(super) fn key(&mut self) -> Result<&'a str, DecodeErrorKind> {
        self.scan_key().map_err(|NotJson| self.malformed())
    }

    /// One value of any type, as it is written: without white space around it.
    pub(super) fn value(&mut self) -> Result<&'a str, DecodeErrorKind> {
        let first = self.peek();
        let start = self.offset();
        let scanned = if first == Some(b'"') { self.string() } else { self.scan_value() };
        match scanned {
            Ok(()) => Ok(self.since(start)),
            Err(NotJson) => Err(self.malformed()),
        }
    }

    fn scan_key(&mut self) -> Result<&'a str, NotJson> {
        self.peek();
        let start = self.offset();
        self.string()?;
        let key = self.since(start);
        if self.eat(b':') { Ok(key) } else { Err(NotJson) }
    }

    fn scan_value(&mut self) -> Result<(), NotJson> {
        let mut nesting = Nesting::default();
        loop {
            match self.peek() {
                Some(b'[') => {
                    self.skip(1);
                    if !self.eat(b']') {
                        nesting.push(Enclosing::Array);
                        continue;
                    }
                }
                Some(b'{') => {
                    self.skip(1);
                    if !self.eat(b'}') {
                        nesting.push(Enclosing::Object);
                        self.scan_key()?;
                        continue;
                    }
                }
                Some(b'"') => self.string()?,
                Some(b't') => self.word("true")?,
                Some(b'f') => self.word("false")?,
                Some(b'n') => self.word("null")?,
                _ => self.number()?,
            }
            // A value has ended here: what encloses it goes on, or ends with it.
            loop {
                let Some(enclosing) = nesting.innermost() else {
                    return Ok(());
                };
                match (enclosing, self.peek()) {
                    (Enclosing::Array, Some(b',')) => {
                        self.skip(1);
                        break;
                    }
                    (Enclosing::Object, Some(b',')) => {
                        self.skip(1);
                        self.scan_key()?;
                        break;
                    }
                    (Enclosing::Array, Some(b']')) | (Enclosing::Object, Some(b'}')) => {
                        self.skip(1);
                        nesting.pop();
                    }
                    _ => return Err(NotJson),
                }
            }
        }
    }

    fn string(&mut self) -> Result<(), NotJson> {
        self.byte(|byte| byte == b'"')?;
        loop {
            self.skip(plain_len(self.rest));
            match self.rest {
                [b'"', rest @ ..] => {
                    self.rest = rest;
                    return Ok(());
                }
                [b'\\', ..] => self.escape()?,
                _ => return Err(NotJson),
            }
        }
    }

    fn escape(&mut self) -> Result<(), NotJson> {
        self.skip(1);
        if self.skip_if(|byte| byte == b'u') {
            for _ in 0..4 {
                self.byte(|byte| byte.is_ascii_hexdigit())?;
            }
            Ok(())
        } else {
            self.byte(|byte| matches!(byte, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't'))
        }
    }

    fn number(&mut self) -> Result<(), NotJson> {
        self.skip_if(|byte| byte == b'-');
        if !self.skip_if(|byte| byte == b'0') {
            self.digits()?;
        }
        if self.skip_if(|byte| byte == b'.') {
            self.digits()?;
        }
        if self.skip_if(|byte| matches!(byte, b'e' | b'E')) {
            self.skip_if(|byte| matches!(byte, b'+' | b'-'));
            self.digits()?;
        }
        // A second digit after a leading zero.
        if self.rest.first().is_some_and(u8::is_ascii_digit) {
            return Err(NotJson);
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), NotJson> {
        self.byte(|byte| byte.is_ascii_digit())?;
        while self.skip_if(|byte| byte.is_ascii_digit()) {}
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), NotJson> {
        if let Some(rest) = self.rest.strip_prefix(word.as_bytes()) {
            self.rest = rest;
            return Ok(());
        }
        // It goes wrong somewhere in here.
        word.bytes().try_for_each(|expected| self.byte(|byte| byte == expected))
    }

    #[inline]
    fn byte(&mut self, allowed: impl Fn(u8) -> bool) -> Result<(), NotJson> {
        if self.skip_if(allowed) { Ok(()) } else { Err(NotJson) }
    }

    /// Skips the next byte if it is a wanted one.
    #[inline]
    fn skip_if(&mut self, wanted: impl Fn(u8) -> bool) -> bool {
        match self.rest {
            [next, rest @ ..] if wanted(*next) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    #[inline]
    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    #[inline]
    fn offset(&self) -> usize {
        self.text.len().saturating_sub(self.rest.len())
    }

    /// The text from `start` to here. Both are beside ASCII bytes, so never inside a character.
    #[inline]
    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.offset()).unwrap_or_default()
    }
}

/// How many bytes at the beginning of `text` mean themselves in a JSON string. Words first, since most
/// strings are short; then blocks, which compilers turn into vectors.
#[inline]
fn plain_len(text: &[u8]) -> usize {
    let mut rest = text;
    let mut words = 0_u32;
    loop {
        while words >= WORDS
            && let Some((block, after)) = rest.split_first_chunk::<32>()
            && block.iter().fold(0, |any, byte| any | is_special(*byte)) == 0
        {
            rest = after;
        }
        let Some((word, after)) = rest.split_first_chunk::<8>() else {
            break;
        };
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            let before = text.len().saturating_sub(rest.len());
            return before.saturating_add((special.trailing_zeros() / 8) as usize);
        }
        rest = after;
        words = words.saturating_add(1);
    }
    let before = text.len().saturating_sub(rest.len());
    let special = rest.iter().position(|byte| is_special(*byte) != 0);
    before.saturating_add(special.unwrap_or(rest.len()))
}

/// Words that are looked at before blocks are tried.
const WORDS: u32 = 4;

/// 1 for a byte that ends a string, begins an escape, or is none of a string's. Without branches, for
/// the sake of vectors.
fn is_special(byte: u8) -> u8 {
    u8::from(byte < 0x20) | u8::from(byte == b'"') | u8::from(byte == b'\\')
}

/// A word whose lowest set bit is in the first special byte of `word`, which is 0 if there is none.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGHS: u64 = u64::from_le_bytes([0x80; 8]);
    // A byte that borrows, though its high bit was clear, was less than what was taken from it. Bytes
    // above the first such one may be wrong.
    let less = |word: u64, limit: u64| word.wrapping_sub(ONES.wrapping_mul(limit)) & !word & HIGHS;
    let equal = |byte: u8| less(word ^ ONES.wrapping_mul(u64::from(byte)), 1);
    less(word, 0x20) | equal(b'"') | equal(b'\\')
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Enclosing {
    Array,
    Object,
}

/// The arrays and objects around a value, one bit each, outermost first.
#[derive(Debug, Default)]
struct Nesting {
    depth: usize,
    /// The innermost 64, or what there is of them; a set bit is an object.
    innermost: u64,
    /// Those further out, in full words. Allocates only beyond 64 levels.
    outer: Vec<u64>,
}

impl Nesting {
    fn innermost(&self) -> Option<Enclosing> {
        let enclosing = if self.innermost & 1 == 1 { Enclosing::Object } else { Enclosing::Array };
        (self.depth > 0).then_some(enclosing)
    }

    fn push(&mut self, enclosing: Enclosing) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.innermost);
        }
        self.innermost = self.innermost << 1 | u64::from(enclosing == Enclosing::Object);
        self.depth = self.depth.saturating_add(1);
    }

    fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.innermost >>= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.innermost = self.outer.pop().unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    fn scanned(text: &str) -> Option<&str> {
        let mut scanner = Scanner::new(text);
        let value = scanner.value().ok()?;
        scanner.end().ok()?;
        Some(value)
    }

    fn by_serde(text: &str) -> Option<&str> {
        serde_json::from_str::<&RawValue>(text).ok().map(RawValue::get)
    }

    #[test]
    fn agrees_with_serde_json_on_chosen_texts() {
        let texts = [
            "",
            " ",
            "null",
            "nul",
            "nulll",
            " true ",
            "false",
            "truefalse",
            "0",
            "-0",
            "00",
            "01",
            "-",
            "-a",
            "1.",
            "1.5",
            ".5",
            "1e",
            "1e+",
            "1e+5",
            "1E-05",
            "1.5e3",
            "1e999",
            "+1",
            "0x1",
            "\"",
            "\"\"",
            "\"a",
            "\"\\\"",
            "\"\\u12\"",
            "\"\\u12aF\"",
            "\"\\ud800\"",
            "\"\\x\"",
            "\"\t\"",
            "\"\u{1f}\"",
            "\" \"",
            "\"\u{7f}\u{e9}\u{1f600}\"",
            "[]",
            "[ ]",
            "[1]",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1}",
            "{}",
            "{ }",
            "{\"a\":1}",
            "{\"a\":1,}",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "{1:1}",
            "{\"a\":1]",
            "{,}",
            "{\"a\":[{\"b\":{}},[]]}",
            " {\"a\" : [ 1 , 2 ] } ",
            "[][]",
            "{\"\\u0061\":1}",
            "]",
            "}",
            ",",
            ":",
            "\u{feff}1",
            "1\u{a0}",
            "[[[[",
            "NaN",
            "Infinity",
        ];
        for text in texts {
            assert_eq!(scanned(text), by_serde(text), "{text:?}");
        }
    }

    #[test]
    fn the_first_special_byte_is_found_at_any_place() {
        let by_byte = |text: &[u8]| text.iter().position(|byte| is_special(*byte) != 0);
        for len in 0..100 {
            for special in [b'"', b'\\', 0, 0x1f, b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xff] {
                for at in 0..len {
                    let mut text = alloc::vec![0xa2; len];
                    text[at] = special;
                    let expected = by_byte(&text).unwrap_or(len);
                    assert_eq!(plain_len(&text), expected, "{special:#x} at {at} of {len}");
                    text[len - 1] = b'"';
                    let expected = by_byte(&text).unwrap_or(len);
                    assert_eq!(plain_len(&text), expected, "{special:#x} at {at} of {len}, quote");
                }
            }
        }
    }

    #[test]
    fn nesting_is_remembered_past_a_word() {
        for depth in [1, 63, 64, 65, 127, 128, 129, 1000] {
            let open: String =
                (0..depth).map(|i| if i % 3 == 0 { "{\"a\":" } else { "[" }).collect();
            let close: String =
                (0..depth).rev().map(|i| if i % 3 == 0 { "}" } else { "]" }).collect();
            let text = alloc::format!("{open}1{close}");
            assert_eq!(scanned(&text), Some(&*text), "{depth} levels");

            let mut wrong = text.clone();
            let last = if wrong.pop() == Some('}') { ']' } else { '}' };
            wrong.push(last);
            assert_eq!(scanned(&wrong), None, "{depth} levels, the outermost closed wrongly");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json_on_any_text_of_json_bytes(
            text in r#"([\[\]{},: \n0-9eE+\-.truefalsn\\/b]|"|\\"|\\u[0-9a-f]{3,4}|"[a-z]"|:|\{"a":|é|\PC){0,24}"#
        ) {
            prop_assert_eq!(scanned(&text), by_serde(&text));
        }

        #[test]
        fn agrees_with_serde_json_on_near_misses(depth in 0_usize..4, edit in any::<u8>(), at in any::<prop::sample::Index>()) {
            let text = alloc::format!("{}[1,-2.5e3,{{\"k\\n\":\"v\"}},null]{}", "[".repeat(depth), "]".repeat(depth));
            let mut bytes = text.into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = edit & 0x7f;
            let text = String::from_utf8(bytes).unwrap();
            prop_assert_eq!(scanned(&text), by_serde(&text));
        }
    }
}
