//! JSON text for display: on one line or indented, without anything that acts on a terminal, and with secrets masked.
//!
//! The text is rewritten, not decoded, so that the display keeps the order of keys and the digits of numbers.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use phx_tokio::{Escaped, Payload};
use serde_json::Value;

use crate::secret::{self, MASKED};

/// Bytes of JSON that is shown on several lines, at most.
const MAX_PRETTY: usize = 1 << 20;

/// Depth down to which values have lines.
const MAX_DEPTH: usize = 16;

/// Masked parts of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mask {
    Nothing,
    /// Values whose names sound like secrets.
    Secrets,
    /// In a frame: those, and the whole payload.
    FramePayload,
}

/// Returns a payload on one line: JSON, or the number of bytes and their base64.
pub(crate) fn shown_payload(payload: &Payload, mask: Mask) -> String {
    match payload.as_json() {
        Some(text) => one_line(text, mask),
        None => format!("<{} bytes> {}", payload.len(), STANDARD.encode(payload.as_bytes())),
    }
}

/// Returns the same JSON on several lines, indented; on one line below a depth of 16, and if it is longer than 1
/// MiB, so that the indents don't add up.
pub(crate) fn pretty(text: &str) -> String {
    match text.len() {
        0..=MAX_PRETTY => rewritten(text, Mask::Nothing, MAX_DEPTH),
        _ => one_line(text, Mask::Nothing),
    }
}

/// The same JSON on one line. The text should be valid JSON; other text gives an unspecified result.
pub(crate) fn one_line(text: &str, mask: Mask) -> String {
    rewritten(text, mask, 0)
}

fn rewritten(text: &str, mask: Mask, line_depth: usize) -> String {
    let out = String::with_capacity(text.len());
    let mut writer = Writer { out, levels: Vec::new(), mask, line_depth };
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let token = match c {
            ' ' | '\t' | '\r' | '\n' => 1,
            '{' | '[' => {
                let masked = writer.next_is_masked();
                writer.levels.push(Level {
                    object: c == '{',
                    masked,
                    key: c == '{',
                    ..Level::default()
                });
                writer.out.push(c);
                if !rest.get(1..).is_some_and(|rest| rest.trim_start().starts_with(['}', ']'])) {
                    writer.end_line(0);
                }
                1
            }
            '}' | ']' => {
                if !writer.out.ends_with(['{', '[']) {
                    writer.end_line(1);
                }
                writer.levels.pop();
                writer.out.push(c);
                1
            }
            ',' => {
                if let Some(level) = writer.levels.last_mut() {
                    level.index = level.index.saturating_add(1);
                    level.key = level.object;
                    level.named_secret = false;
                }
                writer.out.push(c);
                writer.end_line(0);
                1
            }
            ':' => {
                if let Some(level) = writer.levels.last_mut() {
                    level.key = false;
                }
                writer.out.push(c);
                if writer.line_depth > 0 {
                    writer.out.push(' ');
                }
                1
            }
            '"' => {
                let end = string_end(rest);
                writer.string(rest.get(..end).unwrap_or(rest));
                end
            }
            _ => {
                let delimiter = |c: char| ",]}: \t\r\n\"".contains(c);
                let end = rest.find(delimiter).unwrap_or(rest.len()).max(c.len_utf8());
                writer.scalar(rest.get(..end).unwrap_or(rest));
                end
            }
        };
        rest = rest.get(token..).unwrap_or_default();
    }
    writer.out
}

struct Writer {
    out: String,
    /// Levels of the open objects and arrays: no recursion, since the server decides the depth.
    levels: Vec<Level>,
    mask: Mask,
    /// Depth down to which each value is on a separate line, indented by two more than its parent.
    line_depth: usize,
}

#[derive(Default)]
struct Level {
    object: bool,
    /// True below a masked value.
    masked: bool,
    index: usize,
    /// In an object: true if a key comes next.
    key: bool,
    /// In an object: true if the current key sounds like a secret.
    named_secret: bool,
}

impl Writer {
    /// Begins a line at this depth, or `outer` levels above.
    fn end_line(&mut self, outer: usize) {
        let depth = self.levels.len();
        if (1..=self.line_depth).contains(&depth) {
            self.out.push('\n');
            self.out.push_str(&"  ".repeat(depth.saturating_sub(outer)));
        }
    }

    fn next_is_masked(&self) -> bool {
        let Some(level) = self.levels.last() else { return false };
        // In V2 a frame is an array and its payload the fifth value; in V1 it is an object.
        let is_payload = self.mask == Mask::FramePayload
            && self.levels.len() == 1
            && !level.object
            && level.index == 4;
        level.masked || level.named_secret || is_payload
    }

    fn string(&mut self, quoted: &str) {
        if self.levels.last().is_some_and(|level| level.key) {
            let depth = self.levels.len();
            let mask = self.mask;
            if let Some(level) = self.levels.last_mut() {
                let is_payload =
                    mask == Mask::FramePayload && depth == 1 && quoted == "\"payload\"";
                level.named_secret = is_payload || (mask != Mask::Nothing && is_secret(quoted));
            }
            self.safe(quoted);
        } else if self.next_is_masked() {
            self.masked();
        } else if self.mask == Mask::Nothing {
            self.safe(quoted);
        } else {
            let masked =
                serde_json::from_str::<String>(quoted).ok().and_then(|text| masked_within(&text));
            let quoted = masked.map_or(Cow::Borrowed(quoted), Cow::Owned);
            self.safe(&secret::without_tokens(&quoted));
        }
    }

    fn scalar(&mut self, text: &str) {
        if self.next_is_masked() {
            self.masked();
        } else {
            self.safe(text);
        }
    }

    fn masked(&mut self) {
        self.out.push('"');
        self.out.push_str(MASKED);
        self.out.push('"');
    }

    /// Escapes characters that act on a terminal; the JSON means the same.
    fn safe(&mut self, text: &str) {
        for c in text.chars() {
            if Escaped::is_escaped(c) {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    self.out.push_str(&format!("\\u{unit:04x}"));
                }
            } else {
                self.out.push(c);
            }
        }
    }
}

/// Masks the named secrets within a string, and returns it quoted; `None` if there are none.
fn masked_within(text: &str) -> Option<String> {
    let is_json = text.trim_start().starts_with(['{', '[']);
    // Each level of JSON in a string doubles its escapes, so levels are few.
    let by_key = is_json.then(|| one_line(text, Mask::Secrets));
    let by_key = by_key.filter(|masked| *masked != one_line(text, Mask::Nothing));
    let shown = by_key.unwrap_or_else(|| text.to_owned());
    let shown = secret::without_values(&shown);
    (shown != text).then(|| Value::String(shown.into_owned()).to_string())
}

/// Returns whether the key of an object is the name of a secret.
fn is_secret(quoted: &str) -> bool {
    // Escapes mean what they stand for.
    serde_json::from_str::<String>(quoted)
        .map_or_else(|_| secret::is_name(quoted), |name| secret::is_name(&name))
}

/// The length of the string that the text begins with, quotes included.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at.saturating_add(1),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use allocation_counter::measure;

    use super::*;

    #[test]
    fn it_stays_the_same_value_on_one_line() {
        let text = "{ \"b\" : [1, 2.50, {\"x\\\"y\": null}],\n\t\"a\": \"tab\\there \u{7f}\u{202e}\", \"c\": true }";
        let line = one_line(text, Mask::Nothing);
        assert_eq!(
            line,
            "{\"b\":[1,2.50,{\"x\\\"y\":null}],\"a\":\"tab\\there \\u007f\\u202e\",\"c\":true}"
        );
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(value(&line), value(text));
    }

    #[test]
    fn it_stays_the_same_value_on_several_lines() {
        let text = "{ \"b\" : [1, {\"x}\": null}], \"e\":[ ], \"o\": { }, \"t\":\"\u{202e}, {\"}";
        let lines = pretty(text);
        let expected = [
            "{",
            "  \"b\": [",
            "    1,",
            "    {",
            "      \"x}\": null",
            "    }",
            "  ],",
            "  \"e\": [],",
            "  \"o\": {},",
            "  \"t\": \"\\u202e, {\"",
            "}",
        ];
        assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
        assert_eq!((pretty("7"), pretty("{}")), ("7".to_owned(), "{}".to_owned()));
    }

    #[test]
    fn the_indents_of_a_deep_value_are_limited() {
        let deep = ["[0,".repeat(100_000), "0".to_owned(), "]".repeat(100_000)].concat();
        let lines = pretty(&deep);
        assert!(lines.len() < deep.len() + 4_096, "{}", lines.len());
        assert_eq!(lines.split_whitespace().collect::<String>(), deep);
        let many = "0,".repeat(MAX_PRETTY / 2 - 32);
        let wide = [&"[".repeat(MAX_DEPTH), &*many, "0", &"]".repeat(MAX_DEPTH)].concat();
        let used = measure(|| assert!(pretty(&wide).lines().count() > MAX_PRETTY / 2 - 32));
        // A buffer that doubles is there twice while it is copied.
        assert!(used.bytes_max < 64 * MAX_PRETTY as u64, "{used:?}");
        let long = format!("[{}0]", "0,".repeat(MAX_PRETTY));
        assert_eq!(pretty(&long), long);
        for text in ["\"", "}]", ",:", "ä", "{\"a\"", "[", "[]]"] {
            let _ = pretty(text);
        }
    }

    #[test]
    fn secrets_are_masked_by_their_names_however_deep() {
        let text = r#"{"user":"ann","Access_Token":"x","deep":{"api-key":{"a":[1,"b"]},"n":1}}"#;
        assert_eq!(
            one_line(text, Mask::Secrets),
            r#"{"user":"ann","Access_Token":"***","deep":{"api-key":{"a":["***","***"]},"n":1}}"#
        );
        let text = r#"{"p\u0061ssword":1,"pwd":"x","pin":2,"author":"ann","keyboard":"qwerty"}"#;
        assert_eq!(
            one_line(text, Mask::Secrets),
            r#"{"p\u0061ssword":"***","pwd":"***","pin":"***","author":"ann","keyboard":"qwerty"}"#
        );
    }

    #[test]
    fn tokens_are_masked_whatever_they_are_called() {
        let text = r#"{"static":"SFMyNTY.g2gD.xyz","html":"<p data-phx-session=\"SFMyNTY.a.b\">"}"#;
        assert_eq!(
            one_line(text, Mask::Secrets),
            r#"{"static":"***","html":"<p data-phx-session=\"***\">"}"#
        );
        assert_eq!(one_line(text, Mask::Nothing), text);
    }

    #[test]
    fn secrets_within_strings_are_masked_by_their_names() {
        let text = r#"{"value":"a=1&user%5Bpassword%5D=hush","db":"postgres://me:hush@db","s":"{\"token\":\"hush\",\"n\":1}","t":"{ \"n\": 1 }"}"#;
        assert_eq!(
            one_line(text, Mask::Secrets),
            r#"{"value":"a=1&user%5Bpassword%5D=***","db":"postgres://***@db","s":"{\"token\":\"***\",\"n\":1}","t":"{ \"n\": 1 }"}"#
        );
        assert_eq!(one_line(text, Mask::Nothing), text);
    }

    #[test]
    fn the_payload_of_a_frame_is_masked_and_nothing_else_of_it() {
        assert_eq!(
            one_line(r#"["1","1","room:a","phx_join",{"name":"ann","n":[1]}]"#, Mask::FramePayload),
            r#"["1","1","room:a","phx_join",{"name":"***","n":["***"]}]"#
        );
        assert_eq!(
            one_line(
                r#"{"topic":"room:a","event":"phx_join","payload":{"name":"ann"},"ref":"1"}"#,
                Mask::FramePayload
            ),
            r#"{"topic":"room:a","event":"phx_join","payload":{"name":"***"},"ref":"1"}"#
        );
    }

    #[test]
    fn depth_and_nonsense_are_survived() {
        let deep = "[".repeat(200_000);
        assert_eq!(one_line(&deep, Mask::Secrets), deep);
        for text in ["\"", "\"\\", "}]", ",:", "ä", "{\"a\"", "tr ue"] {
            let _ = one_line(text, Mask::FramePayload);
        }
    }
}
