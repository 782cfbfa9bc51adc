//! WebSocket frames (RFC 6455, section 5.2), as far as the server for measurements needs them.

pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

/// Bytes received, and not yet read as frames.
pub(super) struct Incoming {
    pub(super) buffer: Vec<u8>,
}

/// A whole frame from a client.
pub(super) struct Frame {
    pub(super) opcode: u8,
    pub(super) payload: Vec<u8>,
}

impl Incoming {
    /// The next frame, if all of it is here.
    pub(super) fn next(&mut self) -> Option<Frame> {
        let [first, second, rest @ ..] = self.buffer.as_slice() else {
            return None;
        };
        let opcode = first & 0x0f;
        let (len, rest) = match second & 0x7f {
            126 => {
                let (len, rest) = rest.split_first_chunk()?;
                (usize::from(u16::from_be_bytes(*len)), rest)
            }
            127 => {
                let (len, rest) = rest.split_first_chunk()?;
                (usize::try_from(u64::from_be_bytes(*len)).ok()?, rest)
            }
            len => (usize::from(len), rest),
        };
        let (mask, rest) = rest.split_first_chunk::<4>()?;
        let masked = rest.get(..len)?;
        let payload = masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
        let frame = Frame { opcode, payload: payload.collect() };
        let read = self.buffer.len() - rest.len() + len;
        self.buffer.drain(..read);
        Some(frame)
    }
}

/// Writes a frame as servers do, without a mask.
pub(super) fn write(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(0x80 | opcode);
    let len = payload.len();
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ ..126), _) => out.push(len),
        (_, Ok(len)) => {
            out.push(126);
            out.extend_from_slice(&len.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_when_they_are_whole() {
        let mask = [1, 2, 3, 4];
        for len in [0_usize, 1, 125, 126, 65_535, 65_536] {
            let payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let mut whole = Vec::new();
            write(&mut whole, TEXT, &payload);
            let header = whole.len() - len;
            whole[1] |= 0x80;
            let masked = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
            let tail: Vec<u8> = mask.into_iter().chain(masked).collect();
            whole.splice(header.., tail);
            let mut incoming = Incoming { buffer: whole[..whole.len() - 1].to_vec() };
            assert!(incoming.next().is_none(), "{len} bytes but one");
            incoming.buffer.push(*whole.last().unwrap());
            incoming.buffer.extend_from_slice(&whole);
            for _ in 0..2 {
                let frame = incoming.next().unwrap();
                assert_eq!((frame.opcode, frame.payload), (TEXT, payload.clone()));
            }
            assert!(incoming.next().is_none());
        }
    }
}
