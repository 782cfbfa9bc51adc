//! Text of a peer, made safe to display: escaped and short.

use core::fmt::{self, Write as _};

/// Text that a peer may have written, as it belongs into a line that people read.
///
/// `Display` escapes every character that a terminal or a log viewer acts on instead of showing it, as Rust
/// writes it in a string (`\n`, `\u{1b}`): control characters with all line ends, the line and paragraph separators
/// (U+2028, U+2029), what changes the direction of writing, and what is invisible. So no text of a peer can forge a
/// log line or drive a terminal. A text of more than [`MAX_CHARS`](Self::MAX_CHARS) characters is cut, and the number
/// of bytes that were left out follows. Backslashes stay as they are: the result is for people, not for parsers.
///
/// The `Display` of this crate's errors and causes uses it for whatever isn't this crate's own text.
/// Fields such as the reason of [`CloseCause::Frame`](crate::CloseCause::Frame) hold the text as it came: wrap them
/// in `Escaped` before you print them.
///
/// # Examples
///
/// ```
/// use phx_proto::Escaped;
///
/// let forged = "bye\n2026-01-01 INFO all is well \u{202e}";
/// assert_eq!(Escaped::new(forged).to_string(), r"bye\n2026-01-01 INFO all is well \u{202e}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Escaped<'a> {
    text: &'a str,
    max_chars: usize,
}

impl<'a> Escaped<'a> {
    /// 256: the characters of a text that are shown, unless [`whole`](Self::whole) is asked for.
    pub const MAX_CHARS: usize = 256;

    /// The text, cut after [`MAX_CHARS`](Self::MAX_CHARS) characters.
    #[must_use]
    pub const fn new(text: &'a str) -> Self {
        Escaped { text, max_chars: Self::MAX_CHARS }
    }

    /// The text, cut after this many characters.
    #[must_use]
    pub const fn short(text: &'a str, max_chars: usize) -> Self {
        Escaped { text, max_chars }
    }

    /// The text at its full length, whatever that is.
    #[must_use]
    pub const fn whole(text: &'a str) -> Self {
        Escaped { text, max_chars: usize::MAX }
    }

    /// Returns `true` for a character that is escaped.
    #[must_use]
    pub fn is_escaped(c: char) -> bool {
        c.is_control()
            || matches!(
                c,
                // Soft hyphen, grapheme joiner, Arabic letter mark, fillers of Hangul and Khmer, Mongolian ones.
                '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                // Zero-width characters and marks of direction.
                | '\u{200b}'..='\u{200f}'
                // Line and paragraph separators, embeddings and overrides of direction.
                | '\u{2028}'..='\u{202e}'
                // Word joiner, invisible operators, isolates of direction.
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
                // Annotations, and what is no character.
                | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
                | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
                // Tags and further variation selectors: whole texts can be hidden in them.
                | '\u{e0000}'..='\u{e0fff}'
            )
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Characters are counted only as far as shown, so a huge text costs no more.
        let (shown, rest) = match self.text.char_indices().nth(self.max_chars) {
            Some((at, _)) => self.text.split_at_checked(at).unwrap_or((self.text, "")),
            None => (self.text, ""),
        };
        // What needs no escape is written in one piece.
        let mut plain = shown;
        while let Some((at, c)) = plain.char_indices().find(|(_, c)| Escaped::is_escaped(*c)) {
            let (before, from) = plain.split_at_checked(at).unwrap_or((plain, ""));
            f.write_str(before)?;
            for part in c.escape_default() {
                f.write_char(part)?;
            }
            plain = from.get(c.len_utf8()..).unwrap_or_default();
        }
        f.write_str(plain)?;
        if rest.is_empty() { Ok(()) } else { write!(f, "… ({} bytes more)", rest.len()) }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn whatever_acts_on_a_reader_is_escaped() {
        let hostile =
            "a\x1b[2Jb\u{9b}\r\n\0\u{85}ä\u{200b}\u{2028}\u{202e}\u{2066}\u{feff}\u{e0041}";
        assert_eq!(
            Escaped::new(hostile).to_string(),
            "a\\u{1b}[2Jb\\u{9b}\\r\\n\\u{0}\\u{85}ä\\u{200b}\\u{2028}\\u{202e}\\u{2066}\\u{feff}\\u{e0041}"
        );
        let harmless = "naïve — ▶ 日本 \\ \"quoted\" ❤\u{fe0f}";
        assert_eq!(Escaped::whole(harmless).to_string(), harmless);
    }

    #[test]
    fn long_texts_are_cut_with_the_number_of_bytes_left_out() {
        assert_eq!(Escaped::short("äöü", 3).to_string(), "äöü");
        assert_eq!(Escaped::short("äöüß\n", 3).to_string(), "äöü… (3 bytes more)");
        let long = "\n".repeat(1 << 20);
        assert!(Escaped::new(&long).to_string().len() < 1_000);
        assert_eq!(Escaped::whole(&long).to_string().len(), 2 << 20);
    }
}
