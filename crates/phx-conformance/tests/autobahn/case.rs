//! A case: what the server sends, and what a client that sends each message back must answer.

/// Bits of a frame's first byte.
pub(crate) const FIN: u8 = 0x80;
pub(crate) const MORE: u8 = 0;
pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// A case of the suite.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) id: String,
    /// What the server sends, each part for itself: frames, or pieces of one.
    pub(crate) parts: Vec<Vec<u8>>,
    /// The client's frames but for a close frame.
    pub(crate) answers: Vec<Answer>,
    pub(crate) end: End,
    /// What the server sends of the message if the client has not failed by then.
    pub(crate) rest: Vec<u8>,
}

/// A frame of the client: first byte and payload.
pub(crate) type Answer = (u8, Vec<u8>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The connection stays open: it is the server that closes it then, by 1000, which the client confirms.
    Open,
    /// The client answers the server's close frame by one with this code, or none.
    Closed(Option<u16>),
    /// The client fails the connection with this code.
    Failed(u16),
}

impl Case {
    pub(crate) fn new(id: impl Into<String>, parts: impl Into<Vec<Vec<u8>>>) -> Self {
        let (id, parts) = (id.into(), parts.into());
        Case { id, parts, answers: Vec::new(), end: End::Open, rest: Vec::new() }
    }

    /// Adds an answer of the client.
    pub(crate) fn answered(mut self, first: u8, payload: &[u8]) -> Self {
        self.answers.push((FIN | first, payload.to_vec()));
        self
    }

    pub(crate) fn ends(self, end: End) -> Self {
        Case { end, ..self }
    }

    /// Says that the last part must be enough for the failure: this one isn't sent.
    pub(crate) fn before(self, rest: Vec<u8>) -> Self {
        Case { rest, ..self }
    }
}

/// A server's frame.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [&head(first, payload.len())[..], payload].concat()
}

/// The head of a server's frame, whose payload has this length.
pub(crate) fn head(first: u8, len: usize) -> Vec<u8> {
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ ..126), _) => vec![first, len],
        (_, Ok(len)) => [&[first, 126][..], &len.to_be_bytes()].concat(),
        _ => [&[first, 127][..], &u64::try_from(len).unwrap().to_be_bytes()].concat(),
    }
}

/// A close frame.
pub(crate) fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes()[..], reason].concat())
}

/// Takes the first of the client's frames from `bytes`, and unmasks it; `None` if it hasn't come whole.
pub(crate) fn take_frame(bytes: &mut Vec<u8>) -> Option<Answer> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    assert_ne!(second & 0x80, 0, "a client's frame is masked");
    let (len, at) = match second & 0x7F {
        126 => (u64::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)), 4),
        127 => (u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?), 10),
        len => (u64::from(len), 2),
    };
    let end = at + 4 + usize::try_from(len).unwrap();
    let mask = bytes.get(at..at + 4)?;
    let payload = bytes.get(at + 4..end)?;
    let payload = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    bytes.drain(..end);
    Some((first, payload))
}

/// The code of a close frame's payload.
pub(crate) fn code(payload: &[u8]) -> Option<u16> {
    payload.first_chunk().map(|code| u16::from_be_bytes(*code))
}
