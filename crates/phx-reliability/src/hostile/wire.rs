//! What goes over the wire, well-formed or not.

use std::io;

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
    let Some((&[first, second], rest)) = bytes.split_first_chunk::<2>() else {
        return Ok(None);
    };
    let (length, rest) = match second & 0x7F {
        126 => match rest.split_first_chunk() {
            Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), rest),
            None => return Ok(None),
        },
        127 => match rest.split_first_chunk() {
            Some((length, rest)) => (u64::from_be_bytes(*length), rest),
            None => return Ok(None),
        },
        length => (u64::from(length), rest),
    };
    let length = usize::try_from(length).ok().filter(|length| *length <= MAX_CLIENT_FRAME);
    let length = length.ok_or(io::ErrorKind::InvalidData)?;
    let Some((mask, rest)) = rest.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let Some(masked) = rest.get(..length) else {
        return Ok(None);
    };
    let payload = masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    Ok(Some((bytes.len() - rest.len() + length, first & 0x0F, payload)))
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
        assert!(client_frame(&[0x81, 0xFF, 1, 0, 0, 0, 0, 0, 0, 0]).is_err());
    }
}
