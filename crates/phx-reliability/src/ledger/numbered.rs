//! Payloads with a number and a checksum.

use phx_proto::Payload;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Number within a life of a channel, a topic or the pushes; 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Numbered {
    /// What the number counts: a life of a channel, a topic, or 0 for pushes.
    pub(crate) of: u64,
    pub(crate) number: u64,
    sum: u64,
}

impl Numbered {
    pub(crate) fn new(of: u64, number: u64) -> Self {
        Numbered { of, number, sum: sum(of, number) }
    }

    pub(crate) fn payload(self, binary: bool) -> Payload {
        if binary {
            let bytes = [self.of, self.number, self.sum].map(u64::to_le_bytes).concat();
            Payload::binary(bytes)
        } else {
            Payload::json(&self).unwrap_or_default()
        }
    }

    /// Returns a payload with this many bytes of padding.
    pub(crate) fn padded(self, bytes: usize) -> Payload {
        let Numbered { of, number, sum } = self;
        let pad = "x".repeat(bytes);
        Payload::json(&json!({ "of": of, "number": number, "sum": sum, "pad": pad }))
            .unwrap_or_default()
    }

    /// Reads the number; `None` if the payload was damaged.
    pub(crate) fn read(payload: &Payload) -> Option<Self> {
        let read: Numbered = if payload.is_binary() {
            let mut words = payload.as_bytes().chunks(8).map(|word| word.try_into().ok());
            let mut next = || words.next()?.map(u64::from_le_bytes);
            Numbered { of: next()?, number: next()?, sum: next()? }
        } else {
            payload.decode().ok()?
        };
        (read.sum == sum(read.of, read.number)).then_some(read)
    }
}

fn sum(of: u64, number: u64) -> u64 {
    of.wrapping_mul(31).wrapping_add(number).wrapping_mul(0x9e37_79b9) ^ 0x5555
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_unless_it_was_damaged() {
        for binary in [false, true] {
            let payload = Numbered::new(3, 7).payload(binary);
            let read = Numbered::read(&payload);
            assert_eq!(read.map(|it| (it.of, it.number)), Some((3, 7)));
        }
        let whole = Numbered::new(3, 7).payload(true);
        assert_eq!(Numbered::read(&Payload::binary(whole.as_bytes().slice(..20))), None);
        let mut other = whole.as_bytes().to_vec();
        other[8] ^= 1;
        assert_eq!(Numbered::read(&Payload::binary(other)), None);
    }
}
