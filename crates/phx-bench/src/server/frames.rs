//! WebSocket frames, as far as the server for measurements needs them.

use std::io::Cursor;

use anyhow::Context as _;
use async_tungstenite::tungstenite::protocol::frame::FrameHeader;
use async_tungstenite::tungstenite::protocol::frame::coding::OpCode;

/// Received bytes that aren't parsed yet.
pub(super) struct Incoming {
    pub(super) buffer: Vec<u8>,
}

/// A whole frame from a client.
pub(super) struct Frame {
    pub(super) opcode: OpCode,
    pub(super) payload: Vec<u8>,
}

impl Incoming {
    /// Returns the next frame if all of it has arrived.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Frame>> {
        let mut cursor = Cursor::new(self.buffer.as_slice());
        let Some((header, len)) = FrameHeader::parse(&mut cursor)? else { return Ok(None) };
        let begin = usize::try_from(cursor.position())?;
        let end = begin + usize::try_from(len)?;
        let Some(masked) = self.buffer.get(begin..end) else { return Ok(None) };
        let mask = header.mask.context("a client's frame without a mask")?;
        let payload = masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
        let frame = Frame { opcode: header.opcode, payload: payload.collect() };
        self.buffer.drain(..end);
        Ok(Some(frame))
    }
}

/// Writes a frame as servers do, without a mask.
pub(super) fn write(out: &mut Vec<u8>, opcode: OpCode, payload: &[u8]) -> anyhow::Result<()> {
    let header = FrameHeader { opcode, ..FrameHeader::default() };
    header.format(payload.len() as u64, out)?;
    out.extend_from_slice(payload);
    Ok(())
}

#[cfg(test)]
mod tests {
    use async_tungstenite::tungstenite::protocol::frame::coding::Data;

    use super::*;

    #[test]
    fn frames_are_read_when_they_are_whole() {
        let opcode = OpCode::Data(Data::Text);
        for len in [0_usize, 1, 125, 126, 65_535, 65_536] {
            let payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let mut whole = Vec::new();
            write(&mut whole, opcode, &payload).unwrap();
            // The mask is zero, so the payload is unchanged.
            let header = whole.len() - len;
            whole[1] |= 0x80;
            whole.splice(header..header, [0; 4]);
            let mut incoming = Incoming { buffer: whole[..whole.len() - 1].to_vec() };
            assert!(incoming.next().unwrap().is_none(), "{len} bytes but one");
            incoming.buffer.push(*whole.last().unwrap());
            incoming.buffer.extend_from_slice(&whole);
            for _ in 0..2 {
                let frame = incoming.next().unwrap().unwrap();
                assert_eq!((frame.opcode, frame.payload), (opcode, payload.clone()));
            }
            assert!(incoming.next().unwrap().is_none());
        }
    }
}
