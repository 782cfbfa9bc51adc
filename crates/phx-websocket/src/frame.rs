//! Heads of frames, and masks (RFC 6455, section 5).

use alloc::vec::Vec;

use crate::Error;

/// Largest payload of a control frame, in bytes.
pub(crate) const MAX_CONTROL: usize = 125;

/// Largest head of a server's frame, in bytes: no mask.
pub(crate) const MAX_HEAD: usize = 10;

/// Bit of the first byte: the message's last frame.
pub(crate) const FIN: u8 = 0x80;

/// Bit of the first byte: the message is compressed.
pub(crate) const RSV1: u8 = 0x40;

/// Bits of the first byte that no extension uses.
const RSV2_AND_3: u8 = 0x30;

/// Bit of the second byte: a mask follows the length.
const MASKED: u8 = 0x80;

/// Kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    const fn parse(opcode: u8) -> Result<Self, Error> {
        Ok(match opcode {
            0x0 => Opcode::Continuation,
            0x1 => Opcode::Text,
            0x2 => Opcode::Binary,
            0x8 => Opcode::Close,
            0x9 => Opcode::Ping,
            0xA => Opcode::Pong,
            unknown => return Err(Error::UnknownOpcode(unknown)),
        })
    }

    pub(crate) const fn bits(self) -> u8 {
        match self {
            Opcode::Continuation => 0x0,
            Opcode::Text => 0x1,
            Opcode::Binary => 0x2,
            Opcode::Close => 0x8,
            Opcode::Ping => 0x9,
            Opcode::Pong => 0xA,
        }
    }

    pub(crate) const fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }
}

/// Head of a frame from the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) opcode: Opcode,
    /// True for the last frame of a message.
    pub(crate) is_last: bool,
    /// True if the message that begins here is compressed.
    pub(crate) is_compressed: bool,
    /// Length of the payload, in bytes.
    pub(crate) len: u64,
}

impl Head {
    /// Returns the head at the beginning of `bytes` and its length; `None` if it is incomplete.
    #[inline]
    pub(crate) fn parse(bytes: &[u8], may_compress: bool) -> Result<Option<(Head, usize)>, Error> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        let (first, second) = (*first, *second);
        let opcode = Opcode::parse(first & 0x0F)?;
        let is_compressed = first & RSV1 != 0;
        let begins_message = matches!(opcode, Opcode::Text | Opcode::Binary);
        if first & RSV2_AND_3 != 0 || (is_compressed && !(may_compress && begins_message)) {
            return Err(Error::ReservedBits);
        }
        if second & MASKED != 0 {
            return Err(Error::Masked);
        }
        let is_last = first & FIN != 0;
        let short = usize::from(second);
        if opcode.is_control() && (!is_last || short > MAX_CONTROL) {
            return Err(Error::MalformedControl);
        }
        let (len, size) = match short {
            126 => match rest.first_chunk() {
                Some(len) => (u64::from(u16::from_be_bytes(*len)), 4),
                None => return Ok(None),
            },
            127 => match rest.first_chunk() {
                Some(len) => (u64::from_be_bytes(*len), 10),
                None => return Ok(None),
            },
            _ => (u64::from(second), 2),
        };
        Ok(Some((Head { opcode, is_last, is_compressed, len }, size)))
    }
}

/// Appends a client's frame to `output`: head, mask, and the masked payload. `first` is the first byte.
#[inline]
pub(crate) fn append(output: &mut Vec<u8>, first: u8, payload: &[u8], mask: [u8; 4]) {
    output.reserve(payload.len().saturating_add(MAX_HEAD + 4));
    let len = payload.len();
    if let Ok(len @ ..=125) = u8::try_from(len) {
        output.extend_from_slice(&[first, MASKED | len]);
    } else if let Ok(len) = u16::try_from(len) {
        output.extend_from_slice(&[first, MASKED | 126]);
        output.extend_from_slice(&len.to_be_bytes());
    } else {
        output.extend_from_slice(&[first, MASKED | 127]);
        // A slice's length fits in 63 bits.
        output.extend_from_slice(&u64::try_from(len).unwrap_or(u64::MAX).to_be_bytes());
    }
    output.extend_from_slice(&mask);
    let start = output.len();
    output.extend_from_slice(payload);
    apply_mask(output.split_at_mut(start).1, mask);
}

/// Masks or unmasks.
#[inline]
fn apply_mask(bytes: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn masks_repeat_every_four_bytes() {
        for len in 0..40 {
            let mut bytes = vec![0; len];
            apply_mask(&mut bytes, [1, 2, 3, 4]);
            assert!(bytes.iter().copied().eq([1, 2, 3, 4].into_iter().cycle().take(len)), "{len}");
        }
    }

    #[test]
    fn lengths_take_the_shortest_form() {
        for (len, head) in [
            (0, &[0x82, 0x80][..]),
            (125, &[0x82, 0x80 | 125]),
            (126, &[0x82, 0xFE, 0, 126]),
            (65_535, &[0x82, 0xFE, 255, 255]),
            (65_536, &[0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut output = Vec::new();
            append(&mut output, 0x82, &vec![0; len], [0; 4]);
            assert_eq!(output.get(..head.len()), Some(head), "{len}");
            assert_eq!(output.len(), head.len() + 4 + len);
        }
    }
}
