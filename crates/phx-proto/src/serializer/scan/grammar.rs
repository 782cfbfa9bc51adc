//! The grammar of JSON: from where something starts in a text to where it ends.
//!
//! Every function takes the text and a position in it. It gives the position after what it read, or,
//! as the error, the one where the text went wrong. A position is at most the text's length, so adding
//! to it never wraps around.

use super::nesting::{Enclosing, Nesting};
use super::plain::{self, Bits};

pub(super) type End = Result<usize, usize>;

/// Any number of white space: mostly none, which is all that is inlined.
#[cfg_attr(not(for_size), inline(always))]
pub(super) fn space(text: &[u8], at: usize) -> usize {
    // One comparison for all control characters; `some_space` looks closely.
    if let Some(..=b' ') = text.get(at) { some_space(text, at) } else { at }
}

#[inline(never)]
fn some_space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = text.get(at) {
        at = at.wrapping_add(1);
    }
    at
}

/// White space and this byte.
#[cfg_attr(not(for_size), inline(always))]
pub(super) fn token(text: &[u8], at: usize, byte: u8) -> End {
    match text.get(at) {
        Some(next) if *next == byte => Ok(at.wrapping_add(1)),
        Some(..=b' ') => spaced_token(text, at, byte),
        _ => Err(at),
    }
}

#[inline(never)]
fn spaced_token(text: &[u8], at: usize, byte: u8) -> End {
    let at = some_space(text, at);
    if text.get(at) == Some(&byte) { Ok(at.wrapping_add(1)) } else { Err(at) }
}

/// White space and one value of any type.
#[inline(never)]
pub(super) fn value(text: &[u8], mut at: usize, bits: &mut Bits) -> End {
    // No recursion: nested text must not be able to exhaust the stack.
    let mut nesting = Nesting::new();
    loop {
        at = match text.get(at) {
            Some(b'"') => rest_of_string(text, at.wrapping_add(1), bits)?,
            Some(b'[') => {
                at = space(text, at.wrapping_add(1));
                if text.get(at) != Some(&b']') {
                    nesting.push(Enclosing::Array);
                    continue;
                }
                at.wrapping_add(1)
            }
            Some(b'{') => {
                at = space(text, at.wrapping_add(1));
                if text.get(at) != Some(&b'}') {
                    nesting.push(Enclosing::Object);
                    at = key(text, at, bits)?;
                    continue;
                }
                at.wrapping_add(1)
            }
            Some(b't') => word(text, at, b"true")?,
            Some(b'f') => word(text, at, b"false")?,
            Some(b'n') => word(text, at, b"null")?,
            Some(b' ' | b'\t' | b'\n' | b'\r') => {
                at = some_space(text, at);
                continue;
            }
            _ => number(text, at)?,
        };
        // A value has ended here: what encloses it goes on, or ends with it.
        loop {
            let Some(enclosing) = nesting.innermost() else {
                return Ok(at);
            };
            match (enclosing, text.get(at)) {
                (Enclosing::Array, Some(b',')) => {
                    at = at.wrapping_add(1);
                    break;
                }
                (Enclosing::Object, Some(b',')) => {
                    at = key(text, at.wrapping_add(1), bits)?;
                    break;
                }
                (Enclosing::Array, Some(b']')) | (Enclosing::Object, Some(b'}')) => {
                    at = at.wrapping_add(1);
                    nesting.pop();
                }
                (_, Some(b' ' | b'\t' | b'\n' | b'\r')) => at = some_space(text, at),
                _ => return Err(at),
            }
        }
    }
}

/// A string after its first quote, with the last.
#[cfg_attr(not(for_size), inline(always))]
fn rest_of_string(text: &[u8], at: usize, bits: &mut Bits) -> End {
    let at = plain::end(text, at, bits);
    if text.get(at) == Some(&b'"') { Ok(at.wrapping_add(1)) } else { escaped(text, at, bits) }
}

/// A string from a byte that isn't plain.
#[inline(never)]
fn escaped(text: &[u8], mut at: usize, bits: &mut Bits) -> End {
    loop {
        at = match text.get(at) {
            Some(b'"') => return Ok(at.wrapping_add(1)),
            Some(b'\\') => plain::end(text, escape(text, at.wrapping_add(1))?, bits),
            _ => return Err(at),
        };
    }
}

/// A key of an object and the colon after it, with white space before each.
#[cfg_attr(not(for_size), inline(always))]
fn key(text: &[u8], at: usize, bits: &mut Bits) -> End {
    let at = rest_of_string(text, token(text, at, b'"')?, bits)?;
    token(text, at, b':')
}

/// The rest of an escape, after its backslash.
fn escape(text: &[u8], at: usize) -> End {
    if text.get(at) == Some(&b'u') {
        let digits = at.wrapping_add(1);
        (0..4).try_fold(digits, |at, _| byte(text, at, |byte| byte.is_ascii_hexdigit()))
    } else {
        byte(text, at, |byte| {
            matches!(byte, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')
        })
    }
}

fn number(text: &[u8], at: usize) -> End {
    let mut at = optional(text, at, |byte| byte == b'-');
    at = if text.get(at) == Some(&b'0') { at.wrapping_add(1) } else { digits(text, at)? };
    if text.get(at) == Some(&b'.') {
        at = digits(text, at.wrapping_add(1))?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        at = optional(text, at.wrapping_add(1), |byte| matches!(byte, b'+' | b'-'));
        at = digits(text, at)?;
    }
    // A second digit after a leading zero.
    if text.get(at).is_some_and(u8::is_ascii_digit) { Err(at) } else { Ok(at) }
}

fn digits(text: &[u8], at: usize) -> End {
    let mut at = byte(text, at, |byte| byte.is_ascii_digit())?;
    while text.get(at).is_some_and(u8::is_ascii_digit) {
        at = at.wrapping_add(1);
    }
    Ok(at)
}

fn word(text: &[u8], at: usize, word: &[u8]) -> End {
    word.iter().try_fold(at, |at, expected| byte(text, at, |byte| byte == *expected))
}

fn optional(text: &[u8], at: usize, wanted: impl Fn(u8) -> bool) -> usize {
    byte(text, at, wanted).unwrap_or(at)
}

#[inline]
fn byte(text: &[u8], at: usize, wanted: impl Fn(u8) -> bool) -> End {
    match text.get(at) {
        Some(next) if wanted(*next) => Ok(at.wrapping_add(1)),
        _ => Err(at),
    }
}
