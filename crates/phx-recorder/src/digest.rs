//! The running hash of the outputs.

use std::hash::Hasher;

/// A hash of 64 bits that is the same on every platform and in every release that writes this format. It finds
/// differences; it is no protection against a forger.
#[derive(Clone, Debug, Default)]
pub(crate) struct Digest(u64);

/// An odd number with as many ones as zeros, and no pattern: the golden ratio's digits.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl Digest {
    fn mix(&mut self, word: u64) {
        let mixed = (self.0 ^ word).wrapping_add(FACTOR).wrapping_mul(FACTOR);
        self.0 = mixed.rotate_left(29) ^ word;
    }
}

/// Whole numbers of every width count as 64 bits, so that the width of `usize` and the order of bytes don't matter.
impl Hasher for Digest {
    fn finish(&self) -> u64 {
        // The last words of the input have to reach all bits.
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(FACTOR);
        mixed ^ (mixed >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.mix(word.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte)));
        }
        let rest = words.remainder();
        self.mix(rest.iter().fold(rest.len() as u64, |word, byte| (word << 8) | u64::from(*byte)));
    }

    fn write_u8(&mut self, word: u8) {
        self.mix(word.into());
    }

    fn write_u16(&mut self, word: u16) {
        self.mix(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.mix(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.mix(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.mix(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.mix(word as u64);
    }
}

#[cfg(test)]
mod tests {
    use std::hash::Hash as _;

    use super::*;

    #[test]
    fn it_is_the_same_everywhere() {
        let mut digest = Digest::default();
        ("room:lobby", 7_u64, 3_usize, Some(true)).hash(&mut digest);
        // Recordings hold it: whoever changes this changes the format's version.
        assert_eq!(digest.finish(), 3_467_698_327_513_623_406);
    }

    #[test]
    fn a_single_bit_and_the_order_matter() {
        let of = |words: &[u64]| {
            let mut digest = Digest::default();
            words.iter().for_each(|word| digest.write_u64(*word));
            digest.finish()
        };
        assert_ne!(of(&[1, 2]), of(&[2, 1]));
        assert_ne!(of(&[0]), of(&[0, 0]));
        for bit in 0..64 {
            assert_ne!(of(&[1 << bit]), of(&[0]), "bit {bit}");
        }
    }
}
