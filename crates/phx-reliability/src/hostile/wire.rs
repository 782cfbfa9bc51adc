//! Frames and messages, well-formed or not.

pub(super) const CONTINUATION: u8 = 0x00;
pub(super) const TEXT: u8 = 0x01;
pub(super) const BINARY: u8 = 0x02;
pub(super) const CLOSE: u8 = 0x08;
pub(super) const PING: u8 = 0x09;
pub(super) const PONG: u8 = 0x0A;
/// Bit of the last frame of a message.
pub(super) const FINAL: u8 = 0x80;

/// Returns a server's frame header that announces `length` bytes.
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

/// Returns a message on the channel that every client here joins.
pub(super) fn message(event: &str, payload: &str) -> Vec<u8> {
    text(&format!(r#"[null,null,"room:a","{event}",{payload}]"#))
}

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
}
