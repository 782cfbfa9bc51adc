//! Sources of a session's choices: a seed, or the bytes of a fuzzer.

use fastrand::Rng;

/// A source of choices.
#[derive(Clone, Debug)]
pub(crate) enum Choices {
    /// Any number of choices from a generator.
    Random(Rng),
    /// A choice for each byte. After the last byte it is always the first possibility.
    Given { bytes: Vec<u8>, next: usize },
}

impl Choices {
    /// Chooses a letter of `weighted`, in which each letter occurs as often as its weight. A given byte that is a
    /// letter of either list stands for itself.
    pub(crate) fn letter(&mut self, weighted: &[u8], others: &[u8]) -> u8 {
        match self {
            Choices::Random(rng) => weighted[rng.usize(..weighted.len())],
            Choices::Given { .. } => {
                let byte = self.byte();
                let is_letter = weighted.contains(&byte) || others.contains(&byte);
                if is_letter { byte } else { weighted[usize::from(byte) % weighted.len()] }
            }
        }
    }

    /// Chooses a number below `end`. A given byte is the number, or the digit's value; if `end` is over 256, it stands
    /// for a 256th of `end`, and a digit for a tenth.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let Choices::Random(rng) = self else {
            let byte = usize::from(self.byte());
            let (number, of) = match byte.checked_sub(usize::from(b'0')) {
                Some(digit @ 0..=9) => (digit, 10),
                _ => (byte, 256),
            };
            return if end > 256 { number * (end / of) } else { number % end };
        };
        rng.usize(..end)
    }

    /// Chooses any number, with small and large ones equally likely.
    pub(crate) fn number(&mut self) -> u64 {
        match self {
            Choices::Random(rng) => rng.u64(..),
            Choices::Given { .. } => (1_u64 << (self.byte() % 64)).wrapping_sub(1),
        }
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    /// Returns true once in `times`; for a given byte, if it is `times - 1`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) + 1 == times
    }

    /// Returns true if no choices are left.
    pub(crate) fn are_used_up(&self) -> bool {
        match self {
            Choices::Random(_) => false,
            Choices::Given { bytes, next } => *next >= bytes.len(),
        }
    }

    fn byte(&mut self) -> u8 {
        match self {
            Choices::Random(rng) => rng.u8(..),
            Choices::Given { bytes, next } => {
                let byte = bytes.get(*next).copied().unwrap_or(b'0');
                *next += 1;
                byte
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_bytes_say_what_they_look_like() {
        let mut given = Choices::Given { bytes: b"kz3\xff95".to_vec(), next: 0 };
        assert_eq!(given.letter(b"abc", b"k"), b'k');
        assert_eq!(given.letter(b"abc", b"k"), b"abc"[usize::from(b'z') % 3]);
        assert_eq!((given.below(4), given.below(4)), (3, 3));
        assert_eq!(given.below(3000), 2700);
        assert!(!given.are_used_up());
        assert!(given.flag());
        assert!(given.are_used_up());
        assert_eq!(given.below(7), 0);
    }
}
