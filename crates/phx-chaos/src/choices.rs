//! Sources of a session's choices: a seed, or the bytes of a fuzzer.

use fastrand::Rng;

/// A source of choices.
#[derive(Clone, Debug)]
pub(crate) enum Choices {
    /// As many as are asked for.
    Random(Rng),
    /// One for each byte; when they are used up, always the first there is to choose.
    Given { bytes: Vec<u8>, next: usize },
}

impl Choices {
    /// One of the letters of `weighted`, where each stands as often as it weighs. A given byte that is
    /// one of them means itself.
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

    /// A number below `end`. Of a given byte: the number, or what the digit says; if `end` is more
    /// than a byte can say, its 256th parts, or its tenths for a digit.
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

    /// Any number, small ones and large ones alike.
    pub(crate) fn number(&mut self) -> u64 {
        match self {
            Choices::Random(rng) => rng.u64(..),
            Choices::Given { .. } => (1_u64 << (self.byte() % 64)).wrapping_sub(1),
        }
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    /// True once in `times`. Of a given byte: if it is `times - 1`.
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
