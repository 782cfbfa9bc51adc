//! What goes over the wire, well-formed or not.

use std::io::{self, Cursor};

use async_tungstenite::tungstenite::protocol::frame::FrameHeader;

pub(super) const CONTINUATION: u8 = 0x00;
pub(super) const TEXT: u8 = 0x01;
pub(super) const BINARY: u8 = 0x02;
pub(super) const CLOSE: u8 = 0x08;
pub(super) const PING: u8 = 0x09;
pub(super) const PONG: u8 = 0x0A;
/// The last frame of its message.
pub(super) const FINAL: u8 = 0x80;

/// A server's frame header that announces so many bytes.
pub(super) fn header(first: u8, length: u64) -> Vec<u8> {
    let mut header = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ ..126), _) => header.push(length),
        (_, Ok(length)) => {
            header.push(126);
            header.extend(length.to_be_bytes());
        }
        _ => {
            header.push(127);
            header.extend(length.to_be_bytes());
        }
    }
    header
}

pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, payload.len() as u64);
    frame.extend_from_slice(payload);
    frame
}

pub(super) fn text(payload: &str) -> Vec<u8> {
    frame(FINAL | TEXT, payload.as_bytes())
}

pub(super) fn close(code: u16) -> Vec<u8> {
    frame(FINAL | CLOSE, &code.to_be_bytes())
}

/// A message on the channel that every client here joins.
pub(super) fn message(event: &str, payload: &str) -> Vec<u8> {
    text(&format!(r#"[null,null,"room:a","{event}",{payload}]"#))
}

/// A client's frame: what of `bytes` it takes, its opcode and its payload without the mask; `None` until
/// all of it is there.
pub(super) fn client_frame(bytes: &[u8]) -> io::Result<Option<(usize, u8, Vec<u8>)>> {
    let mut rest = Cursor::new(bytes);
    let header = FrameHeader::parse(&mut rest).map_err(|_| io::ErrorKind::InvalidData)?;
    let Some((header, length)) = header else { return Ok(None) };
    let length = usize::try_from(length).ok().filter(|length| *length <= MAX_CLIENT_FRAME);
    let length = length.ok_or(io::ErrorKind::InvalidData)?;
    let start = usize::try_from(rest.position()).unwrap_or(bytes.len());
    let Some(masked) = bytes.get(start..start + length) else { return Ok(None) };
    let mask = header.mask.unwrap_or_default();
    let payload = masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    Ok(Some((start + length, header.opcode.into(), payload)))
}

/// No client here sends a larger one.
const MAX_CLIENT_FRAME: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_has_the_bytes_it_needs() {
        assert_eq!(header(FINAL | TEXT, 125), [0x81, 125]);
        assert_eq!(header(FINAL | TEXT, 126), [0x81, 126, 0, 126]);
        assert_eq!(header(FINAL | TEXT, 65_535), [0x81, 126, 255, 255]);
        assert_eq!(header(FINAL | TEXT, 65_536), [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_clients_frame_is_unmasked_once_it_is_there() {
        let frame = [0x81, 0x82, 1, 2, 3, 4, b'a' ^ 1, b'b' ^ 2, 0x88];
        for end in 0..8 {
            assert_eq!(client_frame(&frame[..end]).unwrap(), None);
        }
        assert_eq!(client_frame(&frame).unwrap(), Some((8, TEXT, b"ab".to_vec())));
        assert!(client_frame(&[0x81, 0xFF, 1, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]).is_err());
    }
}
