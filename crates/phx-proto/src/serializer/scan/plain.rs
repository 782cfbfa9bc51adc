//! The bytes of a JSON string that mean themselves.

/// The bits of all bytes that strings had, and of some after them: a high one says that the text isn't all ASCII.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bits(u64);

impl Bits {
    pub(super) fn are_ascii(&self) -> bool {
        self.0 & all(0x80) == 0
    }
}

/// Position of the first byte at or after `at` that doesn't mean itself in a string, or the text's end.
#[cfg_attr(not(for_size), inline(always))]
pub(super) fn end(text: &[u8], at: usize, bits: &mut Bits) -> usize {
    short_end(text, at, bits).unwrap_or_else(|at| long_end(text, at, bits))
}

/// The same, if it is in the next two words, as it is for most names. If not, where those end.
#[cfg_attr(not(for_size), inline(always))]
fn short_end(text: &[u8], mut at: usize, bits: &mut Bits) -> Result<usize, usize> {
    for _ in 0..2 {
        let Some(word) = text.get(at..).and_then(<[u8]>::first_chunk) else {
            return Ok(last_end(text, at, bits));
        };
        let special = special(*word, bits);
        if special != 0 {
            return Ok(at.wrapping_add((special.trailing_zeros() / 8) as usize));
        }
        at = at.wrapping_add(8);
    }
    Err(at)
}

/// The same for long strings: by blocks, small ones first.
#[inline(never)]
fn long_end(text: &[u8], mut at: usize, bits: &mut Bits) -> usize {
    loop {
        let large = at.wrapping_add(LARGE);
        at = blocks_end::<SMALL>(text, at, LARGE / SMALL, *bits);
        // All small blocks were plain: the string is long enough for large ones.
        if at == large {
            at = blocks_end::<LARGE>(text, at, usize::MAX, *bits);
        }
        match short_end(text, at, bits) {
            Ok(end) => return end,
            Err(next) => at = next,
        }
    }
}

/// Checks that a text needs no escapes in a string.
#[cfg_attr(not(for_size), inline(always))]
pub(in crate::serializer) fn is_plain(text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks();
    // Padded with a byte that is plain.
    let mut last = [b' '; 8];
    if let Some(start) = last.get_mut(..rest.len()) {
        start.copy_from_slice(rest);
    }
    words.iter().chain([&last]).all(|word| special(*word, &mut Bits::default()) == 0)
}

const SMALL: usize = 16;
const LARGE: usize = 128;

/// Position of the first of up to `max` blocks that isn't plain, or, if all was ASCII before, that isn't ASCII;
/// without one, their end.
#[cfg_attr(not(for_size), inline(always))]
fn blocks_end<const SIZE: usize>(text: &[u8], at: usize, max: usize, bits: Bits) -> usize {
    // Of signed bytes, those that aren't ASCII are less than control characters.
    let is_plain_ascii = |byte: u8| ((byte ^ SWAP).cast_signed() > 0x20) & (byte != b'\\');
    let is_plain = |byte: u8| (byte ^ SWAP > 0x20) & (byte != b'\\');
    if bits.are_ascii() {
        blocks_of::<SIZE>(text, at, max, is_plain_ascii)
    } else {
        blocks_of::<SIZE>(text, at, max, is_plain)
    }
}

/// Compilers make vectors of this: with large blocks it takes half an instruction for each byte.
#[cfg_attr(not(for_size), inline(always))]
fn blocks_of<const SIZE: usize>(
    text: &[u8],
    mut at: usize,
    max: usize,
    is_plain: impl Fn(u8) -> bool,
) -> usize {
    let (blocks, _) = text.get(at..).unwrap_or_default().as_chunks::<SIZE>();
    for block in blocks.iter().take(max) {
        // No early exit within a block: a branch per byte would prevent vectors.
        if !block.iter().fold(true, |all, byte| all & is_plain(*byte)) {
            break;
        }
        at = at.wrapping_add(SIZE);
    }
    at
}

/// The same for the last bytes of a text, less than a word.
#[inline(never)]
fn last_end(text: &[u8], mut at: usize, bits: &mut Bits) -> usize {
    while let Some(byte) = text.get(at) {
        if special([*byte; 8], bits) != 0 {
            break;
        }
        at = at.wrapping_add(1);
    }
    at
}

/// Swaps the quote with the space, and leaves control characters below both.
const SWAP: u8 = b'"' ^ b' ';

/// 0 if all of a word is plain, else with the lowest set bit in the first byte that isn't.
#[cfg_attr(not(for_size), inline(always))]
pub(super) fn special(word: [u8; 8], bits: &mut Bits) -> u64 {
    let word = u64::from_le_bytes(word);
    // A byte that borrows, though its high bit was clear, was less than what was taken from it. Bytes
    // above the first such one may be wrong.
    let control_or_quote = (word ^ all(SWAP)).wrapping_sub(all(0x21));
    let backslash = (word ^ all(b'\\')).wrapping_sub(all(1));
    let special_or_not_ascii = (control_or_quote | backslash | word) & all(0x80);
    if special_or_not_ascii == 0 {
        return 0;
    }
    // Only here: a word without any high bit adds nothing.
    bits.0 |= word;
    special_or_not_ascii & !word
}

const fn all(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_special(byte: u8) -> bool {
        byte < 0x20 || byte == b'"' || byte == b'\\'
    }

    /// The end, if what is before it is only called ASCII if it is.
    fn checked_end(text: &[u8], at: usize) -> usize {
        let mut bits = Bits::default();
        let end = end(text, at, &mut bits);
        assert!(!bits.are_ascii() || text[at..end].is_ascii(), "{}", text.escape_ascii());
        end
    }

    #[test]
    fn the_first_special_byte_is_found_at_any_place() {
        let by_byte = |text: &[u8]| text.iter().position(|byte| is_special(*byte));
        // Around words, what the small blocks are for, and a large one.
        let lengths = (0..40).chain(140..150).chain(270..282);
        for (len, around) in lengths.flat_map(|len| [(len, b'a'), (len, 0xa2)]) {
            for special in [b'"', b'\\', 0, 0x1f, b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xff] {
                for at in 0..len {
                    let mut text = alloc::vec![around; len];
                    text[at] = special;
                    let expected = by_byte(&text).unwrap_or(len);
                    assert_eq!(checked_end(&text, 0), expected, "{special:#x} at {at} of {len}");
                    text[len - 1] = b'"';
                    let expected = by_byte(&text).unwrap_or(len);
                    let end = checked_end(&text, 0);
                    assert_eq!(end, expected, "{special:#x} at {at} of {len}, quote");
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
                    assert_eq!(checked_end(&word, 0), expected, "{byte:#x} at {at} in {around:#x}");
                }
            }
        }
    }

    #[test]
    fn it_starts_at_the_given_place() {
        let text = [b"\"\\".as_slice(), &[b'a'; 390], b"\"\""].concat();
        assert_eq!(checked_end(&text, 0), 0);
        assert_eq!(checked_end(&text, 1), 1);
        for at in 2..392 {
            assert_eq!(checked_end(&text, at), 392);
        }
        assert_eq!(checked_end(&text, 393), 393);
        assert_eq!(checked_end(&text, 394), 394);
    }
}
