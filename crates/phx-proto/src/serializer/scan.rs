//! One pass over JSON text that finds where values start and end, and builds nothing. It takes bytes: whether
//! they are UTF-8 is asked afterwards, and only if not all of them are ASCII.
//!
//! It accepts exactly what `serde_json` accepts when it ignores a value (a test compares them).
//! `serde_json`'s own raw values would do, but they allocate for every value nested in another, which
//! every presence message has; here the nesting is kept in a machine word up to 63 levels deep.

use alloc::borrow::Cow;
use alloc::vec;
use alloc::vec::Vec;

use bytes::{Buf as _, Bytes};

use super::{DecodeCause, Field};
use crate::decimal;

mod grammar;
mod nesting;
mod plain;
mod unescape;

use plain::Bits;
pub(super) use plain::is_plain;

/// A position in JSON text. Every method that fails leaves it where the text went wrong.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a [u8],
    offset: usize,
    /// Lent as a copy: a scanner whose parts are lent isn't kept in registers.
    bits: Bits,
    /// The part of the message that is being read, for errors.
    pub(crate) field: Option<Field>,
}

/// A part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    start: usize,
    end: usize,
}

impl Span {
    /// This part of the text that was scanned.
    #[inline]
    pub(crate) fn of(self, text: &[u8]) -> &[u8] {
        // Never out of range for the text that was scanned; for another it must not panic.
        text.get(self.start..self.end).unwrap_or_default()
    }

    /// This part of the text that was scanned.
    pub(crate) fn of_str(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or_default()
    }

    /// This part of the frame that was scanned, sharing its memory.
    #[inline]
    pub(crate) fn shared(self, frame: &Bytes) -> Bytes {
        frame.slice(self.start..self.end)
    }

    /// Scans this part of a text once more.
    pub(crate) fn scanner(self, text: &[u8]) -> Scanner<'_> {
        Scanner { offset: self.start, ..Scanner::new(text.get(..self.end).unwrap_or_default()) }
    }

    /// Cuts the frame that was scanned down to this part.
    #[inline]
    pub(crate) fn cut(self, mut frame: Bytes) -> Bytes {
        // The end first, since `advance` shifts the offsets.
        frame.truncate(self.end);
        frame.advance(self.start);
        frame
    }
}

/// One value, as far as it was looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Element {
    /// `null`
    Null,
    /// The text between the quotes of a string without escapes.
    Plain(Span),
    /// Anything else, as it is written: perhaps a string with escapes.
    Other(Span),
}

impl Element {
    /// The text of a string, copied only if it has escapes. `None` if it isn't a string, or if its
    /// escapes are halves of surrogate pairs, which are no text.
    #[inline]
    pub(crate) fn text(self, text: &[u8]) -> Option<Cow<'_, [u8]>> {
        match self {
            Element::Null => None,
            Element::Plain(span) => Some(Cow::Borrowed(span.of(text))),
            Element::Other(span) => unescape(span.of(text)).map(Cow::Owned),
        }
    }
}

#[cold]
fn unescape(element: &[u8]) -> Option<Vec<u8>> {
    if element.first() != Some(&b'"') {
        return None;
    }
    let mut text = vec![0; most_without_escapes(element).saturating_add(size_of::<u64>())];
    let len = Scanner::new(element).unescaped(&mut text).ok()??;
    // In memory of its length: names are kept, and an escape may have been six times as long.
    text.get(..len).map(<[u8]>::to_vec)
}

/// The largest length that a string's text may have: an escape is shorter by a byte, and one of a code unit by three.
fn most_without_escapes(element: &[u8]) -> usize {
    let mut most = element.len();
    let mut bytes = element.iter();
    while let Some(byte) = bytes.next() {
        if *byte == b'\\' {
            let shorter = if bytes.next() == Some(&b'u') { 3 } else { 1 };
            most = most.saturating_sub(shorter);
        }
    }
    most
}

/// The error that `text` isn't JSON at `offset`.
#[cold]
fn malformed(text: &[u8], offset: usize) -> DecodeCause {
    // Counted only now: tracking lines would cost every frame.
    let before = text.get(..offset).unwrap_or_default();
    let newlines = before.iter().filter(|byte| **byte == b'\n').count();
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count();
    DecodeCause::Json { line: newlines.saturating_add(1), column: column.saturating_add(1) }
}

/// All of it is inlined where a message is decoded: a scanner that is lent to a function isn't kept in registers. Not so
/// where code is to be small, here as in the rest of this crate: it would take 15 KiB of a board's flash.
impl<'a> Scanner<'a> {
    #[cfg_attr(not(for_size), inline(always))]
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Scanner { text, offset: 0, bits: Bits::default(), field: None }
    }

    /// A string, whose text is written to the start of `out` without its escapes. Returns the length of the text; `None` if it
    /// isn't text. `out` must have the length of what is left to scan, and a word more.
    #[cfg_attr(not(for_size), inline(always))]
    pub(crate) fn unescaped(&mut self, out: &mut [u8]) -> Result<Option<usize>, DecodeCause> {
        self.expect(b'"')?;
        match unescape::unescape(self.text, self.offset, out) {
            Ok(unescaped) => {
                self.offset = unescaped.end;
                Ok(unescaped.is_text.then_some(unescaped.len))
            }
            Err(wrong) => {
                self.offset = wrong.min(self.text.len());
                Err(self.malformed())
            }
        }
    }

    /// The text that is scanned.
    #[cfg_attr(not(for_size), inline(always))]
    pub(crate) fn text(&self) -> &'a [u8] {
        self.text
    }

    /// The same, about to read this part of the message.
    #[cfg_attr(not(for_size), inline(always))]
    pub(crate) fn at(&mut self, field: Field) -> &mut Self {
        self.field = Some(field);
        self
    }

    /// Returns `true` if all that was accepted is known to be ASCII, and so UTF-8; `false` proves nothing.
    #[cfg_attr(not(for_size), inline(always))]
    pub(crate) fn is_ascii(&self) -> bool {
        self.bits.are_ascii()
    }

    /// Returns `true` once all of the text has been read.
    pub(crate) fn is_at_end(&self) -> bool {
        self.offset == self.text.len()
    }

    /// The error that the text isn't JSON here.
    #[cfg_attr(not(for_size), inline(always))]
    pub(crate) fn malformed(&self) -> DecodeCause {
        malformed(self.text, self.offset)
    }

    /// Skips these bytes if they are next.
    #[cfg_attr(not(for_size), inline(always))]
    pub(crate) fn skip(&mut self, bytes: &[u8]) -> bool {
        let are_next = self.text.get(self.offset..).is_some_and(|rest| rest.starts_with(bytes));
        if are_next {
            // Wrapping is never reached: a position is at most the text's length.
            self.offset = self.offset.wrapping_add(bytes.len());
        }
        are_next
    }

    /// A string that is a plain number.
    #[cfg_attr(not(for_size), inline(always))]
    pub(crate) fn number(&mut self) -> Option<u64> {
        let text = self.text.get(self.offset..)?.strip_prefix(b"\"")?;
        let (number, len) = decimal::number_at_start(text)?;
        let is_all = text.get(len) == Some(&b'"');
        if is_all {
            self.offset = self.offset.wrapping_add(len).wrapping_add(2);
        }
        is_all.then_some(number)
    }

    /// Skips white space and looks at the next byte.
    #[cfg_attr(not(for_size), inline(always))]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        self.offset = grammar::space(self.text, self.offset);
        self.text.get(self.offset).copied()
    }

    /// Skips white space, and the next byte if it is this one.
    #[cfg_attr(not(for_size), inline(always))]
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let next = grammar::token(self.text, self.offset, byte);
        self.offset = next.unwrap_or_else(|wrong| wrong);
        next.is_ok()
    }

    /// Skips white space and this byte.
    #[cfg_attr(not(for_size), inline(always))]
    pub(crate) fn expect(&mut self, byte: u8) -> Result<(), DecodeCause> {
        if self.eat(byte) { Ok(()) } else { Err(self.malformed()) }
    }

    /// Expects nothing but white space until the end.
    #[cfg_attr(not(for_size), inline(always))]
    pub(crate) fn end(&mut self) -> Result<(), DecodeCause> {
        if self.peek().is_none() { Ok(()) } else { Err(self.malformed()) }
    }

    /// A key of an object, and the colon after it.
    #[cfg_attr(not(for_size), inline(always))]
    pub(crate) fn key(&mut self) -> Result<Element, DecodeCause> {
        if self.peek() != Some(b'"') {
            return Err(self.malformed());
        }
        let key = self.element()?;
        self.expect(b':')?;
        Ok(key)
    }

    /// One value, distinguished as far as names and refs need it.
    #[cfg_attr(not(for_size), inline(always))]
    pub(crate) fn element(&mut self) -> Result<Element, DecodeCause> {
        match self.peek() {
            Some(b'"') => {
                let start = self.offset.wrapping_add(1);
                let mut bits = self.bits;
                let end = plain::end(self.text, start, &mut bits);
                self.bits = bits;
                if self.text.get(end) == Some(&b'"') {
                    self.offset = end.wrapping_add(1);
                    return Ok(Element::Plain(Span { start, end }));
                }
            }
            Some(b'n') => {
                let end = self.offset.wrapping_add(b"null".len());
                if self.text.get(self.offset..end) == Some(b"null") {
                    self.offset = end;
                    return Ok(Element::Null);
                }
            }
            _ => {}
        }
        // A string with escapes is read once more from its start: they are rare.
        self.value().map(Element::Other)
    }

    /// Reads a value with `read`, and returns it with its place, without white space around it.
    #[cfg_attr(not(for_size), inline(always))]
    pub(crate) fn spanned<T, E>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<(T, Span), E> {
        self.peek();
        let start = self.offset;
        let value = read(self)?;
        Ok((value, Span { start, end: self.offset }))
    }

    /// The same as [`value`](Self::value), for what is often empty.
    #[cfg_attr(not(for_size), inline(always))]
    pub(crate) fn response(&mut self) -> Result<Span, DecodeCause> {
        let start = self.offset;
        if self.skip(b"{}") { Ok(Span { start, end: self.offset }) } else { self.value() }
    }

    /// An object: `member` is called after each key and its colon, and reads the value.
    pub(crate) fn object<E: From<DecodeCause>>(
        &mut self,
        mut member: impl FnMut(&mut Self, Element) -> Result<(), E>,
    ) -> Result<(), E> {
        self.expect(b'{')?;
        if self.eat(b'}') {
            return Ok(());
        }
        loop {
            let key = self.key()?;
            member(self, key)?;
            if !self.eat(b',') {
                return Ok(self.expect(b'}')?);
            }
        }
    }

    /// One value of any type, as it is written: without white space around it.
    #[cfg_attr(not(for_size), inline(always))]
    pub(crate) fn value(&mut self) -> Result<Span, DecodeCause> {
        let start = grammar::space(self.text, self.offset);
        let mut bits = self.bits;
        let end = grammar::value(self.text, start, &mut bits);
        self.bits = bits;
        match end {
            Ok(end) => {
                self.offset = end;
                Ok(Span { start, end })
            }
            Err(wrong) => {
                self.offset = wrong;
                Err(self.malformed())
            }
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
        let mut scanner = Scanner::new(text.as_bytes());
        let value = scanner.value().ok()?;
        scanner.end().ok()?;
        core::str::from_utf8(value.of(text.as_bytes())).ok()
    }

    fn by_serde(text: &str) -> Option<&str> {
        serde_json::from_str::<&RawValue>(text).ok().map(RawValue::get)
    }

    proptest! {
        /// As `serde_json` unescapes it, and in memory of its length.
        #[test]
        fn a_text_is_that_of_serde_json(
            parts in prop::collection::vec(
                prop::sample::select(alloc::vec![
                    "a", "\u{e9}", "\u{20ac}", "\u{1f600}", "\\n", "\\\"", "\\\\", "\\u0061", "\\u20ac", "\\ud83d\\ude00", "\\ud800",
                ]),
                0..24,
            ),
        ) {
            let json = alloc::format!("\"{}\"", parts.concat());
            let element = Scanner::new(json.as_bytes()).element().unwrap();
            let text = element.text(json.as_bytes());
            let by_serde = serde_json::from_str::<String>(&json).ok().map(String::into_bytes);
            prop_assert_eq!(text.as_deref(), by_serde.as_deref());
            if let Some(Cow::Owned(text)) = text {
                prop_assert_eq!(text.capacity(), text.len());
            }
        }
    }

    #[test]
    fn what_is_no_string_has_no_text() {
        for json in ["7", "null", "{\"a\":1}", "[\"a\"]"] {
            let element = Scanner::new(json.as_bytes()).element().unwrap();
            assert_eq!(element.text(json.as_bytes()), None, "{json}");
        }
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
