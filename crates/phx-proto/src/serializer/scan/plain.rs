//! The bytes of a JSON string that mean themselves.

/// Where the first byte at or after `at` is that doesn't mean itself in a string, or the text's end.
///
/// Most names are shorter than a word, so this is inlined up to there.
#[inline(always)]
pub(super) fn end(text: &[u8], at: usize) -> usize {
    match special_in_word(text, at) {
        Some(0) => long_end(text, at.wrapping_add(8)),
        Some(special) => first_of(special, at),
        None => last_end(text, at),
    }
}

/// The same for a string of some words.
#[inline(never)]
fn long_end(text: &[u8], at: usize) -> usize {
    words_end(text, at, WORDS).unwrap_or_else(|at| very_long_end(text, at))
}

/// Words after which it is worth to look at blocks.
const WORDS: usize = 16;

/// The same for a string of blocks, and of words after them.
#[inline(never)]
fn very_long_end(text: &[u8], at: usize) -> usize {
    let at = blocks_end(text, at);
    words_end(text, at, usize::MAX).unwrap_or_else(|at| last_end(text, at))
}

/// The same, if it is in one of the first `max` words; else where those that were looked at end.
#[inline(always)]
fn words_end(text: &[u8], mut at: usize, max: usize) -> Result<usize, usize> {
    let (words, _) = text.get(at..).unwrap_or_default().as_chunks();
    for word in words.iter().take(max) {
        let special = special(u64::from_le_bytes(*word));
        if special != 0 {
            return Ok(first_of(special, at));
        }
        at = at.wrapping_add(8);
    }
    Err(at)
}

/// The same for the last bytes of a text, less than a word.
#[inline(never)]
fn last_end(text: &[u8], mut at: usize) -> usize {
    match text.last_chunk() {
        Some(last) => {
            let left = text.len().saturating_sub(at);
            // What is shifted in are zeros, which end a string.
            let read =
                u32::try_from(left).map_or(0, |left| 64_u32.saturating_sub(left.wrapping_mul(8)));
            first_of(special(u64::from_le_bytes(*last).unbounded_shr(read)), at)
        }
        None => {
            while text.get(at).is_some_and(|byte| distance(*byte) != 0) {
                at = at.wrapping_add(1);
            }
            at
        }
    }
}

/// Goes on as long as whole blocks are plain, which compilers make vectors of.
#[inline]
fn blocks_end(text: &[u8], mut at: usize) -> usize {
    let (blocks, _) = text.get(at..).unwrap_or_default().as_chunks::<64>();
    for block in blocks {
        if block.iter().fold(u8::MAX, |nearest, byte| nearest.min(distance(*byte))) == 0 {
            break;
        }
        at = at.wrapping_add(block.len());
    }
    at
}

/// 0 for a byte that ends a string, begins an escape, or is none of a string's. Without branches, for
/// the sake of vectors.
fn distance(byte: u8) -> u8 {
    (byte ^ SWAP).saturating_sub(b' ').min(byte ^ b'\\')
}

/// Swaps the quote with the space, and leaves control characters below both.
const SWAP: u8 = b'"' ^ b' ';

/// The word at `at`, if there is one, as [`special`] has it.
#[inline(always)]
fn special_in_word(text: &[u8], at: usize) -> Option<u64> {
    Some(special(u64::from_le_bytes(*text.get(at..)?.first_chunk()?)))
}

/// 0 if all of a word is plain, else with the lowest set bit in the first byte that isn't.
#[inline(always)]
fn special(word: u64) -> u64 {
    const fn all(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    // A byte that borrows, though its high bit was clear, was less than what was taken from it. Bytes
    // above the first such one may be wrong.
    let control_or_quote = (word ^ all(SWAP)).wrapping_sub(all(0x21));
    let backslash = (word ^ all(b'\\')).wrapping_sub(all(1));
    (control_or_quote | backslash) & !word & all(0x80)
}

/// The position of the lowest set bit in the word at `at`.
fn first_of(special: u64, at: usize) -> usize {
    at.wrapping_add((special.trailing_zeros() / 8) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_special(byte: u8) -> bool {
        byte < 0x20 || byte == b'"' || byte == b'\\'
    }

    #[test]
    fn the_first_special_byte_is_found_at_any_place() {
        let by_byte = |text: &[u8]| text.iter().position(|byte| is_special(*byte));
        // Around words, what comes before blocks, and one and two of those.
        let lengths = (0..40).chain(130..150).chain(194..214).chain(258..278);
        for len in lengths {
            for special in [b'"', b'\\', 0, 0x1f, b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xff] {
                for at in 0..len {
                    let mut text = alloc::vec![0xa2; len];
                    text[at] = special;
                    let expected = by_byte(&text).unwrap_or(len);
                    assert_eq!(end(&text, 0), expected, "{special:#x} at {at} of {len}");
                    text[len - 1] = b'"';
                    let expected = by_byte(&text).unwrap_or(len);
                    assert_eq!(end(&text, 0), expected, "{special:#x} at {at} of {len}, quote");
                }
            }
        }
    }

    #[test]
    fn every_byte_is_what_it_is_in_every_place_of_a_word() {
        for byte in 0..=u8::MAX {
            for at in 0..8 {
                for around in [b'a', b' ', b'!', b'#', 0x7f, 0x80, 0xff] {
                    let mut word = [around; 8];
                    word[at] = byte;
                    let expected = if is_special(byte) { at } else { 8 };
                    assert_eq!(end(&word, 0), expected, "{byte:#x} at {at} among {around:#x}");
                }
            }
        }
    }

    #[test]
    fn it_starts_where_it_is_told() {
        let text = [b"\"\\".as_slice(), &[b'a'; 390], b"\"\""].concat();
        assert_eq!(end(&text, 0), 0);
        assert_eq!(end(&text, 1), 1);
        for at in 2..392 {
            assert_eq!(end(&text, at), 392);
        }
        assert_eq!(end(&text, 393), 393);
        assert_eq!(end(&text, 394), 394);
    }
}
